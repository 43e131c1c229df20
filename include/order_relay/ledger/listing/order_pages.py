"""How a page of the list of orders is found in bounded time among any number of orders.

If a condition of the filter leaves at most ``MAX_NARROW`` orders, these are read and sorted. Otherwise the orders are
read in the order of an index, behind the last one of the page before; conditions that this index does not answer are
tested on at most ``MAX_WALK`` orders per index range. If that does not fill the page, it is ``partial``, and the next
one continues behind the orders that were tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.iteration import batched
from order_relay.ledger.listing.order_filter import CHANGED, NO_ANSWER, NUMBER, RECEIVED, OrderFilter, PagePosition
from order_relay.ledger.listing.order_search import identified_orders, numbers_beginning
from order_relay.ledger.oms.oms_status_counts import UNANSWERED
from order_relay.ledger.schema.oms_tables import IS_ASKED, IS_UNANSWERED, oms_status
from order_relay.ledger.schema.predicates import of_any_pipeline, unindexed
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.column_types import UtcTime, among
from order_relay.ledger.store.database import Transaction
from order_relay.orders.fulfilment.oms_order import FINISHED

MAX_NARROW = 5_000
"""Orders that are read and sorted for one page. Also the maximum of order numbers that a search by prefix finds."""

MAX_WALK = 5_000
"""Orders per index range that are tested for one page."""

MAX_INDEX_WALK = 50_000
"""The same if the index contains all that is tested: reasons, in the index of states."""

MAX_RUN_EVENTS = 20_000
"""Events of one run that are read; a larger run is found by its orders."""

SORT_COLUMNS = {
    NUMBER: submission.c.order_number,
    RECEIVED: submission.c.first_offered_at,
    CHANGED: submission.c.changed_at,
}
_ID = submission.c.id
_MAX_GROUPS = 200  # SQLite allows 500 parts of a union

Conditions = list[sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Ids of a page in its order, and where the next one begins."""

    ids: list[int]
    further: PagePosition | None = None
    partial: bool = False
    count: int | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class PageOrder:
    """The order in which the rows of a page are read; for a page ``back``, the reverse of the list."""

    column: sa.ColumnElement[Any]
    falls: bool
    position: PagePosition | None

    @property
    def back(self) -> bool:
        """Whether the page is read backward."""
        return self.position is not None and self.position.back

    def by(self, number: sa.ColumnElement[int] = _ID) -> list[sa.ColumnElement[Any]]:
        """For ``ORDER BY``."""
        return [column.desc() if self.falls else column.asc() for column in (self.column, number)]

    def behind(self) -> Conditions:
        """Rows behind the position, if there is one."""
        if self.position is None:
            return []
        row, mark = self._keys(self.position)
        return [row < mark if self.falls else row > mark]

    def until(self, edge: Any) -> sa.ColumnElement[bool]:
        """Rows up to and including ``edge``, a row with ``value`` and ``id``."""
        row, mark = self._keys(edge)
        return row >= mark if self.falls else row <= mark

    def _keys(self, at: Any) -> tuple[sa.Tuple, sa.Tuple]:
        mark = sa.tuple_(sa.literal(at.value, self.column.type), sa.literal(at.id, _ID.type))
        return sa.tuple_(self.column, _ID), mark


def find_page(tx: Transaction, found: OrderFilter, key: str, order: PageOrder, limit: int) -> FoundPage:
    """The ids of one page; ``key``: what the list is sorted by."""
    narrow, cut = _narrow(tx, found)
    if narrow is None:
        return _walk(tx, found, key, order, limit)
    return replace(_among(tx, narrow, found, order, limit), cut=cut)


# Conditions


def _ranges(found: OrderFilter, key: str, column: sa.ColumnElement[Any]) -> Conditions:
    """The period of ``key`` in the filter."""
    periods = {
        RECEIVED: (found.received_from, found.received_before),
        CHANGED: (found.changed_from, found.changed_before),
    }
    start, end = periods.get(key, (None, None))
    return [*([column >= start] if start else []), *([column < end] if end else [])]


