"""Held submissions that belong together, and what an operator's one answer does with them.

Pure. A **group** is what is held in one pipeline and hangs together by the lineage under which the source offered it,
by its order number or by its source id. One answer closes the group. ``CHOICES_BY_REASON`` says which answers a reason
admits;
``refusal`` adds what depends on the group, such as "an older version does not replace a newer one".
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
        # the other order at the destination is another channel's: ours cannot replace it
        "foreign_order_with_our_number": _SEND_OR_DISCARD,
        "unidentified_order_with_our_number": _SEND_OR_DISCARD,
        # let go as it is, it would be held again: its source must correct it
        "card_data_removed": (DISCARD,),
    }
)
"""The answers that the reason of a group's newest submission admits. Reasons not listed admit all."""

LINEAGE_REASONS = frozenset({CONTRADICTING, TOO_FEW_ITEMS, NEWER_THAN_IMPORTED, WITHOUT_BASE, SUFFIXED, SIBLING_HELD})
"""Reasons that concern a lineage. The others concern one submission, whatever its lineage holds besides."""

_ACTIVE = ("sending", "in_doubt")
_STOPPED = ("quarantined", "rejected")
_OPEN = ("received", "waiting", "ready", *_STOPPED)


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One submission as a decision sees it."""

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
        """Orders the versions of an order: the greater is the newer."""
        return self.version, self.edition

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """As ``version_rank``, without ties."""
        return self.version, self.edition, self.id

    @property
    def at_destination(self) -> bool:
        """Whether it is, or may be, at the destination."""
        return self.state in (*_ACTIVE, "imported") or (self.state == "discarded" and self.reason == BASELINE)

    @property
    def own_lineage(self) -> str:
        """A lineage of its own; editions of one source id are told apart."""
        name = self.source_id if self.edition == 1 else f"{self.source_id}#{self.edition}"
        return separate_lineage(self.lineage, name)


def group_held(held: Iterable[GroupMember]) -> list[list[GroupMember]]:
    """The groups of these held submissions, each with the oldest version first."""
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
    """Why the group is held: the newest one's reason, unless that one only joined the others."""
    newest_first = sorted(held, key=lambda member: member.sort_key, reverse=True)
    return next((one.reason for one in newest_first if one.reason != SIBLING_HELD), newest_first[0].reason)


def choice_problem(choice: str, held: Sequence[GroupMember], related: Sequence[GroupMember]) -> str:
    """Why this answer makes no sense for the group, or nothing.

    ``related`` are the other submissions of the group's lineages and order numbers.
    """
    newest = max(held, key=lambda member: member.sort_key)
    admitted = CHOICES_BY_REASON.get(newest.reason, CHOICES)
    if choice not in CHOICES:
        return f"{choice!r} is not a decision; choose one of {', '.join(CHOICES)}"
    if choice not in admitted:
        return f"{choice} does not apply to an order held as {newest.reason}; possible: {', '.join(admitted)}"
    return _replacement_problem(newest, held, related) if choice == REPLACEMENT else ""


def _replacement_problem(newest: GroupMember, held: Sequence[GroupMember], related: Sequence[GroupMember]) -> str:
    there = [one for one in related if one.at_destination]
    newer = [one for one in there if one.version_rank > newest.version_rank]
    if newer:
        return (
            f"an older version cannot replace a newer one: {newer[-1].order_number} (id {newer[-1].source_id}) is "
            f"newer than the held {newest.order_number} (id {newest.source_id}) and is at the destination or on its "
            f"way; possible: {SEPARATE}, {DISCARD}"
        )
    if any(one.state in _ACTIVE for one in there):
        return "the order that would be replaced is being sent or in doubt: settle it first"
    if (
        len(held) == 1
        and not there
        and not any(one.state in _OPEN and one.version_rank < newest.version_rank for one in related)
    ):
        return (
            f"there is no other version that {newest.order_number} could replace; {SEPARATE} sends it, "
            f"{DISCARD} does not"
        )
    return ""


def allowed_choices(held: Sequence[GroupMember], related: Sequence[GroupMember]) -> tuple[str, ...]:
    """The answers that make sense for this group."""
    return tuple(choice for choice in CHOICES if not choice_problem(choice, held, related))


def contradicting_fields(one: GroupMember, other: GroupMember) -> tuple[str, ...]:
    """The columns of ``IDENTITY_SIGNALS`` in which two submissions contradict each other."""
    return conflicting_columns({name: getattr(member, name) for name in IDENTITY_SIGNALS} for member in (one, other))


def same_order(one: GroupMember, other: GroupMember, minimum: float) -> bool:
    """Whether two submissions of one lineage are versions of one order.

    One order number offered under two ids is two orders here: its operator was asked exactly that. The items of what
    was refused may not be known; then they contradict nothing.
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
    """The effect of an answer: the new lineage of each submission, and the superseded ones that are reopened.

    ``lineages`` has every held submission, and the others that follow one of them. ``reopened`` were superseded and
    agree with no submission that is sent. ``sides``: the submissions of each order that is sent, newest first.
    """

    lineages: dict[int, str] = field(default_factory=dict)
    reopened: set[int] = field(default_factory=set)
    sides: list[list[GroupMember]] = field(default_factory=list)


def plan_separation(held: Sequence[GroupMember], related: Sequence[GroupMember], minimum: float) -> RegroupingPlan:
    """Each set of versions that agree becomes one order: its newest version is sent and supersedes the others.

    A held version that agrees with a newer one at the destination stays behind that one, if it was held because of
    its lineage. One set keeps the lineage where nothing else is in it, so that versions that come later are compared.
    """
    plan = RegroupingPlan()
    for lineage, rows in _by_lineage(held, related).items():
        _separate_lineage(plan, lineage, rows, minimum)
    return plan


def _separate_lineage(plan: RegroupingPlan, lineage: str, rows: Sequence[GroupMember], minimum: float) -> None:
    there = [one for one in rows if one.at_destination]
    behind = [
        one
        for one in rows
        if one.state == "held"
        and one.reason in LINEAGE_REASONS
        and any(other.version_rank > one.version_rank and same_order(one, other, minimum) for other in there)
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
    going = [side for side in sides if any(one.state == "held" for one in side)]
    left = [side for side in sides if side not in going]
    for one in replaced:
        _follow_agreeing(one, going, minimum)
    plan.reopened |= {one.id for side in left if all(m.state == "superseded" for m in side) for one in side}
    for number, side in enumerate(going):
        keeps = number == 0 and not there and not left
        plan.lineages |= {one.id: lineage if keeps else side[0].own_lineage for one in side}
        plan.sides.append(side)


def _follow_agreeing(one: GroupMember, sides: Sequence[list[GroupMember]], minimum: float) -> None:
    """An operator had this one replaced: it follows what replaced it, or else the next newer order."""
    newer = [side for side in sides if side[0].sort_key > one.sort_key]
    agreeing = [side for side in newer if all(same_order(one, other, minimum) for other in side)]
    for side in [*agreeing, *reversed(newer)][:1]:
        side.append(one)


def plan_replacement(held: Sequence[GroupMember], related: Sequence[GroupMember], minimum: float) -> RegroupingPlan:
    """The newest is sent; the other held ones, and those that agree with them, become its older versions."""
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
    """Held and open ones, and those superseded by something that is neither at the destination nor discarded."""
    last = max((one.sort_key for one in rows if one.at_destination or one.state == "discarded"), default=(-1, -1, -1))
    return [one for one in rows if one.state in ("held", *_OPEN) or (one.state == "superseded" and one.sort_key > last)]
