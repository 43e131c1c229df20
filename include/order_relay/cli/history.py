"""``history``: how far the imports of orders of the past got."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import require_pipeline
from order_relay.cli.output import print_json, print_line
from order_relay.ledger.delivery.history_imports import HistoryProgress
from order_relay.pipeline.history.progress import count_text, range_text


def history(
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show the history imports: their range, days or files done, and orders by result; the newest first.

    Trigger the DAG history_import to begin or continue one.
    """
    installation = Installation()
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        names = ledger.runs.pipelines() if pipeline is None else [pipeline]
        found = ledger.history_imports.latest(names)
    if as_json:
        print_json({"imports": [_row(one) for one in found]})
        return
    for one in found:
        print_line(f"import {one.id}  {one.pipeline}  {range_text(one)}", style="bold")
        print_line(f"  {_state(one)}")
        print_line(f"  {count_text(one.counts)}")
    if not found:
        print_line("no history import; trigger the DAG history_import to begin one")


def _state(one: HistoryProgress) -> str:
    if one.ended_at is not None:
        return f"{one.done} of {one.slices} slices done, ended {one.ended_at:%Y-%m-%d %H:%M} UTC"
    current = f", at {one.current}" if one.current else ""
    return f"{one.done} of {one.slices} slices done{current}; run {one.run}"


def _row(one: HistoryProgress) -> dict[str, Any]:
    return {**asdict(one), "range": range_text(one), "orders": one.orders}
