"""Searches of plain vendors: one key at a time, prefixes, offsets, windows only, none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from order_relay.http.sending.search import (
    NO_SEARCH,
    OrderSearch,
    PageParameters,
    SearchReply,
    find_any,
    find_by_key,
    find_by_window,
    get_order,
    order_reader,
)
from order_relay.orders.identity.traits import OURS, Traits
from order_relay.orders.messages import SearchHit

read_order = order_reader("orderId", "orderKey", "orderStatus", "status")
BY_KEY = OrderSearch(
    path="orders", rows="orders", read_order=read_order, by_key=lambda keys: {"key": keys[0]}, keys_per_search=1
)
WINDOW = OrderSearch(
    path="orders",
    rows="orders",
    read_order=read_order,
    by_window=lambda start, end: {"from": start, "to": end},
    pages=PageParameters(number="offset", size="limit", per_page=2, by_offset=True),
)


class Shop:
    """Orders by id, searched by ``key`` (a prefix) and paged by offset or number."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys
        self.asked: list[Mapping[str, str]] = []

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        self.asked.append(query)
        found: list[dict[str, Any]] = [
            {"orderId": number, "orderKey": key}
            for number, key in enumerate(self.keys, 1)
            if key.startswith(query.get("key", ""))
        ]
        start = int(query.get("offset", 0))
        size = int(query.get("limit") or query["perPage"])
        rows = found[start : start + size]
        return SearchReply(200, json.dumps({"total": len(found), "orders": rows}).encode())


def test_one_key_at_a_time() -> None:
    shop = Shop("A", "B", "C")
    page = asyncio.run(find_by_key(shop, BY_KEY, ["A", "X", "C"]))
    assert page.complete
    assert [row.destination_key for row in page.rows] == ["A", "C"]
    assert [query["key"] for query in shop.asked] == ["A", "X", "C"]


def test_one_incomplete_search_makes_the_result_incomplete() -> None:
    shop = Shop("A", "B1", "C")
    page = asyncio.run(find_by_key(shop, BY_KEY, ["A", "B", "C"]))
    assert (page.complete, page.problem) == (False, "parameter_ignored")
    assert {"A", "C"} <= {row.destination_key for row in page.rows}


def test_a_search_for_a_prefix_shows_longer_keys() -> None:
    prefix = OrderSearch(
        path="orders",
        rows="orders",
        read_order=read_order,
        by_key=lambda keys: {"key": keys[0]},
        keys_per_search=1,
        matches_prefix=True,
    )
    page = asyncio.run(find_by_key(Shop("A1", "A10", "A2"), prefix, ["A1"]))
    assert page.complete
    assert [row.destination_key for row in page.rows] == ["A1", "A10"]


def test_pages_by_offset() -> None:
    shop = Shop("A", "B", "C")
    page = asyncio.run(find_by_window(shop, WINDOW, "x", "y"))
    assert page.complete
    assert len(page.rows) == 3
    assert [query["offset"] for query in shop.asked] == ["0", "2"]
    assert shop.asked[0]["from"] == "x"


def test_a_search_that_the_vendor_lacks_is_unsupported_and_asks_nothing() -> None:
    shop = Shop("A")
    answers = [
        asyncio.run(find_by_key(shop, WINDOW, ["A"])),
        asyncio.run(find_by_window(shop, BY_KEY, "x", "y")),
        asyncio.run(find_any(shop, NO_SEARCH)),
        asyncio.run(get_order(shop, BY_KEY, "1")),
    ]
    assert [(page.complete, page.problem) for page in answers] == [(False, "undeclared")] * 4
    assert shop.asked == []


@pytest.mark.parametrize(
    ("search", "setting", "usable"),
    [
        (BY_KEY, "auto", "external_id"),
        (WINDOW, "auto", "window"),
        (NO_SEARCH, "auto", "none"),
        (BY_KEY, "window", "none"),
        (BY_KEY, "external_id", "external_id"),
        (BY_KEY, "none", "none"),
    ],
)
def test_a_setting_counts_only_if_the_vendor_has_that_search(search: OrderSearch, setting: str, usable: str) -> None:
    assert search.usable(setting) == usable


@pytest.mark.parametrize(
    ("row", "hit"),
    [
        ({"orderId": 5, "orderKey": "A", "status": "open"}, SearchHit("5", "A", "open", Traits(owner=OURS))),
        ({"orderId": 5, "orderKey": 7, "orderStatus": None}, SearchHit("5", "7", "", Traits(owner=OURS))),
        ({"orderId": True, "orderKey": None}, SearchHit("", "", "", Traits(owner=OURS))),
        ([], SearchHit("", "")),
        (None, SearchHit("", "")),
    ],
)
def test_how_a_row_is_read(row: object, hit: SearchHit) -> None:
    assert read_order(row) == hit
