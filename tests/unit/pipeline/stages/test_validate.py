from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from order_relay.batches import Manifest
from order_relay.pipeline.archive import SLICE_SIZE
from order_relay.pipeline.stages.validate import has_work
from order_relay.pipeline.stages.worklists import read_worklist
from tests.support.stages import PIPELINE, Relay, order


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    yield made
    made.ledger.close()


def test_good_orders_are_listed_and_refused_ones_quarantined_with_every_error(relay: Relay) -> None:
    bad = {"id": 2, "group": "G", "rows": 7}
    manifest = relay.validate(relay.extract(order(1), bad))
    assert (manifest.kind, manifest.records) == ("validated", 1)
    assert manifest.name == f"{PIPELINE}/runs/run-1/validated.jsonl.gz"
    assert len(read_worklist(relay.store, manifest)) == 1
    assert relay.states() == {"1": "received", "2": "quarantined missing_field"}


def test_what_was_found_while_reading_is_an_error_of_its_own(relay: Relay) -> None:
    relay.validate(relay.extract(order(1, problem="lone_surrogate") | {"id": "x"}, order(2)))
    [life] = [life for life in relay.ledger.queries.quarantined() if life["code"] == "lone_surrogate"]
    assert "half a Unicode character" in life["message"]


def test_an_order_without_identity_is_kept_under_its_hash(relay: Relay) -> None:
    relay.validate(relay.extract({"no": "N1"}, 7, None))
    assert relay.ledger.accounting.counts(PIPELINE, None)["states"]["quarantined"] == 3


def test_offered_again_and_still_bad_writes_no_event(relay: Relay) -> None:
    for _ in range(3):
        relay.run(order(1, broken=True))
    [life] = relay.ledger.queries.find("1")
    assert [event["to_state"] for event in life["events"]] == ["received", "quarantined"]
    assert life["batch_id"].startswith("b3")


def test_offered_again_with_other_errors_is_reported(relay: Relay) -> None:
    relay.run(order(1, broken=True))
    relay.run({"id": 1, "group": "G1", "rows": []})
    assert relay.states() == {"1": "quarantined missing_field"}


def test_offered_again_after_a_mapping_fix_it_continues(relay: Relay) -> None:
    relay.run(order(1, broken=True))
    known = relay.transformer._one
    relay.transformer._one = lambda i, d: known(i, d | {"broken": False})
    assert relay.run(order(1, broken=True)) == {"ready": 1, "held": 0}
    [life] = relay.ledger.queries.find("1")
    assert [event["to_state"] for event in life["events"]] == ["received", "quarantined", "received", "ready"]


def test_orders_left_received_are_validated_from_their_own_batch(relay: Relay) -> None:
    relay.extract(order(1))
    assert relay.validate(relay.extract()).records == 1


def test_at_most_a_slice_is_in_memory(relay: Relay) -> None:
    relay.run(*(order(n) for n in range(SLICE_SIZE + 1)))
    assert relay.transformer.sizes == [SLICE_SIZE, 1]


def test_has_work(relay: Relay) -> None:
    nothing = Manifest("batch", PIPELINE)
    assert not has_work(relay.ledger, PIPELINE, nothing)
    manifest = relay.extract(order(1))
    assert has_work(relay.ledger, PIPELINE, manifest)
    assert has_work(relay.ledger, PIPELINE, nothing)
    relay.transform(relay.dedupe(relay.validate(manifest)))
    assert relay.states() == {"1": "ready"}
    assert has_work(relay.ledger, PIPELINE, nothing)


def test_a_quarantined_order_alone_is_no_work(relay: Relay) -> None:
    relay.run(order(1, broken=True))
    assert not has_work(relay.ledger, PIPELINE, Manifest("batch", PIPELINE))
