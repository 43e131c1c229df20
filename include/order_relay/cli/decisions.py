"""``decide`` and ``settle``: what only a person can know. Who and why stand on the order's events."""

from __future__ import annotations

import getpass
from enum import StrEnum
from typing import Annotated

import typer

from order_relay.cli.deployment import Installation
from order_relay.cli.order_numbers import resolve_number
from order_relay.cli.output import print_json, print_line
from order_relay.errors import ConfigurationError

Reason = Annotated[str, typer.Option(help="Why, for the record. No personal data.")]
Who = Annotated[str | None, typer.Option(help="Who decides; the operating system's user where it is not given.")]
Pipeline = Annotated[str | None, typer.Option(help="Only in this pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


class Choice(StrEnum):
    """What a held order can be."""

    REPLACEMENT = "replacement"
    SEPARATE = "separate"
    DISCARD = "discard"


_CONSEQUENCES = {
    Choice.REPLACEMENT: "the next run sends the newest and supersedes the others",
    Choice.SEPARATE: "the next run sends each set of versions that agree as an order of its own",
    Choice.DISCARD: "never sent; a number is acknowledged once nothing else is open under it",
}


def decide(
    number: Annotated[str, typer.Argument(help="An order number of the group, or the web shop's reference.")],
    choice: Annotated[Choice, typer.Argument(help="One of those that `held NUMBER` offers.")],
    reason: Reason,
    confirm_cancelled: Annotated[
        bool, typer.Option("--confirm-cancelled", help="You made sure that the old order is cancelled at the OMS.")
    ] = False,
    shown: Annotated[
        str | None,
        typer.Option(help="The ids that 'held NUMBER' showed, with commas; refused where others are held by now."),
    ] = None,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Decide what the held submissions of an order number are, with all that are held in the same group."""
    name, why, installation = actor_name(who), require_reason(reason), Installation()
    with installation.ledger() as ledger:
        number = resolve_number(ledger, number, pipeline)
        names = {group.pipeline for group in ledger.held_groups(pipeline, number)}
        shares = {
            one: installation.pipelines[one].policies.min_common_items for one in names if one in installation.pipelines
        }
        ids = ledger.decide(
            number, choice, why, name, _parse_ids(shown), cancelled=confirm_cancelled, pipeline=pipeline, shares=shares
        )
    if as_json:
        print_json({"decided": ids, "number": number, "choice": choice, "who": name, "reason": why})
    else:
        print_line(f"{number}: {len(ids)} decided as {choice.value} by {name}; {_CONSEQUENCES[choice]}")


def settle(
    number: Annotated[str, typer.Argument(help="The order number, or the web shop's reference.")],
    reason: Reason,
    stored: Annotated[str | None, typer.Option(help="It is stored at the OMS, under this id.")] = None,
    absent: Annotated[
        bool, typer.Option("--absent", help="It is not stored at the OMS: it may be sent again.")
    ] = False,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Say what became of an order in doubt, after looking at the OMS."""
    if (stored is not None) == absent:
        raise ConfigurationError("say either --stored OMS_ID or --absent")
    name, why = actor_name(who), require_reason(reason)
    with Installation().ledger() as ledger:
        number = resolve_number(ledger, number, pipeline)
        ids = ledger.settle_by_person(number, stored, why, name, pipeline=pipeline)
    state = "ready" if absent else "imported"
    if as_json:
        print_json({"settled": ids, "number": number, "state": state, "oms_id": stored, "who": name, "reason": why})
    else:
        print_line(f"{number}: {state}, settled by {name}" + ("; the next run sends it again" if absent else ""))


def actor_name(who: str | None) -> str:
    """Who acts: what was said, else the operating system's user."""
    if who is None:
        try:
            who = getpass.getuser()
        except (OSError, KeyError):  # a container's user without a name
            who = ""
    if not who.strip():
        raise ConfigurationError("say who you are: --who NAME")
    return who.strip()[:100]


def require_reason(reason: str) -> str:
    """The reason; raises ``ConfigurationError`` for an empty one."""
    if not reason.strip():
        raise ConfigurationError("--reason is empty; say why, for those who read this order's life later")
    return reason.strip()


def _parse_ids(text: str | None) -> dict[int, int | None] | None:
    """``12/3,13/1`` or ``12,13``: ids, with or without the revision that was shown."""
    if text is None:
        return None
    try:
        parts = [part.partition("/") for part in text.split(",")]
        return {int(number): int(revision) if slash else None for number, slash, revision in parts}
    except ValueError:
        raise ConfigurationError(
            "--shown is no list of what was shown; write it as `held` does, like 12/3,13/1"
        ) from None
