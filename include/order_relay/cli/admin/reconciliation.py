"""``reconcile``: compare ledger and destination. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.decisions import AsJson, Pipeline
from order_relay.cli.output import EXIT_USAGE, print_json, print_line, print_table, problem_exit, progress
from order_relay.errors import OrderRelayError

if TYPE_CHECKING:
    from order_relay.pipeline.lookup.diff import ReconciliationReport

MAX_SHOWN = 20
"""Order numbers of the source shown in the terminal; the report has more."""

_COLUMNS = ("difference", "order", "external id", "OMS ids (OMS)", "OMS id (ledger)", "state (ledger)")


def reconcile(pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """Compare imported orders with the OMS. Nothing is changed.

    Pipelines that never ran are skipped. Exit code 1 if ledger and OMS differ, or the source lists orders that were
    never received (`reconcile.source_days`), 2 if a pipeline could not be compared; the others are compared anyway.
    """
    from order_relay.airflow.jobs.reconcile import write_comparison

    installation, run = Installation(), f"reconcile-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    chosen = installation.chosen(pipeline)
    names = installation.ran() if chosen is None else chosen
    results, failed = [], {}
    with progress("pipelines compared", len(names)) as done:
        for name in names:
            try:
                with installation.wiring(name) as wiring:
                    results.append(write_comparison(wiring, run))
            except OrderRelayError as error:
                failed[name] = str(error)
            done(1)
    skipped = sorted(set(installation.pipelines) - set(names)) if chosen is None else []
    if as_json:
        compared = [{**report.as_dict(), "report": name} for report, name in results]
        print_json({"pipelines": compared, "skipped": skipped, "failed": failed})
    else:
        for report, name in results:
            _show(report, name)
        for name in skipped:
            print_line(f"{name}: skipped, it never ran")
        for name, problem in failed.items():
            print_line(f"{name}: not compared: {problem}", "bold red")
    if failed:
        raise typer.Exit(EXIT_USAGE)
    if any(report.differences or (report.source and report.source.alarming) for report, _ in results):
        raise problem_exit()


def _show(report: ReconciliationReport, name: str) -> None:
    from order_relay.pipeline.lookup.diff import verdict

    print_line(f"{report.pipeline}: {verdict(report)}", "bold")
    if report.differences:
        print_table(
            "differences",
            _COLUMNS,
            ((one.kind, one.number, one.key, ", ".join(one.there), one.ours, one.state) for one in report.differences),
        )
    if report.source:
        print_line(f"source: {report.source.verdict}")
        for number in report.source.numbers[:MAX_SHOWN]:
            print_line(f"never received: {number}")
    for line in _open_items(report):
        print_line(f"not compared: {line}")
    print_line(f"{report.imported} imported orders searched, {report.seen} found; report in the batch store: {name}")


def _open_items(report: ReconciliationReport) -> Iterable[str]:
    yield from report.remarks
    yield from (
        f"{number} imported orders were not found, which is inconclusive: {why}"
        for why, number in report.unsure.items()
    )
    yield from report.unread
    if report.bare:
        yield f"{report.bare} orders in the OMS have no external id"
