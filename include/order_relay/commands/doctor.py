"""``doctor``: every connection and setting, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

import typer

from order_relay.commands import doctor_airflow, doctor_feed, doctor_places, doctor_statuses, doctor_vendors
from order_relay.commands.findings import Finding, Level, guarded, ok
from order_relay.commands.screen import found_a_problem, print_json, print_line
from order_relay.commands.setup import Setup

_MEND_CONNECTION = "mend this connection (Admin, Connections, or AIRFLOW_CONN_...)"
_STYLES = {Level.OK: "green", Level.SKIP: "dim", Level.WARN: "yellow", Level.FAIL: "bold red"}


def doctor(
    pipeline: Annotated[str | None, typer.Option(help="Only the vendors of this pipeline.")] = None,
    vendors: Annotated[
        bool, typer.Option("--vendors/--no-vendors", help="Ask the vendors too: reads, and marks nothing as received.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Check every connection and setting; exit code 1 on anything that would fail a run."""
    findings: list[Finding] = []
    for finding in causes_once(examine(Setup(), pipeline, vendors=vendors)):
        findings.append(finding)
        if not as_json:
            _show(finding)
    failed = sum(finding.level is Level.FAIL for finding in findings)
    warned = sum(finding.level is Level.WARN for finding in findings)
    if as_json:
        print_json({"ok": not failed, "errors": failed, "warnings": warned, "findings": findings})
    else:
        print_line(f"{_number(failed, 'error')}, {_number(warned, 'warning').lower()}", "bold red" if failed else "")
    if failed:
        raise found_a_problem()


def causes_once(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each cause once: a check that failed only since an earlier one did is shown as skipped, and names that one."""
    causes: dict[str, str] = {}
    for finding in findings:
        earlier = causes.get(finding.found) if finding.level is Level.FAIL else None
        if earlier is not None and earlier != finding.check:
            yield Finding(Level.SKIP, finding.check, f"not checked, for the same reason as {earlier!r}")
            continue
        if finding.level is Level.FAIL:
            causes.setdefault(finding.found, finding.check)
        yield finding


def _number(of: int, what: str) -> str:
    return f"{of or 'No'} {what}{'' if of == 1 else 's'}"


def _show(finding: Finding) -> None:
    advice = f" -> {finding.advice}" if finding.advice else ""
    print_line(f"{finding.level.value:<4}  {finding.check}: {finding.found}{advice}", _STYLES[finding.level])


def examine(setup: Setup, pipeline: str | None, *, vendors: bool) -> Iterator[Finding]:
    """All findings, each as soon as it is known."""
    advice = "set ORDER_RELAY_CONFIG to the folder of your pipeline files"
    yield from guarded("pipelines", advice, partial(doctor_places.pipelines, setup))
    yield from guarded(
        "ledger", "run `ledger migrate`, or mend connection order_relay_ledger", partial(doctor_places.ledger, setup)
    )
    yield from guarded(
        "batch store", "mend Variable order_relay_batches or its connection", partial(doctor_places.store, setup)
    )
    yield from guarded("stop switch", "set it to 'false'", partial(doctor_airflow.stop_switch, setup))
    yield from guarded("DAGs", "see above", partial(_dags, setup))
    yield from guarded("alerts", "mend connection order_relay_alerts", partial(doctor_places.alerts, setup))
    yield from guarded(f"connection {doctor_feed.CONNECTION}", _MEND_CONNECTION, partial(doctor_feed.feed, setup))
    if vendors:
        yield from guarded("pipelines", "see above", partial(_sides, setup, pipeline))
        yield from guarded("status accounts", "see above", partial(doctor_statuses.status_accounts, setup))


def _dags(setup: Setup) -> Iterator[Finding]:
    """The DAGs of the pipelines and status accounts that are in use, and those that are active from the start."""
    used = [name for name in sorted(setup.pipelines) if doctor_vendors.in_use(setup, name)]
    yield from doctor_airflow.dags(setup, [*used, *doctor_statuses.in_use(setup)])


def _sides(setup: Setup, pipeline: str | None) -> Iterator[Finding]:
    """Every account that the pipelines name, each once, and how each pipeline fits together."""
    seen: set[str] = set()
    named = setup.chosen(pipeline)
    valid = [name for name in sorted(setup.pipelines) if doctor_places.is_valid(setup, name)]
    used = named or [name for name in valid if doctor_vendors.in_use(setup, name)]
    for name in used or valid:
        settings = setup.pipelines[name]
        sides = ((settings.source, doctor_vendors.source_side), (settings.destination, doctor_vendors.destination_side))
        for party, check in sides:
            if repr(party) not in seen:
                seen.add(repr(party))
                yield from guarded(f"connection {party.connection}", _MEND_CONNECTION, partial(check, setup, name))
        yield from guarded(f"pipeline {name}", "mend its file", partial(doctor_vendors.mapping, setup, name))
    for name in sorted(set(valid) - set(used)) if used and not named else ():
        connection = setup.pipelines[name].source.connection
        yield ok(f"pipeline {name}", f"not in use: it never ran, and connection {connection!r} is not defined")
