"""When the source offers something (again): the redelivery table as it shows in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_relay.errors import ValidationIssue
from order_relay.orders.messages import Acknowledgement, SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"
NEW = {"content_hash": "changed"}


def refuse(clerk, source_id, code="bad"):
    return clerk.ledger.validation.quarantine(
        clerk.ctx, [(clerk.work(source_id), [ValidationIssue(code, "/x", "is wrong")])]
    )


def test_a_new_order_is_received_with_its_place(clerk):
    assert clerk.receive(offer("1"), offer("2", suffix=2, customer_po="PO7", items=())) == {"insert": 2}
    work = clerk.work("2")
    assert (work.state, work.part, work.row, work.batch_id, work.edition) == ("received", 0, 1, clerk.last_batch, 1)
    row = clerk.row("2")
    assert (row["suffix"], row["customer_po"], row["items"]) == (2, "PO7", [])
    assert clerk.row("1")["suffix"] is None
    assert clerk.events("1") == [("", "received")]


def test_the_same_batch_again_changes_nothing(clerk):
    first = clerk.receive(offer("1"), batch_id="b")
    before = clerk.row("1")
    assert clerk.receive(offer("1", **NEW), batch_id="b") == first
    assert clerk.row("1") == before


def test_an_empty_batch_is_a_batch(clerk):
    assert clerk.receive() == {}
    assert [b["records"] for b in clerk.ledger.accounting.batches(NAME)] == [0]


def test_received_again_points_to_the_newest_batch_without_an_event(clerk):
    clerk.receive(offer("1"))
    before = clerk.work("1")
    clerk.receive(offer("9"), offer("1"))
    after = clerk.work("1")
    assert (after.batch_id, after.row) == (clerk.last_batch, 1)
    assert after.revision == before.revision, "same content: what is under way on it stays valid"
    clerk.receive(offer("1", **NEW))
    assert clerk.work("1").revision > before.revision, "new content: what is under way on the old one is stale"
    assert clerk.row("1")["content_hash"] == "changed"
    assert clerk.events("1") == [("", "received")]


def test_ready_stays_ready_for_the_same_and_is_validated_again_for_changed_content(clerk):
    clerk.all_ready("1")
    clerk.receive(offer("1"))
    assert clerk.state("1") == "ready"
    clerk.receive(offer("1", **NEW))
    assert clerk.events("1")[-2:] == [("ready", "waiting"), ("waiting", "received")]
    assert clerk.row("1")["destination_key"] is None, "a key that was never used is free again"


def test_ready_is_made_again_under_a_changed_mapping(clerk):
    clerk.all_ready("1")
    clerk.receive(offer("1"), fingerprint="t2")
    assert clerk.state("1") == "received"


@pytest.mark.parametrize("outcome", [None, SendOutcome.IN_DOUBT])
def test_under_way_changed_content_is_compared_once_settled(clerk, outcome):
    number = clerk.all_ready("1")[0]
    clerk.claim(number)
    if outcome:
        clerk.settle(number, outcome, status=503)
    before = clerk.work("1")
    clerk.receive(offer("1", **NEW))
    assert clerk.work("1") == before
    clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    assert clerk.row("1", 1)["state"] == "imported"
    second = clerk.row("1", 2)
    assert (second["state"], second["reason"]) == ("held", "changed_after_import")
    assert (second["content_hash"], second["batch_id"]) == ("changed", clerk.last_batch)
    assert second["lineage"] == clerk.row("1", 1)["lineage"]
    assert clerk.due() == [], "an edition of this number waits for a person"


def test_under_way_changed_content_that_was_taken_back_is_forgotten(clerk):
    number = clerk.all_ready("1")[0]
    clerk.claim(number)
    clerk.receive(offer("1", **NEW))
    clerk.receive(offer("1"))
    clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    assert clerk.work("1").edition == 1
    assert clerk.due() == ["N-1"]


@pytest.mark.parametrize("outcome", [SendOutcome.REJECTED, SendOutcome.THROTTLED])
def test_not_stored_and_changed_meanwhile_is_validated_again(clerk, outcome):
    number = clerk.all_ready("1")[0]
    clerk.claim(number)
    clerk.receive(offer("1", **NEW))
    clerk.settle(number, outcome, status=400)
    row = clerk.row("1")
    assert (row["state"], row["content_hash"], row["batch_id"]) == ("received", "changed", clerk.last_batch)


def test_imported_is_acknowledged_again(clerk):
    number = clerk.imported("1")
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [number])
    clerk.ledger.acknowledgements.record_answers(clerk.ctx, {number: Acknowledgement(accepted=True)})
    assert clerk.due() == []
    clerk.receive(offer("1"))
    assert clerk.due() == ["N-1"]
    assert len(clerk.events("1")) == 4


def test_imported_and_changed_is_held_as_a_second_edition(clerk):
    clerk.imported("1")
    clerk.receive(offer("1", **NEW))
    assert (clerk.row("1", 1)["state"], clerk.row("1", 2)["state"]) == ("imported", "held")
    assert clerk.events("1", 2) == [("", "held")]
    held = clerk.work("1")
    clerk.receive(offer("1", **NEW))
    assert clerk.work("1") == held, "held and the same: nothing"
    clerk.receive(offer("1", content_hash="changed again"))
    assert clerk.work("1").edition == 2
    assert clerk.work("1").revision > held.revision, "the review is refreshed"
    assert clerk.events("1", 2) == [("", "held")]


def test_superseded_and_changed_is_resolved_again(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    clerk.resolve()
    assert clerk.state("1") == "superseded"
    clerk.receive(offer("1", lineage="L"))
    assert clerk.state("1") == "superseded"
    clerk.receive(offer("1", lineage="L", **NEW))
    assert clerk.state("1") == "received"
    assert clerk.row("1")["ack"] is None


def test_quarantined_is_validated_in_place(clerk):
    clerk.receive(offer("1"))
    assert refuse(clerk, "1") == 1
    assert clerk.ledger.worklist.to_validate(NAME, clerk.last_batch), "its content stands in this batch"
    clerk.receive(offer("2"))
    assert [w.source_id for w in clerk.ledger.worklist.to_validate(NAME, clerk.last_batch)] == ["2"]
    events = clerk.events("1")
    clerk.receive(offer("1"))
    assert [w.source_id for w in clerk.ledger.worklist.to_validate(NAME, clerk.last_batch)] == ["1", "2"]
    assert refuse(clerk, "1") == 1
    assert clerk.events("1") == events, "the same outcome: no event"
    assert refuse(clerk, "1", "other") == 1
    assert clerk.events("1") == [*events, ("quarantined", "received"), ("received", "quarantined")]
    recovered = clerk.ledger.validation.recover(clerk.ctx, [clerk.work("1")])
    assert [w.state for w in recovered] == ["received"]


def test_quarantined_and_changed_is_validated_again(clerk):
    clerk.receive(offer("1"))
    refuse(clerk, "1")
    clerk.receive(offer("1", **NEW))
    assert clerk.state("1") == "received"


def test_rejected_needs_a_change_or_a_replay(clerk):
    number = clerk.all_ready("1")[0]
    clerk.claim(number)
    clerk.settle(number, SendOutcome.REJECTED, status=400)
    clerk.receive(offer("1"))
    assert clerk.state("1") == "rejected"
    clerk.receive(offer("1"), fingerprint="t2")
    assert clerk.state("1") == "received", "a changed mapping brings it back"


def test_discarded_is_acknowledged_and_held_when_changed(clerk):
    clerk.receive(offer("1"))
    refuse(clerk, "1")
    clerk.ledger.bulk.discard(clerk.ctx, [clerk.work("1").id], "a test order")
    assert clerk.due() == ["N-1"]
    clerk.receive(offer("1", **NEW))
    assert (clerk.row("1", 1)["state"], clerk.row("1", 2)["state"]) == ("discarded", "held")
    assert clerk.due() == []


def test_one_number_with_two_ids_holds_both_in_any_state(clerk):
    clerk.all_ready("1")
    clerk.receive(offer("2", order_number="N-1"))
    assert (clerk.state("1"), clerk.state("2")) == ("held", "held")
    assert {row["source_id"] for row in clerk.ledger.queries.held()} == {"1", "2"}


def test_one_id_with_two_uuids_is_held(clerk):
    clerk.receive(offer("1"))
    clerk.receive(offer("1", lineage="OTHER", **NEW))
    assert clerk.state("1") == "held"


def test_an_unanswered_acknowledgement_counts_once_the_order_is_no_longer_offered(clerk):
    number = clerk.imported("1")
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [number])
    clerk.receive(complete=False, fetched_at=_soon())
    assert clerk.row("1")["ack"] == "sent", "a selection says nothing about the rest"
    clerk.receive(fetched_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert clerk.row("1")["ack"] == "sent", "fetched before it was sent"
    clerk.receive(offer("2"), fetched_at=_soon())
    assert clerk.row("1")["ack"] == "confirmed"


def test_an_unanswered_acknowledgement_is_due_again_while_the_order_is_offered(clerk):
    number = clerk.imported("1")
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, [number])
    assert clerk.due() == []
    clerk.receive(offer("1"), fetched_at=_soon())
    assert clerk.due() == ["N-1"]


def _soon():
    return datetime.now(UTC) + timedelta(seconds=5)


def test_waiting_comes_back_in_its_time_also_without_being_offered(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    refuse(clerk, "2")
    clerk.resolve()
    assert clerk.state("1") == "waiting"
    clerk.receive()
    assert clerk.state("1") == "waiting"
    clerk.ledger.database.write(
        lambda tx: tx.conn.exec_driver_sql(
            "UPDATE submission SET due_at = '2020-01-01 00:00:00.000000' WHERE state = 'waiting'"
        )
    )
    clerk.receive()
    assert clerk.state("1") == "received"


def test_a_backfill_brings_back_only_what_is_not_on_its_way(clerk):
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    clerk.imported("1")
    clerk.receive(offer("2"), offer("3", lineage="L"), offer("4", lineage="L"), offer("5"), fetched_at=early)
    refuse(clerk, "2")
    ready = [w for w in clerk.resolve() if w.source_id == "5"]
    clerk.make_ready(*ready)
    clerk.receive(offer("6"), fetched_at=late)
    states = {s: clerk.state(s) for s in "123456"}
    assert states == {
        "1": "imported",
        "2": "quarantined",
        "3": "superseded",
        "4": "received",
        "5": "ready",
        "6": "received",
    }
    assert clerk.ledger.worklist.replay_interval(clerk.ctx, early, late) == 3
    assert {s: clerk.state(s) for s in "123456"} == {**states, "2": "received", "3": "received"}
    assert clerk.ledger.worklist.replay_interval(clerk.ctx, early, late) == 3, "idempotent"
    nothing = datetime(2025, 1, 1, tzinfo=UTC)
    assert clerk.ledger.worklist.replay_interval(clerk.ctx, nothing, nothing + timedelta(days=1)) == 0


def test_thousands_of_orders_in_one_batch(clerk):
    offers = [offer(str(n)) for n in range(1, 5_001)]
    assert clerk.receive(*offers) == {"insert": 5_000}
    works = clerk.ledger.worklist.to_validate(NAME, None)
    assert len(clerk.ledger.worklist.get([w.id for w in works])) == 5_000
    assert clerk.receive(*offers) == {"refresh": 5_000}
    assert clerk.ledger.accounting.unknown_source_ids(NAME, [str(n) for n in range(1, 5_002)]) == {"5001"}
