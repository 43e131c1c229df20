"""An OMS in memory that answers searches, honestly or with one lie; the client's own search code reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.http.sending import search
from order_relay.http.sending.search import SearchReply
from order_relay.orders.messages import SearchResult
from order_relay.vendors.shopatron.order_view import OrderView, payload_traits
from order_relay.vendors.shopatron.search import order_search

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OURS, THEIRS = 1042, 2099
TOTAL = "103.50"


@dataclass(frozen=True)
class Order:
    """One order as the OMS stores it."""

    number: int
    key: str
    manufacturer: int = OURS
    created: datetime = NOW - timedelta(hours=3)
    total: str = TOTAL
    email: str = "buyer@example.com"


def payload(key: str) -> bytes:
    """What we send under this external id."""
    return json.dumps(
        {
            "externalOrderID": key,
            "currency": "USD",
            "customer": {"firstName": "Ada", "email": "buyer@example.com"},
            "orderItems": [{"product": {"partNumber": "LAMP-9"}}],
            "customOrderData": {"sourceOrderNumber": key},
        }
    ).encode()


Rows = list[Order]


@dataclass(frozen=True)
class Lie:
    """In which way a search departs from the truth; by default in none."""

    terms: Callable[[list[str]], list[str]] = lambda terms: terms
    matches: Callable[[str, str], bool] = lambda key, term: key == term
    filters_manufacturer: bool = True
    filters_keys: bool = True
    filters_dates: bool = True
    knows_keys: bool = True
    knows_dates: bool = True
    rows: Callable[[Rows], Rows] = lambda rows: rows
    total: Callable[[int, int], int] = lambda found, shown: found
    page: Callable[[int], int] = lambda number: number
    shows: Callable[[Order], bool] = lambda order: True
    row: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: row
    detail: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda row: row
    reply: Callable[[SearchReply, int], SearchReply] = lambda reply, number: reply
    per_page: int = 100


@dataclass
class Oms:
    """A destination and its session. ``stored``: every order at the destination."""

    stored: list[Order]
    lie: Lie = field(default_factory=Lie)
    search_by: str = "auto"
    idempotent: bool = False
    account: str = "oms"
    timeout_s: float = 60.0
    visible_after_s: float = 900.0
    connections: int = 4
    asked: int = 0

    def __post_init__(self) -> None:
        self.search = order_search(OrderView(OURS), ("startDate", "endDate"))

    expected_traits = staticmethod(payload_traits)

    @asynccontextmanager
    async def session(self, share: int) -> Any:
        yield self

    async def find_by_key(self, keys: Sequence[str]) -> SearchResult:
        return await search.find_by_key(self, self.search, keys)

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        return await search.find_by_window(self, self.search, start, end)

    async def find_any(self) -> SearchResult:
        return await search.find_any(self, self.search)

    async def read_order(self, oms_id: str) -> SearchResult:
        return await search.get_order(self, self.search, oms_id)

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        self.asked += 1
        if path == "order/":
            return self.lie.reply(self._search(dict(query)), self.asked)
        return self._one(int(path.removeprefix("order/")))

    def _search(self, query: dict[str, str]) -> SearchReply:
        lie, found = self.lie, [order for order in self.stored if self.lie.shows(order)]
        if "externalOrderID" in query:
            if not lie.knows_keys:
                return SearchReply(400, b'{"code": 5016}')
            terms = lie.terms(query["externalOrderID"].split(","))
            found = [o for o in found if any(lie.matches(o.key, t) for t in terms)] if lie.filters_keys else found
        if "startDate" in query:
            if not lie.knows_dates:
                return SearchReply(400, b'{"code": 5016}')
            start, end = (datetime.fromisoformat(query[name]) for name in ("startDate", "endDate"))
            found = [o for o in found if start <= o.created <= end] if lie.filters_dates else found
        if lie.filters_manufacturer:
            found = [order for order in found if order.manufacturer == int(query["manufacturerID"])]
        found = lie.rows(sorted(found, key=lambda order: -order.number))
        size = min(int(query["perPage"]), lie.per_page)
        start_at = (lie.page(int(query["page"])) - 1) * size
        shown = found[start_at : start_at + size] if start_at >= 0 else []
        body = {"totalCount": lie.total(len(found), len(shown)), "collection": [lie.row(_row(o)) for o in shown]}
        return SearchReply(200, json.dumps(body).encode())

    def _one(self, number: int) -> SearchReply:
        for order in self.stored:
            shown = self.lie.detail(_detail(order)) if order.number == number else None
            if shown is not None:
                return SearchReply(200, json.dumps(shown).encode())
        return SearchReply(404, b'{"code": 5002}')


def _row(order: Order) -> dict[str, Any]:
    return {
        "orderID": order.number,
        "externalOrderID": order.key,
        "manufacturerID": order.manufacturer,
        "orderStatus": "READY",
        "orderDate": order.created.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "orderCurrency": "USD",
        "customerTotal": float(order.total),
    }


def _detail(order: Order) -> dict[str, Any]:
    return {
        **_row(order),
        "customer": {"email": order.email, "firstName": "Ada"},
        "orderItems": [{"product": {"partNumber": "LAMP-9"}}],
    }


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A row or an order that lacks these members."""
    return lambda row: {name: value for name, value in row.items() if name not in names}


