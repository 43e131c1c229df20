"""Renders a run report: as Markdown for the batch store, as plain text for the task's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from order_relay.orders.markdown import markdown_table
from order_relay.orders.messages import RunContext
from order_relay.orders.notes import NOTE_TITLES
from order_relay.pipeline.report.formatting import format_orders, format_reason, format_time
from order_relay.pipeline.report.state_advice import OPERATOR_STATES, STATES, WRITE_BACK_STATES, state_advice
from order_relay.pipeline.runs.objects import run_prefix

if TYPE_CHECKING:
    from order_relay.pipeline.report.model import LedgerCounts, RunReport


def as_markdown(report: RunReport) -> str:
    """The whole report as Markdown."""
    waiting = _waiting(report.whole)
    lines = [f"# {report.pipeline}: run report", "", f"Run `{report.run}`. **{_verdict(report)}** {waiting}", ""]
    lines += _shadow_notice(report)
    lines += _section("Problems found by the accounting check", report.breaches)
    lines += _section(
        "Imported, but the OMS also reported an error",
        (
            f"`{remark.order_number}` (OMS id {remark.oms_id}): `{remark.text.replace('`', chr(39))}`"
            for remark in report.remarks
        ),
    )
    lines += _section("Failed tasks", (f"`{task}`{_cause(report, task)}" for task in report.failed_tasks))
    lines += _state_table(report)
    lines += _open_orders(report.whole)
    lines += _section("Warnings about the source's answers", report.warnings)
    lines += _section("Open tasks with the source", _write_back_tasks(report))
    lines += _section("Updates of the source that are not done", _write_back_steps(report))
    lines += _section("Not finished at the OMS", _oms_counts(report))
    lines += _section("Notes on orders of this run", (f"`{code}`: {text}" for code, text in _notes(report)))
    lines += _durations(report)
    return "\n".join(lines)


def as_text(report: RunReport) -> str:
    """The report for a task's log: short lines without markup."""
    whole, run = report.whole, report.this_run
    lines = [line.replace("**", "") for line in _shadow_notice(report) if line]
    lines += [
        f"{report.pipeline}, run {report.run}: {_verdict(report)}",
        f"this run: received {run.received}, acknowledged {run.acknowledged}{_counts(run.states)}",
        f"in total: received {whole.received}, acknowledged {whole.acknowledged}{_counts(whole.states)}",
    ]
    lines += [f"ACCOUNTING: {breach}" for breach in report.breaches]
    lines += [f"failed task: {task}{_cause(report, task)}" for task in report.failed_tasks]
    if report.remarks:
        numbers = ", ".join(remark.order_number for remark in report.remarks)
        lines.append(f"imported, but the OMS also reported an error (see the report file for its answer): {numbers}")
    lines += [f"{state}, {reason}: {number}" for (state, reason), number in sorted(whole.reasons.items()) if reason]
    lines += [f"warning: {warning}" for warning in report.warnings]
    lines += [f"to do: {task}" for task in _write_back_tasks(report)]
    lines += [f"write-back {line}" for line in _write_back_steps(report)]
    lines += [f"at the OMS {line}" for line in _oms_counts(report)]
    lines += [f"note {code}: {text}" for code, text in _notes(report)]
    lines += [f"{stage.name}: {stage.seconds:.1f} s, {stage.records} records" for stage in report.stages]
    lines.append(_waiting(whole))
    return "\n".join(lines)


def count_operator_orders(counts: LedgerCounts) -> int:
    """How many orders may need an operator. Includes orders in doubt, most of which look-ups settle."""
    return sum(counts.states.get(state, 0) for state in OPERATOR_STATES)


def _waiting(counts: LedgerCounts) -> str:
    return f"{format_orders(count_operator_orders(counts), 'needs', 'need')} an operator."


def _verdict(report: RunReport) -> str:
    if report.breaches:
        number = len(report.breaches)
        return f"Accounting check FAILED: {number} problem{'s' if number > 1 else ''}."
    batches = report.checked_batches
    compared = f", {batches} archived batch{'es' if batches > 1 else ''} compared" if batches else ""
    return f"Accounting check passed: {report.whole.received} orders received, each has exactly one state{compared}."


