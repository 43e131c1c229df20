"""Groups of held submissions: one review shows a group, and one decision closes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import load_json
from order_relay.orders.review.submission_groups import GroupMember, allowed_choices, group_held, main_reason

_NAMES = tuple(GroupMember.__dataclass_fields__)
_COLUMNS = [submission.c[name] for name in _NAMES]


@dataclass(frozen=True)
class HeldGroup:
    """One group. ``related`` are the other submissions of its lineages and order numbers. Oldest version first."""

    pipeline: str
    held: tuple[GroupMember, ...]
    related: tuple[GroupMember, ...]

    @property
    def newest(self) -> GroupMember:
        """The newest held version."""
        return self.held[-1]

    @property
    def number(self) -> str:
        """The order number that names the group."""
        return self.newest.order_number

    @property
    def numbers(self) -> frozenset[str]:
        """All order numbers of its held submissions."""
        return frozenset(one.order_number for one in self.held)

    @property
    def reason(self) -> str:
        """Why it is held."""
        return main_reason(self.held)

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices that an operator has."""
        return allowed_choices(self.held, self.related)

    @property
    def at_destination(self) -> tuple[GroupMember, ...]:
        """The related submissions that are, or may be, stored at the destination."""
        return tuple(one for one in self.related if one.at_destination)

    @property
    def seen(self) -> dict[int, int | None]:
        """The held submissions with their revisions, which a decision must name."""
        return {one.id: one.revision for one in sorted(self.held, key=lambda member: member.id)}

    @property
    def since(self) -> datetime:
        """When the first of them was held."""
        return min(one.changed_at for one in self.held if one.changed_at is not None)


def held_groups(tx: Transaction, name: str | None = None, number: str | None = None) -> list[HeldGroup]:
    """All groups, or those of one pipeline or with one order number; longest held first."""
    where = IN_ANY_PIPELINE if name is None else submission.c.pipeline == name
    query = sa.select(*_COLUMNS).where(where, submission.c.state == State.HELD)
    found = group_held(_members(tx.run(query)))
    if number is not None:
        found = [group for group in found if any(one.order_number == number for one in group)]
    by_pipeline: dict[str, list[list[GroupMember]]] = defaultdict(list)
    for group in found:
        by_pipeline[group[0].pipeline].append(group)
    groups = [made for pipeline, mine in by_pipeline.items() for made in _with_related(tx, pipeline, mine)]
    return sorted(groups, key=lambda group: (group.since, group.held[0].id))


def _with_related(tx: Transaction, name: str, groups: Sequence[Sequence[GroupMember]]) -> Iterable[HeldGroup]:
    lineages: dict[str, list[GroupMember]] = {one.lineage: [] for group in groups for one in group}
    numbers: dict[str, list[GroupMember]] = {
        one.order_number: [] for group in groups for one in group if one.order_number
    }
    for column, keys in ((submission.c.lineage, lineages), (submission.c.order_number, numbers)):
        query = sa.select(*_COLUMNS).where(
            submission.c.pipeline == name, among(column, "keys"), submission.c.state != State.HELD
        )
        for one in _members(tx.run(query, {"keys": sorted(keys)})):
            keys[getattr(one, column.name)].append(one)
    for group in groups:
        related = {other.id: other for one in group for other in lineages[one.lineage]}
        related |= {other.id: other for one in group for other in numbers.get(one.order_number, ())}
        yield HeldGroup(name, tuple(group), tuple(sorted(related.values(), key=lambda member: member.sort_key)))


def _members(rows: Iterable[Any]) -> list[GroupMember]:
    return [GroupMember(**{**row._mapping, "items": tuple(load_json(row.items, []))}) for row in rows]
