"""``baseline``: the cut-over from older scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from order_relay.commands.decisions import AsJson, Reason, Who, person, said
from order_relay.commands.screen import print_fields, print_json, print_line
from order_relay.commands.setup import Setup


def baseline(  # noqa: PLR0917 - each is an option of the command line
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
    from order_relay.pipeline.baselining import count_offers, take_baseline  # noqa: PLC0415 - pulls in the engine

    setup, name, why = Setup(), person(who), said(reason)
    setup.chosen(pipeline)
    facts: dict[str, Any]
    with setup.wiring(pipeline) as wiring, setup.ledger() as ledger:
        if dry_run:
            facts = {"offered": count_offers(ledger, wiring), "dry_run": True}
        else:
            facts = take_baseline(ledger, setup.store, wiring, who=name, reason=why, acknowledge=acknowledge)
    facts = {"pipeline": pipeline, "who": name, "reason": why, "acknowledge": acknowledge, **facts}
    if as_json:
        print_json(facts)
        return
    print_line(f"baseline of {pipeline}", "bold")
    print_fields(facts, indent=2)
