"""Groups of held submissions, and the effect of an operator's decision about a group.

A **group** consists of the held submissions of one pipeline that share the source's lineage, an order number or a
source id. One decision closes the group. ``CHOICES_BY_REASON`` lists the choices per reason; ``choice_problem`` adds
conditions that depend on the group, such as "an older version cannot replace a newer one". Pure functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from order_relay.orders.decisions.redelivery import TWO_IDS
from order_relay.orders.decisions.versions import (
    BASELINE,
    CONTRADICTING,
    NEWER_THAN_IMPORTED,
    SIBLING_HELD,
    SUFFIXED,
    TOO_FEW_ITEMS,
    WITHOUT_BASE,
)
from order_relay.orders.identity.lineage import IDENTITY_SIGNALS, common_share, conflicting_columns
from order_relay.orders.identity.source_identity import separate_lineage, source_lineage
from order_relay.orders.review.choices import CHOICES, DISCARD, REPLACEMENT, SEPARATE

_SEND_OR_DISCARD = (SEPARATE, DISCARD)
CHOICES_BY_REASON: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CONTRADICTING: CHOICES,
        TOO_FEW_ITEMS: CHOICES,
        NEWER_THAN_IMPORTED: CHOICES,
        WITHOUT_BASE: CHOICES,
        SUFFIXED: CHOICES,
        SIBLING_HELD: CHOICES,
        "changed_after_import": CHOICES,
        "changed_after_discard": CHOICES,
        "number_with_two_ids": CHOICES,
        "id_with_two_uuids": CHOICES,
        "id_with_two_contents": CHOICES,
        "destination_key_taken": CHOICES,
        # the order at the destination belongs to another channel, so ours cannot replace it
        "foreign_order_with_our_number": _SEND_OR_DISCARD,
        "unidentified_order_with_our_number": _SEND_OR_DISCARD,
        # if released unchanged, it would be held again: it must be corrected at its source
        "card_data_removed": (DISCARD,),
    }
)
"""Choices by the reason of a group's newest submission. Other reasons allow all choices."""

LINEAGE_REASONS = frozenset({CONTRADICTING, TOO_FEW_ITEMS, NEWER_THAN_IMPORTED, WITHOUT_BASE, SUFFIXED, SIBLING_HELD})
"""Reasons that concern a lineage. The others concern a single submission, regardless of its lineage."""

