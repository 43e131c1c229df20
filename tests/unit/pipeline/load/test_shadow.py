"""What a shadow run would have sent, and whether the destination has it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.batches import BatchStore
from order_relay.errors import TransientError
from order_relay.ledger import Sendable
from order_relay.orders.json_text import decode
from order_relay.orders.messages import RunContext, SearchHit, SearchResult
from order_relay.pipeline.load.shadow import run_shadow

CTX = RunContext("demo", "run-1")
CHUNK = "demo/runs/run-1/chunk-00.json"


class Destination:
    """Has some orders; searches as told."""

    def __init__(self, has: dict[str, str], *, complete: bool = True, fails_at: int = 99) -> None:
        self.has, self.complete, self.fails_at = has, complete, fails_at
        self.search_by = "auto"
        self.asked: list[list[str]] = []

    @asynccontextmanager
    async def session(self, share: int) -> AsyncIterator[Any]:
        yield SimpleNamespace(find_by_key=self.find)

    async def find(self, keys: Sequence[str]) -> SearchResult:
        self.asked.append(list(keys))
        if len(self.asked) >= self.fails_at:
            raise TransientError("away")
        return SearchResult(tuple(SearchHit(oms_id, key) for key, oms_id in self.has.items()), self.complete)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


def run(store: BatchStore, destination: Destination, orders: int = 3) -> dict[str, int]:
    store.write_json(CHUNK, {"send": list(range(orders)), "look_up": []})
    claims = SimpleNamespace(
        sendable=lambda ids: [Sendable(i, 1, f"K{i}", "payloads.jsonl.gz", i, "fp", 0, f"L{i}", f"N{i}") for i in ids]
    )
    ledger = SimpleNamespace(claims=claims)
    return run_shadow(CTX, ledger, store, destination, CHUNK, 1)  # type: ignore[arg-type]


def listed(store: BatchStore) -> list[dict[str, Any]]:
    return [decode(text) for text in store.read_jsonl("demo/runs/run-1/shadow-chunk-00.jsonl.gz")]


def test_each_order_is_looked_for_and_listed(store: BatchStore) -> None:
    counts = run(store, Destination({"K1": "OMS7", "OTHER": "OMS8"}))
    assert counts == {"would_send": 3, "found_there": 1, "not_found_there": 2, "not_compared": 0}
    assert listed(store)[1] == {
        "order_number": "N1",
        "external_id": "K1",
        "payload": "payloads.jsonl.gz",
        "row": 1,
        "comparison": "found_there",
        "oms_ids": ["OMS7"],
    }


def test_a_search_that_was_not_read_to_its_end_shows_no_absence(store: BatchStore) -> None:
    counts = run(store, Destination({"K1": "OMS7"}, complete=False))
    assert (counts["found_there"], counts["not_found_there"], counts["not_compared"]) == (1, 0, 2)


def test_a_destination_that_does_not_answer_fails_nothing(store: BatchStore) -> None:
    destination = Destination({"K1": "OMS7"}, fails_at=2)
    counts = run(store, destination, orders=150)
    assert [len(keys) for keys in destination.asked] == [100, 50]
    assert (counts["found_there"], counts["not_found_there"], counts["not_compared"]) == (1, 99, 50)


def test_an_unsearchable_one_is_not_requested(store: BatchStore) -> None:
    destination = Destination({})
    destination.search_by = "none"
    assert run(store, destination)["not_compared"] == 3
    assert destination.asked == []


def test_nothing_ready_is_nothing_to_show(store: BatchStore) -> None:
    destination = Destination({})
    assert run(store, destination, orders=0)["would_send"] == 0
    assert destination.asked == []


def test_rows_without_an_external_id_leave_the_others_uncompared(store: BatchStore) -> None:
    counts = run(store, Destination({"K1": "7", "": "8"}))
    assert (counts["found_there"], counts["not_found_there"], counts["not_compared"]) == (1, 0, 2)