def _shadow_notice(report: RunReport) -> list[str]:
    """Conspicuous, so that a shadow run is never taken for a live one."""
    if report.shadow is None:
        return []
    n, folder = report.shadow, run_prefix(RunContext(report.pipeline, report.run))
    return [
        "**SHADOW MODE: NOTHING WAS SENT AND NOTHING WAS ACKNOWLEDGED.**",
        "",
        f"A live run would have sent {n['would_send']} orders. Of these, the OMS already has {n['found_there']} "
        f"(imported by another system), {n['not_found_there']} were not found in the OMS, and {n['not_compared']} "
        f"could not be looked up. Details in the batch store: each order in `{folder}/shadow-*.jsonl.gz`, the "
        f"payloads in `{folder}/payloads-*.jsonl.gz`.",
        "",
    ]


def _state_table(report: RunReport) -> list[str]:
    names = sorted({*report.whole.states, *report.this_run.states})
    rows = [(name, report.this_run.states.get(name, 0), report.whole.states.get(name, 0)) for name in names]
    rows.append(("**received**", report.this_run.received, report.whole.received))
    rows.append(("acknowledged", report.this_run.acknowledged, report.whole.acknowledged))
    return ["## Orders by state", "", markdown_table(("state", "this run", "in total"), rows), ""]


def _open_orders(counts: LedgerCounts) -> list[str]:
    lines: list[str] = []
    for state, advice in STATES.items():
        number = counts.states.get(state, 0)
        if not number or state in _FINAL_STATES:
            continue
        lines.append(f"- **{state}: {number}.** {advice.meaning} {advice.action}")
        reasons = sorted((-n, reason) for (of, reason), n in counts.reasons.items() if of == state and reason)
        lines += [f"  - {format_reason(reason, -n)}" for n, reason in reasons]
    return ["## Open orders", "", *(lines or ["None."]), ""]


_FINAL_STATES = frozenset({"imported", "superseded", "discarded"})


def _durations(report: RunReport) -> list[str]:
    if not report.stages:
        return []
    rows = [(stage.name, f"{stage.seconds:.1f}", stage.records) for stage in report.stages]
    total = f"{report.seconds:.1f} s in total, {report.orders_per_s:.1f} received orders per second."
    return ["## Duration", "", markdown_table(("stage", "seconds", "records"), rows), "", total, ""]


def _write_back_tasks(report: RunReport) -> list[str]:
    """What write-back leaves to operators, as counts; alerts and commands name the orders."""
    return [
        f"{format_orders(task.number, 'was', 'were')} {state_advice(task.state).label}. "
        f"{state_advice(task.state).action}"
        for task in report.tasks
    ]


def _write_back_steps(report: RunReport) -> list[str]:
    return [
        f"{one.step}: {one.number} {WRITE_BACK_STATES.get(one.state, one.state)}, the oldest since "
        f"{format_time(one.oldest)}"
        for one in report.write_back
    ]


def _oms_counts(report: RunReport) -> list[str]:
    """Imported orders that the OMS is still asked about, by status."""
    return [
        f"{reading.replace('_', ' ') or 'no answer yet'}: {number}" for reading, number in sorted(report.oms.items())
    ]


def _notes(report: RunReport) -> list[tuple[str, str]]:
    """Each code of a note, with the number of orders that have it and its meaning."""
    return [
        (
            code,
            f"{number} order{'s' if number > 1 else ''}" + (f" ({NOTE_TITLES[code]})" if code in NOTE_TITLES else ""),
        )
        for code, number in sorted(report.notes.items())
    ]


def _cause(report: RunReport, task: str) -> str:
    """Why a task failed, on one line."""
    return f": {' '.join(report.causes[task].split())}" if task in report.causes else ""


def _counts(states: Mapping[str, int]) -> str:
    return "".join(f", {state} {number}" for state, number in sorted(states.items()))


def _section(title: str, entries: Iterable[str]) -> list[str]:
    lines = [f"- {entry}" for entry in entries]
    return [f"## {title}", "", *lines, ""] if lines else []
