"""``reconcile``: ledger and destination compared. Nothing is repaired."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from order_relay.cli.decisions import AsJson, Pipeline
from order_relay.cli.deployment import Installation
from order_relay.cli.output import EXIT_USAGE, print_json, print_line, print_table, problem_exit, progress
from order_relay.errors import OrderRelayError

if TYPE_CHECKING:
    from order_relay.pipeline.lookup.diff import ReconciliationReport

_COLUMNS = ("what", "order", "external id", "OMS ids there", "OMS id here", "state here")


def reconcile(pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """Compare what was imported with what the OMS holds. Nothing is repaired.

    Pipelines that never ran are skipped. Exit code 1 where ledger and OMS differ, 2 where a pipeline could not be
    compared; the others are compared all the same.
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
        compared_ones = [{**told.as_dict(), "report": name} for told, name in results]
        print_json({"pipelines": compared_ones, "skipped": skipped, "failed": failed})
    else:
        for told, name in results:
            _show(told, name)
        for name in skipped:
            print_line(f"{name}: skipped, since it never ran")
        for name, problem in failed.items():
            print_line(f"{name}: not compared: {problem}", "bold red")
    if failed:
        raise typer.Exit(EXIT_USAGE)
    if any(told.differences for told, _ in results):
        raise problem_exit()


def _show(told: ReconciliationReport, name: str) -> None:
    from order_relay.pipeline.lookup.diff import verdict

    print_line(f"{told.pipeline}: {verdict(told)}", "bold")
    if told.differences:
        print_table(
            "differences",
            _COLUMNS,
            ((one.kind, one.number, one.key, ", ".join(one.there), one.ours, one.state) for one in told.differences),
        )
    for line in _open_items(told):
        print_line(f"not compared: {line}")
    print_line(f"{told.imported} imported orders looked for, {told.seen} seen there; report in the batch store: {name}")


def _open_items(told: ReconciliationReport) -> Iterable[str]:
    yield from told.remarks
    yield from (
        f"{number} imported orders were not seen, which proves nothing: {why}" for why, number in told.unsure.items()
    )
    yield from told.unread
    if told.bare:
        yield f"{told.bare} orders there carry no external id"
