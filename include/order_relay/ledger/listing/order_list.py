"""The list of orders: filtered, sorted and in pages. ``order_pages`` describes how a page is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from order_relay.ledger.listing.order_filter import (
    RECEIVED,
    OrderFilter,
    OrderSort,
    PagePosition,
    read_cursor,
    write_cursor,
)
from order_relay.ledger.listing.order_pages import SORT_COLUMNS, PageOrder, find_page
from order_relay.ledger.listing.order_search import identified_orders
from order_relay.ledger.schema.listed_rows import ListedOrder
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads

MAX_PAGE = 1_000
_LISTED = [submission.c[name] for name in ListedOrder.__annotations__]
_ID = submission.c.id


@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page of the list. ``next`` and ``previous`` are cursors; ``None`` where there is no further page.

    ``count``: the number of all orders of the filter, if it is known. ``partial``: more orders must be tested to fill
    this page; ``next`` continues. ``cut``: more than ``MAX_NARROW`` order numbers begin with the search text, and only
    these were searched.
    """

    rows: list[ListedOrder]
    next: str | None = None
    previous: str | None = None
    count: int | None = None
    partial: bool = False
    cut: bool = False


class ListedOrders(Repository):
    """Orders as operators list, search and export them."""

    @reads
    def page(
        self, tx: Transaction, found: OrderFilter, sort: OrderSort, cursor: str | None = None, limit: int = 50
    ) -> OrderPage:
        """The page behind ``cursor`` (a page's ``next`` or ``previous``), or the first one; at most ``limit`` rows.

        Raises ``ConfigurationError`` for a cursor of another filter or sort.
        """
        position = read_cursor(found, sort, cursor) if cursor else None
        page = _page(tx, found, sort, position, min(limit, MAX_PAGE))
        if position is not None and position.back and page.previous is None:
            return _page(tx, found, sort, None, min(limit, MAX_PAGE))
        return page

    def stream(self, found: OrderFilter, most: int, portion: int = MAX_PAGE) -> Iterator[list[ListedOrder]]:
        """At most ``most`` orders, newest received first, in portions of separate transactions.

        Always by the time at which they were received, which does not change while the portions are read.
        """
        sort, cursor, left = OrderSort(RECEIVED), None, most
        while left > 0:
            page = self.page(found, sort, cursor, min(portion, left))
            left -= len(page.rows)
            yield page.rows
            if page.next is None:
                return
            cursor = page.next

    @reads
    def identified(self, tx: Transaction, found: OrderFilter) -> list[int]:
        """The ids of the orders that the filter's search identifies exactly, such as by OMS id; for a direct link."""
        return identified_orders(tx, found.search, found.pipelines) if found.search else []

    @reads
    def reasons(self, tx: Transaction, pipelines: frozenset[str]) -> list[str]:
        """Reason codes for a filter: those of the latest orders of each state."""
        newest = [
            sa.select(submission.c.reason)
            .where(submission.c.pipeline == name, submission.c.state == state)
            .order_by(submission.c.changed_at.desc(), _ID.desc())
            .limit(1_000)
            .subquery()
            for name in sorted(pipelines)
            for state in State
            if state is not State.IMPORTED
        ]
        query = sa.union(*(sa.select(of.c.reason).where(of.c.reason != "") for of in newest))
        return sorted(tx.run(query).scalars())


def _page(
    tx: Transaction, filtered: OrderFilter, sort: OrderSort, position: PagePosition | None, limit: int
) -> OrderPage:
    order = PageOrder(SORT_COLUMNS[sort.key], sort.descending != (position is not None and position.back), position)
    found = find_page(tx, filtered, sort.key, order, limit)
    rows = _rows(tx, found.ids)
    further = write_cursor(filtered, sort, replace(found.further, back=order.back)) if found.further else None
    if position is None:
        return OrderPage(rows, further, None, found.count, found.partial, found.cut)
    # a page without rows was read behind the position, and on the way back the order at it comes first
    first = _position(rows[0], sort) if rows else replace(position, id=position.id + (-1 if order.falls else 1))
    opposite = write_cursor(filtered, sort, replace(first, back=not order.back))
    if order.back:
        return OrderPage(rows[::-1], opposite, further, found.count, found.partial, found.cut)
    return OrderPage(rows, further, opposite, found.count, found.partial, found.cut)


def _rows(tx: Transaction, ids: Sequence[int]) -> list[ListedOrder]:
    by_id = {
        row["id"]: row for row in tx.rows(ListedOrder, sa.select(*_LISTED).where(among(_ID, "ids")), {"ids": list(ids)})
    }
    return [by_id[number] for number in ids]


def _position(row: ListedOrder, sort: OrderSort) -> PagePosition:
    return PagePosition({**row}[SORT_COLUMNS[sort.key].name], row["id"])
