"""``note``, ``assign`` and ``snooze``: who looks after an order, until when it can wait, and what is known about it."""

from __future__ import annotations

from typing import Annotated

import typer

from order_relay.cli.arguments import find_order, open_actions
from order_relay.cli.decisions import AsJson, Pipeline, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line
from order_relay.cli.queues import parse_time
from order_relay.errors import ConfigurationError

Number = Annotated[str, typer.Argument(help="The order number or web shop reference.")]
OptionalReason = Annotated[str, typer.Option("--reason", help="Why, for the order's history. No personal data.")]


def note(
    number: Number,
    text: Annotated[str, typer.Argument(help="What is known about the order. No personal data.")],
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Add a note to an order's history."""
    name = actor_name(who)
    with open_actions() as (_, ledger, actions):
        work = find_order(ledger, number, pipeline and [pipeline])
        actions.note([work.id], text, name)
    if as_json:
        print_json({"noted": work.id, "number": work.order_number, "who": name, "note": text.strip()})
    else:
        print_line(f"{work.order_number}: noted by {name}")


def assign(
    number: Number,
    to: Annotated[str | None, typer.Option("--to", help="Who looks after the order; default: you.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody looks after the order any more.")] = False,
    reason: OptionalReason = "",
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Make somebody responsible for an order that needs attention."""
    if nobody and to is not None:
        raise ConfigurationError("give only one of --to and --nobody")
    name = actor_name(who)
    assignee = "" if nobody else name if to is None else actor_name(to)
    with open_actions() as (_, ledger, actions):
        work = find_order(ledger, number, pipeline and [pipeline])
        actions.assign({work.id: None}, assignee, name, reason.strip())
    if as_json:
        print_json({"assigned": work.id, "number": work.order_number, "assignee": assignee, "who": name})
    else:
        print_line(f"{work.order_number}: {f'assigned to {assignee}' if assignee else 'assigned to nobody'} by {name}")


def snooze(
    number: Number,
    until: Annotated[
        str | None, typer.Option(help="Out of sight until this time (ISO 8601; UTC unless it has an offset).")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="Show the order again.")] = False,
    reason: OptionalReason = "",
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Put an order that needs attention out of sight until a time, or until its content or state changes."""
    if (until is None) != end:
        raise ConfigurationError("give either --until TIME or --end")
    name, moment = actor_name(who), parse_time(until)
    with open_actions() as (_, ledger, actions):
        work = find_order(ledger, number, pipeline and [pipeline])
        if moment is None:
            actions.unsnooze({work.id: None}, name, reason.strip())
        else:
            actions.snooze({work.id: None}, moment, require_reason(reason), name)
    if as_json:
        print_json({"snoozed": work.id, "number": work.order_number, "until": moment, "who": name})
    else:
        print_line(f"{work.order_number}: {f'snoozed until {moment:%Y-%m-%d %H:%M} UTC' if moment else 'shown again'}")
