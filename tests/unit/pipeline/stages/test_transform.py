from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from order_relay.batches import DamagedBatchError
from order_relay.ledger import AttemptResult
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.load.chunks import chunk_name, plan_chunks
from order_relay.pipeline.settings.sections import ChunkSettings
from tests.support.stages import PIPELINE, Relay, order


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    yield made
    made.ledger.close()


def test_ready_orders_point_to_their_exact_payloads(relay: Relay) -> None:
    assert relay.run(order(1), order(2, broken=True), order(3)) == {"ready": 2, "held": 0, "refused": 1}
    sendable = relay.ledger.claims.sendable(relay.ledger.claims.ready(PIPELINE))
    for each in sendable:
        text = relay.store.read_rows(each.payload_name, [each.payload_row])[each.payload_row]
        assert hashlib.sha256(text).hexdigest() == each.fingerprint
        assert each.destination_key.encode() in text
    assert {each.destination_key for each in sendable} == {"N1", "N3"}


def test_when_the_winner_is_refused_the_older_ones_wait(relay: Relay) -> None:
    relay.run(order(1, group="G"), order(2, group="G", no="N1-1", broken=True))
    assert relay.states() == {"1": "waiting newer_quarantined", "2": "quarantined broken"}
    relay.run(order(1, group="G"), order(2, group="G", no="N1-1"))
    assert relay.states() == {"1": "superseded", "2": "ready"}


def test_a_second_try_writes_no_payload_object_again(relay: Relay) -> None:
    winners = relay.dedupe(relay.validate(relay.extract(order(1))))
    assert relay.transform(winners) == {"ready": 1, "held": 0}
    before = [name for name in relay.store.list(PIPELINE) if "payloads-" in name]
    assert relay.transform(winners) == {}
    assert [name for name in relay.store.list(PIPELINE) if "payloads-" in name] == before


def test_an_order_that_was_replaced_since_is_left_to_its_own_run(relay: Relay) -> None:
    winners = relay.dedupe(relay.validate(relay.extract(order(1))))
    relay.extract(order(1, colour="red"))
    assert relay.transform(winners) == {}
    assert relay.run(order(1, colour="red")) == {"ready": 1, "held": 0}


def test_a_destination_key_that_two_want_holds_both(relay: Relay) -> None:
    relay.run(order(1))
    relay.run(order(1), order(2, no="N1"))
    assert set(relay.states().values()) == {"held number_with_two_ids"}


def test_a_damaged_batch_is_named(relay: Relay, tmp_path: Path) -> None:
    winners = relay.dedupe(relay.validate(relay.extract(order(1))))
    part = next((tmp_path / "store").rglob("part-00000.jsonl.gz"))
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DamagedBatchError, match="part-00000"):
        relay.transform(winners)
    assert relay.states() == {"1": "received"}


@pytest.mark.parametrize(
    ("orders", "at_most", "sizes"),
    [
        (0, 16, []),
        (1, 16, [1]),
        (2, 16, [2]),
        (5, 16, [2, 2, 1]),
        (40, 16, [3] * 13 + [1]),
        (40, 2, [20, 20]),
        (5, 1, [5]),
    ],
)
def test_chunks_grow_with_the_backlog(relay: Relay, orders: int, at_most: int, sizes: list[int]) -> None:
    relay.run(*(order(n) for n in range(orders)))
    names = plan_chunks(relay.ctx, relay.ledger, relay.store, ChunkSettings(at_most=at_most, min_size=2), 60.0)
    assert names == [f"chunk-{n:02d}" for n in range(len(sizes))]
    chunks = [relay.store.read_json(chunk_name(relay.ctx, name)) for name in names]
    assert [len(chunk["send"]) for chunk in chunks] == sizes
    assert all(chunk["look_up"] == [] for chunk in chunks)
    assert sorted(i for chunk in chunks for i in chunk["send"]) == relay.ledger.claims.ready(PIPELINE)


def test_what_a_dead_worker_left_is_not_sent_but_looked_up_when_due(relay: Relay) -> None:
    relay.run(order(1), order(2))
    first, second = relay.ledger.claims.ready(PIPELINE)
    relay.ledger.claims.claim(relay.ctx, [first], "a worker that dies", -120.0)
    names = plan_chunks(relay.ctx, relay.ledger, relay.store, ChunkSettings(), 60.0)
    [chunk] = [relay.store.read_json(chunk_name(relay.ctx, name)) for name in names]
    assert chunk == {"look_up": [first], "send": [second]}


def test_a_released_edition_gets_its_own_destination_key(relay: Relay) -> None:
    relay.run(order(1))
    number = relay.ledger.claims.ready(PIPELINE)[0]
    claim = relay.ledger.claims.claim(relay.ctx, [number], "test", 30)[number]
    answer = SendResult(SendOutcome.IMPORTED, 201, oms_id="OMS1")
    relay.ledger.outcomes.record(relay.ctx, [AttemptResult(number, claim.attempt, answer)])
    relay.run(order(1, items=("A", "C")), order(2))
    relay.ledger.decisions.decide("N1", "separate", "another order", "ann")
    relay.run(order(1, items=("A", "C")), order(2))
    sendable = {
        row.destination_key: row.order_number
        for row in relay.ledger.claims.sendable(relay.ledger.claims.ready(PIPELINE))
    }
    assert sendable == {"N1/2": "N1", "N2": "N2"}
