"""When the source offers something (again): the redelivery table as it shows in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_relay.errors import ValidationIssue
from order_relay.orders.messages import Acknowledgement, SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"
NEW = {"content_hash": "changed"}


def refuse(driver, source_id, code="bad"):
    return driver.ledger.validation.quarantine(
        driver.ctx, [(driver.work(source_id), [ValidationIssue(code, "/x", "is wrong")])]
    )


def test_a_new_order_is_received_with_its_place(driver):
    assert driver.receive(offer("1"), offer("2", suffix=2, customer_po="PO7", items=())) == {"insert": 2}
    work = driver.work("2")
    assert (work.state, work.part, work.row, work.batch_id, work.edition) == ("received", 0, 1, driver.last_batch, 1)
    row = driver.row("2")
    assert (row["suffix"], row["customer_po"], row["items"]) == (2, "PO7", [])
    assert driver.row("1")["suffix"] is None
    assert driver.events("1") == [("", "received")]


def test_the_same_batch_again_changes_nothing(driver):
    first = driver.receive(offer("1"), batch_id="b")
    before = driver.row("1")
    assert driver.receive(offer("1", **NEW), batch_id="b") == first
    assert driver.row("1") == before


def test_an_empty_batch_is_a_batch(driver):
    assert driver.receive() == {}
    assert [b["records"] for b in driver.ledger.accounting.batches(NAME)] == [0]


def test_received_again_points_to_the_newest_batch_without_an_event(driver):
    driver.receive(offer("1"))
    before = driver.work("1")
    driver.receive(offer("9"), offer("1"))
    after = driver.work("1")
    assert (after.batch_id, after.row) == (driver.last_batch, 1)
    assert after.revision == before.revision, "same content: what is under way on it stays valid"
    driver.receive(offer("1", **NEW))
    assert driver.work("1").revision > before.revision, "new content: what is under way on the old one is stale"
    assert driver.row("1")["content_hash"] == "changed"
    assert driver.events("1") == [("", "received")]


def test_ready_stays_ready_for_the_same_and_is_validated_again_for_changed_content(driver):
    driver.all_ready("1")
    driver.receive(offer("1"))
    assert driver.state("1") == "ready"
    driver.receive(offer("1", **NEW))
    assert driver.events("1")[-2:] == [("ready", "waiting"), ("waiting", "received")]
    assert driver.row("1")["destination_key"] is None, "a key that was never used is free again"


def test_ready_is_made_again_under_a_changed_mapping(driver):
    driver.all_ready("1")
    driver.receive(offer("1"), fingerprint="t2")
    assert driver.state("1") == "received"


@pytest.mark.parametrize("outcome", [None, SendOutcome.IN_DOUBT])
def test_under_way_changed_content_is_compared_once_settled(driver, outcome):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    if outcome:
        driver.settle(number, outcome, status=503)
    before = driver.work("1")
    driver.receive(offer("1", **NEW))
    assert driver.work("1") == before
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    assert driver.row("1", 1)["state"] == "imported"
    second = driver.row("1", 2)
    assert (second["state"], second["reason"]) == ("held", "changed_after_import")
    assert (second["content_hash"], second["batch_id"]) == ("changed", driver.last_batch)
    assert second["lineage"] == driver.row("1", 1)["lineage"]
    assert driver.due() == [], "an edition of this number waits for a person"


def test_under_way_changed_content_that_was_taken_back_is_forgotten(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.receive(offer("1", **NEW))
    driver.receive(offer("1"))
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    assert driver.work("1").edition == 1
    assert driver.due() == ["N-1"]


@pytest.mark.parametrize("outcome", [SendOutcome.REJECTED, SendOutcome.THROTTLED])
def test_not_stored_and_changed_meanwhile_is_validated_again(driver, outcome):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.receive(offer("1", **NEW))
    driver.settle(number, outcome, status=400)
    row = driver.row("1")
    assert (row["state"], row["content_hash"], row["batch_id"]) == ("received", "changed", driver.last_batch)


def test_imported_is_acknowledged_again(driver):
    number = driver.imported("1")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    driver.ledger.acknowledgements.record_answers(driver.ctx, {number: Acknowledgement(accepted=True)})
    assert driver.due() == []
    driver.receive(offer("1"))
    assert driver.due() == ["N-1"]
    assert len(driver.events("1")) == 4


def test_imported_and_changed_is_held_as_a_second_edition(driver):
    driver.imported("1")
    driver.receive(offer("1", **NEW))
    assert (driver.row("1", 1)["state"], driver.row("1", 2)["state"]) == ("imported", "held")
    assert driver.events("1", 2) == [("", "held")]
    held = driver.work("1")
    driver.receive(offer("1", **NEW))
    assert driver.work("1") == held, "held and the same: nothing"
    driver.receive(offer("1", content_hash="changed again"))
    assert driver.work("1").edition == 2
    assert driver.work("1").revision > held.revision, "the review is refreshed"
    assert driver.events("1", 2) == [("", "held")]


def test_superseded_and_changed_is_resolved_again(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    driver.resolve()
    assert driver.state("1") == "superseded"
    driver.receive(offer("1", lineage="L"))
    assert driver.state("1") == "superseded"
    driver.receive(offer("1", lineage="L", **NEW))
    assert driver.state("1") == "received"
    assert driver.row("1")["ack"] is None


def test_quarantined_is_validated_in_place(driver):
    driver.receive(offer("1"))
    assert refuse(driver, "1") == 1
    assert driver.ledger.worklist.to_validate(NAME, driver.last_batch), "its content stands in this batch"
    driver.receive(offer("2"))
    assert [w.source_id for w in driver.ledger.worklist.to_validate(NAME, driver.last_batch)] == ["2"]
    events = driver.events("1")
    driver.receive(offer("1"))
    assert [w.source_id for w in driver.ledger.worklist.to_validate(NAME, driver.last_batch)] == ["1", "2"]
    assert refuse(driver, "1") == 1
    assert driver.events("1") == events, "the same outcome: no event"
    assert refuse(driver, "1", "other") == 1
    assert driver.events("1") == [*events, ("quarantined", "received"), ("received", "quarantined")]
    recovered = driver.ledger.validation.recover(driver.ctx, [driver.work("1")])
    assert [w.state for w in recovered] == ["received"]


def test_quarantined_and_changed_is_validated_again(driver):
    driver.receive(offer("1"))
    refuse(driver, "1")
    driver.receive(offer("1", **NEW))
    assert driver.state("1") == "received"


def test_rejected_needs_a_change_or_a_replay(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, status=400)
    driver.receive(offer("1"))
    assert driver.state("1") == "rejected"
    driver.receive(offer("1"), fingerprint="t2")
    assert driver.state("1") == "received", "a changed mapping brings it back"


def test_discarded_is_acknowledged_and_held_when_changed(driver):
    driver.receive(offer("1"))
    refuse(driver, "1")
    driver.ledger.bulk.discard(driver.ctx, [driver.work("1").id], "a test order")
    assert driver.due() == ["N-1"]
    driver.receive(offer("1", **NEW))
    assert (driver.row("1", 1)["state"], driver.row("1", 2)["state"]) == ("discarded", "held")
    assert driver.due() == []


def test_one_number_with_two_ids_holds_both_in_any_state(driver):
    driver.all_ready("1")
    driver.receive(offer("2", order_number="N-1"))
    assert (driver.state("1"), driver.state("2")) == ("held", "held")
    assert {row["source_id"] for row in driver.ledger.queries.held()} == {"1", "2"}


def test_one_id_with_two_uuids_is_held(driver):
    driver.receive(offer("1"))
    driver.receive(offer("1", lineage="OTHER", **NEW))
    assert driver.state("1") == "held"


def test_an_unanswered_acknowledgement_counts_once_the_order_is_no_longer_offered(driver):
    number = driver.imported("1")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    driver.receive(complete=False, fetched_at=_soon())
    assert driver.row("1")["ack"] == "sent", "a selection says nothing about the rest"
    driver.receive(fetched_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert driver.row("1")["ack"] == "sent", "fetched before it was sent"
    driver.receive(offer("2"), fetched_at=_soon())
    assert driver.row("1")["ack"] == "confirmed"


def test_an_unanswered_acknowledgement_is_due_again_while_the_order_is_offered(driver):
    number = driver.imported("1")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number])
    assert driver.due() == []
    driver.receive(offer("1"), fetched_at=_soon())
    assert driver.due() == ["N-1"]


def _soon():
    return datetime.now(UTC) + timedelta(seconds=5)


def test_waiting_comes_back_in_its_time_also_without_being_offered(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    refuse(driver, "2")
    driver.resolve()
    assert driver.state("1") == "waiting"
    driver.receive()
    assert driver.state("1") == "waiting"
    driver.ledger.database.write(
        lambda tx: tx.conn.exec_driver_sql(
            "UPDATE submission SET due_at = '2020-01-01 00:00:00.000000' WHERE state = 'waiting'"
        )
    )
    driver.receive()
    assert driver.state("1") == "received"


def test_a_backfill_brings_back_only_what_is_not_on_its_way(driver):
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    driver.imported("1")
    driver.receive(offer("2"), offer("3", lineage="L"), offer("4", lineage="L"), offer("5"), fetched_at=early)
    refuse(driver, "2")
    ready = [w for w in driver.resolve() if w.source_id == "5"]
    driver.make_ready(*ready)
    driver.receive(offer("6"), fetched_at=late)
    states = {s: driver.state(s) for s in "123456"}
    assert states == {
        "1": "imported",
        "2": "quarantined",
        "3": "superseded",
        "4": "received",
        "5": "ready",
        "6": "received",
    }
    assert driver.ledger.worklist.replay_interval(driver.ctx, early, late) == 3
    assert {s: driver.state(s) for s in "123456"} == {**states, "2": "received", "3": "received"}
    assert driver.ledger.worklist.replay_interval(driver.ctx, early, late) == 3, "idempotent"
    nothing = datetime(2025, 1, 1, tzinfo=UTC)
    assert driver.ledger.worklist.replay_interval(driver.ctx, nothing, nothing + timedelta(days=1)) == 0


def test_thousands_of_orders_in_one_batch(driver):
    offers = [offer(str(n)) for n in range(1, 5_001)]
    assert driver.receive(*offers) == {"insert": 5_000}
    works = driver.ledger.worklist.to_validate(NAME, None)
    assert len(driver.ledger.worklist.get([w.id for w in works])) == 5_000
    assert driver.receive(*offers) == {"refresh": 5_000}
    assert driver.ledger.accounting.unknown_source_ids(NAME, [str(n) for n in range(1, 5_002)]) == {"5001"}