_ACTIVE = ("sending", "in_doubt")
_STOPPED = ("quarantined", "rejected")
_OPEN = ("received", "waiting", "ready", *_STOPPED)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """The properties of a submission that a decision depends on."""

    id: int
    revision: int
    pipeline: str
    state: str
    reason: str
    source_id: str
    edition: int
    lineage: str
    version: int
    order_number: str
    base_number: str = ""
    customer_number: str = ""
    customer_po: str = ""
    items: tuple[str, ...] = ()
    decided: bool = False
    oms_id: str | None = None
    changed_at: datetime | None = None

    @property
    def version_rank(self) -> tuple[int, int]:
        """Sort key of the versions of an order; newer versions are greater."""
        return self.version, self.edition

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Like ``version_rank``, without ties."""
        return self.version, self.edition, self.id

    @property
    def at_destination(self) -> bool:
        """Whether it is or may be at the destination."""
        return self.state in (*_ACTIVE, "imported") or (self.state == "discarded" and self.reason == BASELINE)

    @property
    def own_lineage(self) -> str:
        """The name of a separate lineage for this submission; distinct for each edition of a source id."""
        name = self.source_id if self.edition == 1 else f"{self.source_id}#{self.edition}"
        return separate_lineage(self.lineage, name)


def group_held(held: Iterable[GroupMember]) -> list[list[GroupMember]]:
    """Group held submissions; each group starts with its oldest version."""
    parent: dict[object, object] = {}

    def root(key: object) -> object:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    members = list(held)
    for one in members:
        keys = [("lineage", source_lineage(one.lineage)), ("id", one.source_id)]
        keys += [("number", one.order_number)] if one.order_number else []
        for kind, name in keys:
            parent[root((one.pipeline, kind, name))] = root(one.id)
    groups: dict[object, list[GroupMember]] = defaultdict(list)
    for one in sorted(members, key=lambda member: member.sort_key):
        groups[root(one.id)].append(one)
    return list(groups.values())


def main_reason(held: Sequence[GroupMember]) -> str:
    """The reason of the newest submission that was not held only because of the others (``SIBLING_HELD``)."""
    newest_first = sorted(held, key=lambda member: member.sort_key, reverse=True)
    return next((one.reason for one in newest_first if one.reason != SIBLING_HELD), newest_first[0].reason)


def choice_problem(choice: str, held: Sequence[GroupMember], related: Sequence[GroupMember]) -> str:
    """Why a choice is not possible for the group; empty if it is.

    ``related``: the other submissions with the group's lineages and order numbers.
    """
    newest = max(held, key=lambda member: member.sort_key)
    admitted = CHOICES_BY_REASON.get(newest.reason, CHOICES)
    if choice not in CHOICES:
        return f"{choice!r} is not a decision; choose one of {', '.join(CHOICES)}"
    if choice not in admitted:
        return f"{choice} does not apply to an order held as {newest.reason}; possible: {', '.join(admitted)}"
    return _replacement_problem(newest, held, related) if choice == REPLACEMENT else ""


def _replacement_problem(newest: GroupMember, held: Sequence[GroupMember], related: Sequence[GroupMember]) -> str:
    at_destination = [one for one in related if one.at_destination]
    newer = [one for one in at_destination if one.version_rank > newest.version_rank]
    if newer:
        return (
            f"an older version cannot replace a newer one: {newer[-1].order_number} (id {newer[-1].source_id}) is "
            f"newer than the held {newest.order_number} (id {newest.source_id}) and is at the destination or on its "
            f"way; possible: {SEPARATE}, {DISCARD}"
        )
    if any(one.state in _ACTIVE for one in at_destination):
        return "the order that would be replaced is being sent or in doubt: settle it first"
    if (
        len(held) == 1
        and not at_destination
        and not any(one.state in _OPEN and one.version_rank < newest.version_rank for one in related)
    ):
        return (
            f"there is no other version that {newest.order_number} could replace; {SEPARATE} sends it, "
            f"{DISCARD} does not"
        )
    return ""


def allowed_choices(held: Sequence[GroupMember], related: Sequence[GroupMember]) -> tuple[str, ...]:
    """The choices that are possible for a group."""
    return tuple(choice for choice in CHOICES if not choice_problem(choice, held, related))


def contradicting_fields(one: GroupMember, other: GroupMember) -> tuple[str, ...]:
    """The columns of ``IDENTITY_SIGNALS`` in which two submissions contradict each other."""
    return conflicting_columns({name: getattr(member, name) for name in IDENTITY_SIGNALS} for member in (one, other))


def same_order(one: GroupMember, other: GroupMember, minimum: float) -> bool:
    """Whether two submissions of one lineage are versions of one order.

    Submissions held because one order number has two ids count as two orders, since the operator decides exactly that.
    Unknown items of a quarantined or rejected submission contradict nothing.
    """
    if contradicting_fields(one, other):
        return False
    ids = one.source_id != other.source_id and one.order_number == other.order_number
    if ids and TWO_IDS in {member.reason for member in (one, other) if member.state == "held"}:
        return False
    unknown = any(not member.items and member.state in _STOPPED for member in (one, other))
    return unknown or common_share(one.items, other.items) >= minimum


@dataclass
class RegroupingPlan:
    """The effect of a decision: new lineages by submission id, and superseded submissions that are reopened.

    ``lineages``: all held submissions and others that follow them. ``reopened``: superseded submissions that agree with
    none that is sent. ``sides``: the submissions of each order that is sent, newest first.
    """

    lineages: dict[int, str] = field(default_factory=dict)
    reopened: set[int] = field(default_factory=set)
    sides: list[list[GroupMember]] = field(default_factory=list)


def plan_separation(held: Sequence[GroupMember], related: Sequence[GroupMember], minimum: float) -> RegroupingPlan:
    """Plan ``separate``: each set of versions that agree becomes one order, whose newest version supersedes the others.

    A version held because of its lineage stays in the lineage if it agrees with a newer one at the destination. If the
    lineage has no other versions, one set keeps it, so that later versions are compared with that set. ``minimum``:
    smallest share of common items, from 0 to 1.
    """
    plan = RegroupingPlan()
    for lineage, rows in _by_lineage(held, related).items():
        _separate_lineage(plan, lineage, rows, minimum)
    return plan


def _separate_lineage(plan: RegroupingPlan, lineage: str, rows: Sequence[GroupMember], minimum: float) -> None:
    at_destination = [one for one in rows if one.at_destination]
    behind = [
        one
        for one in rows
        if one.state == "held"
        and one.reason in LINEAGE_REASONS
        and any(other.version_rank > one.version_rank and same_order(one, other, minimum) for other in at_destination)
    ]
    plan.lineages |= {one.id: lineage for one in behind}
    movable = [one for one in _movable(rows) if one not in behind]
    replaced = [one for one in movable if one.state == "superseded" and one.decided]
    sides: list[list[GroupMember]] = []
    for one in sorted((m for m in movable if m not in replaced), key=lambda member: member.sort_key, reverse=True):
        side = next((side for side in sides if all(same_order(one, other, minimum) for other in side)), None)
        if side is None:
            sides.append([one])
        else:
            side.append(one)
    sent = [side for side in sides if any(one.state == "held" for one in side)]
    unsent = [side for side in sides if side not in sent]
    for one in replaced:
        _follow_agreeing(one, sent, minimum)
    plan.reopened |= {one.id for side in unsent if all(m.state == "superseded" for m in side) for one in side}
    for number, side in enumerate(sent):
        keeps = number == 0 and not at_destination and not unsent
        plan.lineages |= {one.id: lineage if keeps else side[0].own_lineage for one in side}
        plan.sides.append(side)


def _follow_agreeing(one: GroupMember, sides: Sequence[list[GroupMember]], minimum: float) -> None:
    """Let a version that an operator replaced follow its replacement, or else the next newer order."""
    newer = [side for side in sides if side[0].sort_key > one.sort_key]
    agreeing = [side for side in newer if all(same_order(one, other, minimum) for other in side)]
    for side in [*agreeing, *reversed(newer)][:1]:
        side.append(one)


def plan_replacement(held: Sequence[GroupMember], related: Sequence[GroupMember], minimum: float) -> RegroupingPlan:
    """Plan ``replacement``: the newest is sent; the other held ones and those that agree become its older versions."""
    newest = max(held, key=lambda member: member.sort_key)
    taken = any(one.lineage == newest.lineage for one in related if one.at_destination)
    target = newest.own_lineage if taken else newest.lineage
    plan = RegroupingPlan(
        lineages={one.id: target for one in held}, sides=[sorted(held, key=lambda m: m.sort_key, reverse=True)]
    )
    for lineage, rows in _by_lineage(held, related).items():
        if lineage == target:
            continue
        waiting = [one for one in rows if one.state == "held"]
        for one in _movable(rows):
            newer = [other for other in waiting if other.sort_key > one.sort_key]
            replaced = one.state == "superseded" and one.decided
            if one.state != "held" and newer and (replaced or any(same_order(one, h, minimum) for h in newer)):
                plan.lineages[one.id] = target
    return plan


def _by_lineage(held: Sequence[GroupMember], related: Sequence[GroupMember]) -> dict[str, list[GroupMember]]:
    rows: dict[str, list[GroupMember]] = {one.lineage: [] for one in held}
    for one in (*held, *related):
        if one.lineage in rows:
            rows[one.lineage].append(one)
    return rows


def _movable(rows: Sequence[GroupMember]) -> list[GroupMember]:
    """Held and open submissions, and those superseded by one that is neither at the destination nor discarded."""
    last = max((one.sort_key for one in rows if one.at_destination or one.state == "discarded"), default=(-1, -1, -1))
    return [one for one in rows if one.state in ("held", *_OPEN) or (one.state == "superseded" and one.sort_key > last)]
