"""The report in words: as Markdown for people who open it, as plain text for a task's log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from order_relay.orders.markdown import markdown_table
from order_relay.orders.messages import RunContext
from order_relay.orders.notes import NOTE_TITLES
from order_relay.pipeline.runs.objects import run_prefix

if TYPE_CHECKING:
    from order_relay.pipeline.report.model import LedgerCounts, RunReport

# What waits, and what a person does about it. The order is the order of urgency.
STATE_ADVICE: Mapping[str, str] = {
    "in_doubt": "Nobody knows whether the OMS stored these. Later runs look them up; `python -m order_relay doubt` "
    "lists those that no search could settle.",
    "held": "A person must decide. `python -m order_relay held` lists them with the reason; `order NUMBER` shows the "
    "whole life of one.",
    "rejected": "The OMS refused these and stored nothing. `python -m order_relay quarantine` shows its code, "
    "`order NUMBER --payload` its words; mend the mapping, a code table or the order at its source.",
    "quarantined": "Our own checks refused these. `python -m order_relay quarantine` shows every reason; mend the "
    "mapping, a code table or the order at its source. The next run judges them again.",
    "waiting": "Nothing to do now: these wait for another version of their order, a payment, or a date.",
    "sending": "Under way, or left by a crash: the next run treats these as in doubt once their lease is over.",
    "ready": "Nothing to do: the next run sends these.",
    "received": "Nothing to do: the next run judges these.",
}
OPERATOR_STATES = ("in_doubt", "held", "rejected", "quarantined")


def count_operator_orders(books: LedgerCounts) -> int:
    """How many orders only a person can move on (in doubt included: it may become so)."""
    return sum(books.states.get(state, 0) for state in OPERATOR_STATES)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    return [markdown_table(head, rows), ""]


def _verdict(report: RunReport) -> str:
    if report.breaches:
        return "The books do NOT balance."
    checked = f", {report.checked_batches} archived batch(es) compared" if report.checked_batches else ""
    return f"The books balance{checked}."


def _shadow(report: RunReport) -> list[str]:
    """Loud, so that nobody takes a shadow run for a real one."""
    if report.shadow is None:
        return []
    n, place = report.shadow, run_prefix(RunContext(report.pipeline, report.run))
    return [
        "**SHADOW MODE: NOTHING WAS SENT AND NOTHING WAS ACKNOWLEDGED.**",
        "",
        f"A live run would have sent {n['would_send']} orders. Of these the OMS has {n['found_there']} already, by "
        f"other hands; {n['not_found_there']} were not found there; {n['not_compared']} could not be looked for. In "
        f"the batch store: order by order `{place}/shadow-*.jsonl.gz`, the payloads `{place}/payloads-*.jsonl.gz`.",
        "",
    ]


def _states(report: RunReport) -> list[str]:
    names = sorted({*report.whole.states, *report.this_run.states})
    rows = [(n, report.this_run.states.get(n, 0), report.whole.states.get(n, 0)) for n in names]
    rows.append(("acknowledged", report.this_run.acknowledged, report.whole.acknowledged))
    rows.append(("**received**", report.this_run.received, report.whole.received))
    return ["## Where every order stands", "", *_table(("state", "this run", "whole ledger"), rows)]


def _waiting(books: LedgerCounts) -> list[str]:
    lines: list[str] = []
    for state, advice in STATE_ADVICE.items():
        number = books.states.get(state, 0)
        if not number:
            continue
        lines.append(f"- **{state}: {number}.** {advice}")
        reasons = sorted((-n, why) for (at, why), n in books.reasons.items() if at == state and why)
        lines += [f"  - `{why}`: {-n}" for n, why in reasons]
    return ["## What waits, and what to do", "", *(lines or ["Nothing waits."]), ""]


def _speed(report: RunReport) -> list[str]:
    if not report.stages:
        return []
    rows = [(stage.name, f"{stage.seconds:.1f}", stage.records) for stage in report.stages]
    total = f"{report.seconds:.1f} s in all, {report.orders_per_s:.1f} received orders per second."
    return ["## Time", "", *_table(("stage", "seconds", "records"), rows), total, ""]


def _listed(title: str, entries: Iterable[str]) -> list[str]:
    lines = [f"- {entry}" for entry in entries]
    return [f"## {title}", "", *lines, ""] if lines else []


def _notes(report: RunReport) -> list[tuple[str, str]]:
    """Each code of a note with the number of orders that carry it, and what it means."""
    return [
        (code, f"{number} orders" + (f" ({NOTE_TITLES[code]})" if code in NOTE_TITLES else ""))
        for code, number in sorted(report.notes.items())
    ]


def _tasks(report: RunReport) -> Iterable[str]:
    """What write-back leaves to operators; orders are named by alerts and commands."""
    words = {
        "cancelled": "cancelled in the shop after the import; `python -m order_relay cancelled` lists them",
        "untold": "refused by the source when told of; `python -m order_relay feedback --failed` lists them",
    }
    return [f"{task.number} {words[task.state]}" for task in report.tasks]


def as_markdown(report: RunReport) -> str:
    """The whole report as Markdown."""
    lines = [f"# {report.pipeline}: report", "", f"Run `{report.run}`. **{_verdict(report)}**", ""]
    lines += _shadow(report)
    lines += _listed("What is wrong with the books", report.breaches)
    lines += _listed(
        "Imported, but the OMS also named an error",
        (
            f"`{remark.order_number}` (OMS id {remark.oms_id}): `{remark.text.replace('`', chr(39))}`"
            for remark in report.remarks
        ),
    )
    lines += _listed("Tasks that failed", (f"`{task}`{_cause(report, task)}" for task in report.failed_tasks))
    lines += _states(report)
    lines += _waiting(report.whole)
    lines += _listed("Warnings about the source's answers", report.warnings)
    lines += _listed("Orders to settle with their source", _tasks(report))
    lines += _listed("Notes on orders of this run", (f"`{code}`: {words}" for code, words in _notes(report)))
    lines += _speed(report)
    return "\n".join(lines)


def as_text(report: RunReport) -> str:
    """The report for a task's log: short lines, no markup."""
    whole, run = report.whole, report.this_run
    lines = [
        f"{report.pipeline}, run {report.run}: {_verdict(report)}",
        f"this run:     received {run.received}, acknowledged {run.acknowledged}{_pairs(run.states)}",
        f"whole ledger: received {whole.received}, acknowledged {whole.acknowledged}{_pairs(whole.states)}",
    ]
    lines[:0] = [line.replace("**", "") for line in _shadow(report) if line]
    lines += [f"BROKEN: {breach}" for breach in report.breaches]
    lines += [f"failed task: {task}{_cause(report, task)}" for task in report.failed_tasks]
    if report.remarks:
        numbers = ", ".join(remark.order_number for remark in report.remarks)
        lines.append(f"imported, but the OMS also named an error (its words are in the report's file): {numbers}")
    lines += [f"{state} because of {why}: {n}" for (state, why), n in sorted(whole.reasons.items()) if why]
    lines += [f"warning: {words}" for words in report.warnings]
    lines += [f"to settle: {words}" for words in _tasks(report)]
    lines += [f"note {code}: {words}" for code, words in _notes(report)]
    lines += [f"{stage.name}: {stage.seconds:.1f} s, {stage.records} records" for stage in report.stages]
    person = count_operator_orders(whole)
    lines.append(f"{person} order(s) wait for a person" if person else "nothing waits for a person")
    return "\n".join(lines)


def _cause(report: RunReport, task: str) -> str:
    """Why a task failed, on one line."""
    return f": {' '.join(report.causes[task].split())}" if task in report.causes else ""


def _pairs(states: Mapping[str, int]) -> str:
    return "".join(f", {state} {number}" for state, number in sorted(states.items()))
