"""``baseline``: cut-over from older scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.decisions import AsJson, Reason, Who, actor_name, require_reason
from order_relay.cli.output import print_fields, print_json, print_line


def baseline(
    pipeline: Annotated[str, typer.Argument(help="Pipeline whose source is read.")],
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge/--no-acknowledge", help="Also acknowledge these orders at the source.")
    ] = False,
    reason: Reason = "handled by older scripts",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the orders that the source offers.")] = False,
    who: Who = None,
    as_json: AsJson = False,
) -> None:
    """Mark all orders that a source offers as handled elsewhere. They are archived and counted, but never sent.

    Stop the older scripts and pause this pipeline's DAG first.
    """
    from order_relay.pipeline.operators.baseline import count_offers, take_baseline

    installation, name, why = Installation(), actor_name(who), require_reason(reason)
    installation.chosen(pipeline)
    facts: dict[str, Any]
    with installation.wiring(pipeline) as wiring, installation.ledger() as ledger:
        if dry_run:
            facts = {"offered": count_offers(ledger, wiring), "dry_run": True}
        else:
            facts = take_baseline(ledger, installation.store, wiring, who=name, reason=why, acknowledge=acknowledge)
    facts = {"pipeline": pipeline, "who": name, "reason": why, "acknowledge": acknowledge, **facts}
    if as_json:
        print_json(facts)
        return
    print_line(f"baseline of {pipeline}", "bold")
    print_fields(facts, indent=2)
