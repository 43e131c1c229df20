"""What the doctor's probes conclude from an account's answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.http.sending.search import SearchReply
from order_relay.vendors.shopatron.probes import probes


class FakePort:
    """An account that answers from a table: ``catalog/``, and ``order/`` by page."""

    settings = SimpleNamespace(manufacturer_id=7)

    def __init__(self, answers: Mapping[str, SearchReply]) -> None:
        self.answers = answers

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[FakePort]:
        yield self

    async def get(self, path: str, query: Mapping[str, str]) -> SearchReply:
        assert query["manufacturerID"] == "7"
        return self.answers[path + query.get("page", "")]


def page(*ids: int) -> SearchReply:
    return SearchReply(200, json.dumps({"totalCount": 9, "collection": [{"orderID": i} for i in ids]}).encode())


async def levels(catalog: SearchReply, zero: SearchReply, one: SearchReply) -> list[str]:
    port: Any = FakePort({"catalog/": catalog, "order/0": zero, "order/1": one})
    return [level for level, _, _ in await probes(port)]


@pytest.mark.parametrize(
    ("zero", "one", "level"),
    [
        (SearchReply(400, b"{}"), page(1), "ok"),  # pages begin with 1
        (page(1), page(1), "ok"),  # page 0 is taken for the first
        (page(1), page(2), "fail"),  # pages begin with 0
        (page(1), page(), "fail"),
        (page(), page(), "ok"),  # nothing to see
        (SearchReply(200, b""), SearchReply(200, b""), "ok"),
        (page(1), SearchReply(503), "warn"),
    ],
)
async def test_the_first_page(zero: SearchReply, one: SearchReply, level: str) -> None:
    assert (await levels(page(), zero, one))[1] == level


@pytest.mark.parametrize(("status", "level"), [(200, "ok"), (400, "warn"), (404, "warn"), (500, "warn"), (0, "warn")])
async def test_the_catalogue(status: int, level: str) -> None:
    assert (await levels(SearchReply(status), page(), page()))[0] == level
