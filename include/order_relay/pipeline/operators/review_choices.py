"""What each answer of a review does, in a sentence for operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.review.submission_groups import DISCARD, REPLACEMENT, GroupMember, plan_separation


def describe_choice(choice: str, group: HeldGroup, minimum: float) -> str:
    """What an answer does with this group, in a sentence for operators."""
    if choice == DISCARD:
        return f"{_join(group.held)} {_verb(group.held)} never sent."
    if choice == REPLACEMENT:
        older, there = group.held[:-1], group.there
        parts = [f"One order: {version_label(group.newest)} is sent."]
        parts += [f"{_join(older)} {_verb(older)} superseded by it."] if older else []
        if there:
            ids = ", ".join(one.oms_id or "handled elsewhere" for one in there)
            parts.append(f"It replaces what is at the OMS ({ids}), which must be cancelled there.")
        return " ".join(parts)
    plan = plan_separation(group.held, group.related, minimum)
    heads = [side[0] for side in plan.sides]
    sent = [one for one in heads if one.state not in _STOPPED]
    taken = {one.id for side in plan.sides for one in side}
    behind = [one for one in group.held if one.id not in taken]
    reopened = [one for one in group.related if one.id in plan.reopened]
    each = ", each" * (len(sent) > 1)
    parts = [f"{_join(sent)} {_verb(sent)} sent{each} as an order of its own."] if sent else []
    parts += [
        f"{version_label(one)} is {one.state}: it is sent once that is corrected." for one in heads if one not in sent
    ]
    parts += [
        f"{_join(side[1:])} {_verb(side[1:])} superseded by {version_label(side[0])}: "
        "they agree in customer, customer PO, base number and items."
        for side in plan.sides
        if len(side) > 1
    ]
    parts += [f"{_join(behind)} {_verb(behind)} superseded by a newer version at the OMS."] if behind else []
    parts += [f"{_join(reopened)} {_verb(reopened)} evaluated again."] if reopened else []
    return " ".join(parts)


_STOPPED = ("quarantined", "rejected")


class _Version(Protocol):
    @property
    def order_number(self) -> str: ...
    @property
    def source_id(self) -> str: ...
    @property
    def edition(self) -> int: ...


def version_label(version: _Version) -> str:
    """A version by its order number, source id and, from the second on, edition."""
    edition = f", edition {version.edition}" if version.edition > 1 else ""
    return f"{version.order_number} (id {version.source_id}{edition})"


def _join(members: Sequence[GroupMember]) -> str:
    names = [version_label(one) for one in members]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _verb(members: Sequence[GroupMember]) -> str:
    return "are" if len(members) > 1 else "is"