def _residual(tx: Transaction, found: OrderFilter, key: str = "") -> Conditions:
    """The conditions that the index of the sort key does not answer, worded so that no other index is taken for them.

    Without a key: all conditions but the search and the pipelines.
    """
    conditions: Conditions = []
    if key != CHANGED and found.chosen_states != frozenset(State):
        conditions.append(unindexed(submission.c.state).in_(sorted(found.chosen_states)))
    if key != CHANGED and found.reason:
        conditions.append(unindexed(submission.c.reason) == found.reason)
    for other in (RECEIVED, CHANGED):
        if other != key:
            conditions += _ranges(found, other, unindexed(SORT_COLUMNS[other]))
    if found.waiting_s is not None:
        since = sa.func.coalesce(submission.c.waiting_since, submission.c.changed_at, type_=UtcTime)
        conditions.append(since < _since(tx, found.waiting_s))
    if found.oms:
        conditions.append(sa.exists().where(oms_status.c.submission_id == _ID, _has_status(found.oms)))
    if found.run:
        conditions.append(sa.exists().where(event.c.submission_id == _ID, unindexed(event.c.run) == found.run))
    return conditions


def _has_status(chosen: frozenset[str]) -> sa.ColumnElement[bool]:
    """The order has one of ``OMS_CHOICES`` at the OMS."""
    asked = unindexed(oms_status.c.due_at).is_not(None)
    reading = unindexed(oms_status.c.reading)
    ways = [sa.and_(reading.in_(_readings(chosen - FINISHED)), asked), reading.in_(sorted(chosen & FINISHED))]
    if UNANSWERED in chosen:
        ways.append(sa.and_(oms_status.c.misses > 0, asked))
    return sa.or_(*ways)


def _readings(chosen: Iterable[str]) -> list[str]:
    """The values of the column ``reading``."""
    return sorted({"" if one == NO_ANSWER else one for one in chosen} - {UNANSWERED})


def _since(tx: Transaction, seconds: int) -> datetime:
    return tx.now - timedelta(seconds=seconds)


# A condition that leaves few orders


def _narrow(tx: Transaction, found: OrderFilter) -> tuple[list[int] | None, bool]:
    """The ids that one condition leaves, if they are few; and whether they are only a part."""
    if found.search:
        ids = identified_orders(tx, found.search, found.pipelines)
        begun = numbers_beginning(tx, found.search, found.pipelines, MAX_NARROW + 1)
        return list(dict.fromkeys((*ids, *begun[:MAX_NARROW]))), len(begun) > MAX_NARROW
    if found.run:
        query = sa.select(event.c.submission_id).where(event.c.run == found.run).limit(MAX_RUN_EVENTS)
        ids = list(tx.run(query).scalars())
        if len(ids) < MAX_RUN_EVENTS and len(few := list(dict.fromkeys(ids))) <= MAX_NARROW:
            return few, False
    if found.oms and not found.oms & FINISHED and (open_ones := _few_at_oms(tx, found)) is not None:
        return open_ones, False
    for groups in _narrow_groups(tx, found):
        some = _few(tx, groups)
        if some is not None:
            return some, False
    return None, False


def _few_at_oms(tx: Transaction, found: OrderFilter) -> list[int] | None:
    """The ids of orders that are asked about; ``None`` if there are more than ``MAX_NARROW``."""
    ids: list[int] = []
    for name in sorted(found.pipelines):
        mine = oms_status.c.pipeline == name
        groups = [(sa.text(IS_ASKED), oms_status.c.reading == one) for one in _readings(found.oms)]
        groups += [(sa.text(IS_UNANSWERED), sa.true())] if UNANSWERED in found.oms else []
        for where in groups:
            query = sa.select(oms_status.c.submission_id).where(mine, *where).limit(MAX_NARROW + 1 - len(ids))
            ids += tx.run(query).scalars()
            if len(ids) > MAX_NARROW:
                return None
    return list(dict.fromkeys(ids))


def _narrow_groups(tx: Transaction, found: OrderFilter) -> Iterator[list[Conditions]]:
    """Conditions that may leave few orders, each as ranges of one index."""
    if found.changed_from or found.changed_before or found.chosen_states != frozenset(State):
        groups = _groups(tx, found, CHANGED)
        newest = PageOrder(submission.c.changed_at, True, None)
        if found.reason and not _first(tx, groups, newest, 1, skip=MAX_INDEX_WALK):
            groups = [[*where, submission.c.reason == found.reason] for where in groups]
        yield groups
    if found.received_from or found.received_before:
        yield _groups(tx, found, RECEIVED)


