"""What open orders need, and what the ledger forgets of settled ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_offers import offer

from order_relay.ledger import Ledger
from order_relay.ledger.retaining import REMOVED_BODY
from order_relay.ledger.tables import submission
from order_relay.orders.exchange import Acknowledgement, Outcome

PIPELINE = "shop_to_oms"
LATER = datetime.now(UTC) + timedelta(days=1)


def confirm(ledger: Ledger, clerk: Any) -> None:
    due = [entry.id for entry in ledger.to_acknowledge(PIPELINE, 100)]
    ledger.ack_sent(clerk.ctx, due)
    ledger.ack_answered(clerk.ctx, dict.fromkeys(due, Acknowledgement(accepted=True)))


def imported(clerk: Any, source_id: str, **changes: Any) -> int:
    clerk.receive(offer(source_id, **changes))
    number: int = clerk.make_ready(*clerk.resolve())[0][0]
    clerk.claim(number)
    clerk.settle(number, Outcome.IMPORTED, status=201, oms_id=f"OMS{source_id}", body="Jane Doe")
    return number


def test_open_orders_keep_raw_order_and_payloads(ledger: Ledger, clerk: Any) -> None:
    clerk.all_ready("1", "2")
    number = clerk.work("1").id
    clerk.claim(number)
    clerk.settle(number, Outcome.THROTTLED)
    needed = ledger.needed(PIPELINE)
    assert {batch: dict(parts) for batch, parts in needed.raw.items()} == {clerk.last_batch: {0: {0, 1}}}
    assert dict(needed.payloads) == {"p/payloads-00000.jsonl.gz": {0}}


def test_settled_is_only_what_its_source_knows_of(ledger: Ledger, clerk: Any) -> None:
    imported(clerk, "1")
    assert ledger.needed(PIPELINE).raw
    assert ledger.with_personal_data(PIPELINE, LATER) == []
    confirm(ledger, clerk)
    assert (ledger.needed(PIPELINE).raw, ledger.needed(PIPELINE).payloads) == ({}, {})


def test_what_a_review_shows_for_comparison_is_kept(ledger: Ledger, clerk: Any) -> None:
    imported(clerk, "1", lineage="L")
    confirm(ledger, clerk)
    first = clerk.last_batch
    clerk.receive(offer("2", lineage="L"))
    clerk.resolve()
    assert clerk.state("2") == "held"
    assert set(ledger.needed(PIPELINE).raw) == {first, clerk.last_batch}
    assert ledger.with_personal_data(PIPELINE, LATER) == []


def test_changed_content_that_came_while_in_doubt_is_kept(ledger: Ledger, clerk: Any) -> None:
    clerk.in_doubt("1")
    first = clerk.last_batch
    clerk.receive(offer("1", content_hash="other"))
    assert set(ledger.needed(PIPELINE).raw) == {first, clerk.last_batch}


@pytest.mark.parametrize("value", ["partly", "shipped"])
def test_half_told_parcels_keep_what_was_asked_for(ledger: Ledger, clerk: Any, value: str) -> None:
    number = imported(clerk, "1")
    confirm(ledger, clerk)
    change = submission.update().where(submission.c.id == number)
    ledger.database.write(lambda tx: tx.run(change.values(shipped=value)))
    assert bool(ledger.needed(PIPELINE).raw) is (value == "partly")
    ledger.database.write(lambda tx: tx.run(change.values(cancelled_at=tx.now)))
    assert not ledger.needed(PIPELINE).raw


def test_it_forgets_people_and_keeps_the_books(ledger: Ledger, clerk: Any) -> None:
    number = imported(clerk, "1", customer_po="PO of Jane Doe")
    clerk.receive(offer("2", customer_po="PO of John Doe"))
    confirm(ledger, clerk)
    before = clerk.row("1")
    assert ledger.forget(PIPELINE, datetime.now(UTC) - timedelta(days=1), 10) == 0, "too early"
    assert ledger.with_personal_data(PIPELINE, LATER) == [number]
    assert ledger.forget(PIPELINE, LATER, 10) == 1
    assert ledger.forget(PIPELINE, LATER, 10) == 0, "nothing is left to do"
    after = clerk.row("1")
    assert (after["customer_po"], after["attempts"][0]["body"]) == ("", REMOVED_BODY)
    changed = {"customer_po", "attempts"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert clerk.row("2")["customer_po"] == "PO of John Doe", "it is open"


@pytest.mark.parametrize("limit", [1, 2])
def test_a_portion_at_a_time(ledger: Ledger, clerk: Any, limit: int) -> None:
    for source_id in ("1", "2", "3"):
        imported(clerk, source_id)
    confirm(ledger, clerk)
    done = []
    while portion := ledger.forget(PIPELINE, LATER, limit):
        done.append(portion)
    assert (sum(done), max(done)) == (3, limit)


def test_when_batches_and_runs_were(ledger: Ledger, clerk: Any) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    clerk.receive(offer("1"), fetched_at=moment)
    assert ledger.fetched(PIPELINE) == {clerk.last_batch: moment}
    assert list(ledger.started(PIPELINE)) == ["run-1"]


def test_a_backfill_leaves_what_is_superseded_for_good(ledger: Ledger, clerk: Any) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"), fetched_at=moment)
    number = clerk.make_ready(*clerk.resolve())[0][0]
    clerk.claim(number)
    clerk.settle(number, Outcome.IMPORTED, status=201, oms_id="7")
    assert clerk.state("1") == "superseded"
    assert ledger.replay_interval(clerk.ctx, moment, moment + timedelta(days=1)) == 0
    assert clerk.state("1") == "superseded"
