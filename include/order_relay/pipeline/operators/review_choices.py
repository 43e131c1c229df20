"""What each choice of a review does with the versions of its group."""

from __future__ import annotations

from collections.abc import Sequence

from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.review.choices import DISCARD, EFFECTS, REPLACEMENT
from order_relay.orders.review.submission_groups import GroupMember, plan_separation
from order_relay.pipeline.operators.review_model import version_label

_STOPPED = ("quarantined", "rejected")

MAX_PLANNED = 60
"""Maximum versions of a group whose choices are described one by one: planning compares each with each."""


def describe_choice(choice: str, group: HeldGroup, minimum: float) -> str:
    """The effect of a choice on this group, for operators; in general terms for more than ``MAX_PLANNED`` versions.

    ``minimum`` is the pipeline's ``min_common_items``.
    """
    if len(group.held) + len(group.related) > MAX_PLANNED:
        return EFFECTS[choice]
    if choice == DISCARD:
        return f"{_join(group.held)} {_be(group.held)} never sent."
    return _describe_replacement(group) if choice == REPLACEMENT else _describe_separation(group, minimum)


def _describe_replacement(group: HeldGroup) -> str:
    older = group.held[:-1]
    parts = [f"One order: {version_label(group.newest)} is sent."]
    parts += [f"{_join(older)} {_be(older)} superseded by it."] if older else []
    if group.at_destination:
        ids = ", ".join(one.oms_id or "imported elsewhere" for one in group.at_destination)
        parts.append(f"It replaces the order in the OMS ({ids}), which must be cancelled there.")
    return " ".join(parts)


def _describe_separation(group: HeldGroup, minimum: float) -> str:
    plan = plan_separation(group.held, group.related, minimum)
    newest = [side[0] for side in plan.sides]
    sent = [one for one in newest if one.state not in _STOPPED]
    planned = {one.id for side in plan.sides for one in side}
    behind = [one for one in group.held if one.id not in planned]
    reopened = [one for one in group.related if one.id in plan.reopened]
    each = ", each" * (len(sent) > 1)
    parts = [f"{_join(sent)} {_be(sent)} sent{each} as an order of its own."] if sent else []
    parts += [
        f"{version_label(one)} is {one.state} and is sent once that is resolved." for one in newest if one not in sent
    ]
    parts += [
        f"{_join(side[1:])} {_be(side[1:])} superseded by {version_label(side[0])}: they agree in customer, customer "
        "PO, base number and items."
        for side in plan.sides
        if len(side) > 1
    ]
    parts += [f"{_join(behind)} {_be(behind)} superseded by a newer version in the OMS."] if behind else []
    parts += [f"{_join(reopened)} {_be(reopened)} evaluated again."] if reopened else []
    return " ".join(parts)


def _join(members: Sequence[GroupMember]) -> str:
    labels = [version_label(one) for one in members]
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)


def _be(members: Sequence[GroupMember]) -> str:
    return "are" if len(members) > 1 else "is"