def _few(tx: Transaction, groups: Sequence[Conditions]) -> list[int] | None:
    """The ids in these ranges; ``None`` if there are more than ``MAX_NARROW``."""
    ids: list[int] = []
    for where in groups:
        ids += tx.run(sa.select(_ID).where(*where).limit(MAX_NARROW + 1 - len(ids))).scalars()
        if len(ids) > MAX_NARROW:
            return None
    return ids


def _among(tx: Transaction, ids: Sequence[int], found: OrderFilter, order: PageOrder, limit: int) -> FoundPage:
    """The page from these orders."""
    plain = replace(order, column=unindexed(order.column))
    where = [among(_ID, "ids"), of_any_pipeline(found.pipelines), *_residual(tx, found)]
    query = sa.select(_ID, order.column.label("value")).where(*where, *plain.behind())
    keys = {"ids": list(ids)}
    rows = tx.run(query.order_by(*plain.by()).limit(limit + 1), keys).all()
    count = len(rows)
    if order.position is not None or count > limit:
        count = tx.run(sa.select(sa.func.count()).select_from(submission).where(*where), keys).scalar_one()
    return _found(rows, limit, count)


# The order of an index


def _groups(tx: Transaction, found: OrderFilter, key: str) -> list[Conditions]:
    """The filter as ranges of the index of a sort key."""
    ranges = _ranges(found, key, SORT_COLUMNS[key])
    names = sorted(found.pipelines)
    if key != CHANGED:
        return [[submission.c.pipeline == name, *ranges] for name in names]
    waiting = [] if found.waiting_s is None else [submission.c.changed_at < _since(tx, found.waiting_s)]
    return [
        # an order may have been waiting since before its last change
        [submission.c.pipeline == name, submission.c.state == state, *ranges, *(waiting if state != "waiting" else ())]
        for name in names
        for state in sorted(found.chosen_states)
    ]


def _walk(tx: Transaction, found: OrderFilter, key: str, order: PageOrder, limit: int) -> FoundPage:
    """The page from the index of the sort key."""
    groups = [[*where, *order.behind()] for where in _groups(tx, found, key)]
    indexed = [submission.c.reason == found.reason] if found.reason and key == CHANGED else []
    residual = _residual(tx, found, key)
    skip = MAX_WALK if residual else MAX_INDEX_WALK
    edge = _first(tx, groups, order, 1, skip=skip) if residual or indexed else []
    if edge:
        groups = [[*where, order.until(edge[0])] for where in groups]
    rows = _first(tx, [[*where, *indexed, *residual] for where in groups], order, limit + 1)
    if edge and len(rows) <= limit:
        return FoundPage([row.id for row in rows], PagePosition(edge[0].value, edge[0].id), partial=True)
    return _found(rows, limit)


def _first(tx: Transaction, groups: Sequence[Conditions], order: PageOrder, limit: int, skip: int = 0) -> list[Any]:
    """The first rows of all groups together; each group without its first ``skip``."""
    rows: list[Any] = []
    for some in batched(groups, _MAX_GROUPS):
        parts = [
            sa.select(_ID, order.column.label("value"))
            .where(*where)
            .order_by(*order.by())
            .limit(limit)
            .offset(skip or None)
            .subquery()
            for where in some
        ]
        every = sa.union_all(*(sa.select(part.c.id, part.c.value) for part in parts)).subquery()
        rows += tx.run(sa.select(every).order_by(*replace(order, column=every.c.value).by(every.c.id)).limit(limit))
    if len(groups) > _MAX_GROUPS:
        rows.sort(key=lambda row: (row.value, row.id), reverse=order.falls)
    return rows[:limit]


def _found(rows: Sequence[Any], limit: int, count: int | None = None) -> FoundPage:
    further = PagePosition(rows[limit - 1].value, rows[limit - 1].id) if len(rows) > limit else None
    return FoundPage([row.id for row in rows[:limit]], further, count=count)
