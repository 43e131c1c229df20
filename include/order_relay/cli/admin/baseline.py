"""``baseline``: the cut-over from older scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from order_relay.cli.decisions import AsJson, Reason, Who, actor_name, require_reason
from order_relay.cli.deployment import Installation
from order_relay.cli.output import print_fields, print_json, print_line


def baseline(
    pipeline: Annotated[str, typer.Argument(help="The pipeline whose source is read.")],
    acknowledge: Annotated[
        bool,
        typer.Option("--acknowledge/--no-acknowledge", help="Also tell the source that these orders were taken over."),
    ] = False,
    reason: Reason = "handled by older scripts",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what the source offers now.")] = False,
    who: Who = None,
    as_json: AsJson = False,
) -> None:
    """Mark everything that a source offers now as handled elsewhere: archived, counted, and never sent from here.

    Switch the older scripts and this pipeline's schedule off first.
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