def _deduplicated(rows: Rows) -> Rows:
    return list({order.key: order for order in rows}.values())


def _flapping(reply: SearchReply, number: int) -> SearchReply:
    return SearchReply(200, b'{"totalCount": 0, "collection": []}') if number % 2 == 0 else reply


EMPTY = SearchReply(200, b'{"totalCount": 0, "collection": []}')

LIES: dict[str, Lie] = {
    # filters
    "manufacturer ignored": Lie(filters_manufacturer=False),
    "external ids ignored": Lie(filters_keys=False),
    "external ids refused": Lie(knows_keys=False),
    "dates ignored": Lie(knows_keys=False, filters_dates=False),
    "ids match as a prefix": Lie(matches=lambda key, term: key.startswith(term)),
    "ids match without case": Lie(matches=lambda key, term: key.lower() == term.lower()),
    "ids never match": Lie(matches=lambda key, term: False),
    "all filters ignored": Lie(filters_manufacturer=False, filters_keys=False, filters_dates=False),
    # lists
    "only the first id": Lie(terms=lambda terms: terms[:1]),
    "only the last id": Lie(terms=lambda terms: terms[-1:]),
    "only the first three": Lie(terms=lambda terms: terms[:3]),
    "only the last three": Lie(terms=lambda terms: terms[-3:]),
    "only the ends": Lie(terms=lambda terms: [terms[0], terms[-1]]),
    "every second id": Lie(terms=lambda terms: terms[::2]),
    "ends and the middle": Lie(terms=lambda terms: [terms[0], terms[len(terms) // 2], terms[-1]]),
    "ids up to a length": Lie(terms=lambda terms: ",".join(terms)[:24].split(",")),
    "ids sorted, the first five": Lie(terms=lambda terms: sorted(terms)[:5]),
    "lists refused": Lie(terms=lambda terms: terms if len(terms) == 1 else []),
    "single ids refused": Lie(terms=lambda terms: terms if len(terms) > 1 else []),
    # order and number of rows
    "oldest first, three rows": Lie(rows=lambda rows: rows[::-1][:3]),
    "newest first, three rows": Lie(rows=lambda rows: rows[:3]),
    "one row": Lie(rows=lambda rows: rows[:1]),
    "oldest first": Lie(rows=lambda rows: rows[::-1]),
    "one order for each id": Lie(rows=_deduplicated),
    # pages
    "pages ignored": Lie(page=lambda number: 1, per_page=2),
    "pages from 0": Lie(page=lambda number: number + 1),
    "second page empty": Lie(page=lambda number: 1 if number == 1 else 99, per_page=2),
    "pages of two": Lie(per_page=2),
    # totals
    "total of the page": Lie(total=lambda found, shown: shown, per_page=2),
    "total too high": Lie(total=lambda found, shown: found + 1),
    "total too low": Lie(total=lambda found, shown: max(found - 1, 0)),
    "total always 0": Lie(total=lambda found, shown: 0),
    # fields
    "rows without external id": Lie(row=without("externalOrderID")),
    "nothing carries the external id": Lie(row=without("externalOrderID"), detail=without("externalOrderID")),
    "rows without manufacturer": Lie(filters_manufacturer=False, row=without("manufacturerID")),
    "nothing names a manufacturer": Lie(
        filters_manufacturer=False, row=without("manufacturerID"), detail=without("manufacturerID")
    ),
    "rows without order id": Lie(row=without("orderID")),
    "no detail": Lie(filters_manufacturer=False, row=without("manufacturerID"), detail=lambda row: None),
    "bare rows": Lie(
        filters_manufacturer=False, row=lambda row: {name: row[name] for name in ("orderID", "externalOrderID")}
    ),
    # freshness
    "of yesterday": Lie(shows=lambda order: order.created < NOW - timedelta(days=1)),
    "late by two hours": Lie(shows=lambda order: order.created < NOW - timedelta(hours=2)),
    "new orders only": Lie(shows=lambda order: order.created > NOW - timedelta(days=2)),
    "every second answer empty": Lie(reply=_flapping),
    "always empty": Lie(reply=lambda reply, number: EMPTY),
    "empty with 5002": Lie(reply=lambda reply, number: SearchReply(404, b'{"code": 5002}')),
    # statuses
    "503": Lie(reply=lambda reply, number: SearchReply(503)),
    "HTML": Lie(reply=lambda reply, number: SearchReply(200, b"<html>")),
    "no body": Lie(reply=lambda reply, number: SearchReply(200)),
    "400": Lie(reply=lambda reply, number: SearchReply(400, b'{"code": 5014}')),
}
"""Every kind of lie, by its dimension."""

TRUTHFUL_ENOUGH = {
    "manufacturer ignored",
    "only the first id",
    "only the last id",
    "only the first three",
    "only the last three",
    "only the ends",
    "every second id",
    "ends and the middle",
    "ids up to a length",
    "ids sorted, the first five",
    "lists refused",
    "oldest first",
    "one order for each id",
    "pages of two",
    "rows without external id",
    "rows without manufacturer",
    "oldest first, three rows",
    "newest first, three rows",
    "one row",
}
"""Faults despite which a missing order is still sent; without them a client that never sends would pass."""
