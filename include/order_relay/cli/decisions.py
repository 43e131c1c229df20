"""``decide`` and ``settle``: decisions of an operator. Name and reason are recorded on the order's events."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from order_relay.cli.arguments import open_actions, resolve_number
from order_relay.cli.output import print_json, print_line
from order_relay.errors import ConfigurationError
from order_relay.orders.review.choices import EFFECTS, Choice

Reason = Annotated[str, typer.Option(help="Reason, recorded with the change. No personal data.")]
Who = Annotated[str | None, typer.Option(help="Your name; default: the operating system's user.")]
Pipeline = Annotated[str | None, typer.Option(help="Only in this pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def decide(
    number: Annotated[str, typer.Argument(help="An order number of the group, or its web shop reference.")],
    choice: Annotated[Choice, typer.Argument(help="A choice offered by `held NUMBER`.")],
    reason: Reason,
    confirm_cancelled: Annotated[
        bool, typer.Option("--confirm-cancelled", help="Confirm that the old order is cancelled in the OMS.")
    ] = False,
    shown: Annotated[
        str | None,
        typer.Option(help="Ids from 'held NUMBER', comma-separated; refused if other versions are held meanwhile."),
    ] = None,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Decide about held versions of an order. The decision covers all orders held in the same group."""
    name, why = actor_name(who), require_reason(reason)
    with open_actions() as (_, ledger, actions):
        number = resolve_number(ledger, number, pipeline)
        ids = actions.decide(
            number, choice, why, name, pipeline=pipeline, shown=parse_shown(shown), cancelled=confirm_cancelled
        )
    if as_json:
        print_json({"decided": ids, "number": number, "choice": choice, "who": name, "reason": why})
    else:
        print_line(f"{number}: {len(ids)} decided as {choice.value} by {name}. {EFFECTS[choice]}")


def settle(
    number: Annotated[str, typer.Argument(help="The order number or web shop reference.")],
    reason: Reason,
    stored: Annotated[str | None, typer.Option(help="The OMS stored it under this id.")] = None,
    absent: Annotated[bool, typer.Option("--absent", help="The OMS did not store it; it may be sent again.")] = False,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Record whether the OMS stored an order in doubt. Check in the OMS first."""
    if (stored is not None) == absent:
        raise ConfigurationError("give either --stored OMS_ID or --absent")
    name, why = actor_name(who), require_reason(reason)
    with open_actions() as (_, ledger, actions):
        number = resolve_number(ledger, number, pipeline)
        ids = actions.settle(number, stored, why, name, pipeline=pipeline)
    state = "ready" if absent else "imported"
    if as_json:
        print_json({"settled": ids, "number": number, "state": state, "oms_id": stored, "who": name, "reason": why})
    else:
        print_line(f"{number}: {state}, settled by {name}" + ("; the next run sends it again" if absent else ""))


def actor_name(who: str | None) -> str:
    """The operator's name: ``--who``, or the operating system's user. Raises ``ConfigurationError`` without any."""
    if who is None:
        try:
            who = getpass.getuser()
        except (OSError, KeyError):  # a container's user without a name
            who = ""
    if not who.strip():
        raise ConfigurationError("the operator's name is unknown; give it with --who NAME")
    return who.strip()[:100]


def require_reason(reason: str) -> str:
    """The reason without surrounding space; raises ``ConfigurationError`` if it is empty."""
    if not reason.strip():
        raise ConfigurationError("--reason is empty; it is shown in the order's history and must explain the change")
    return reason.strip()


def parse_shown(text: str | None) -> dict[int, int | None] | None:
    """Parse ``12/3,13/1`` or ``12,13``: ids, with or without the displayed revision."""
    if text is None:
        return None
    try:
        parts = [part.partition("/") for part in text.split(",")]
        return {int(number): int(revision) if slash else None for number, slash, revision in parts}
    except ValueError:
        raise ConfigurationError(
            "--shown must be a comma-separated list as printed by the command, such as 12/3,13/1"
        ) from None
