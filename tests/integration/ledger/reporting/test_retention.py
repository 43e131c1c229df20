"""What open orders need, and what the ledger forgets of settled ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_queries import OwnOrders, statuses_of
from order_relay.ledger.reporting import retention
from order_relay.ledger.reporting.retention import REMOVED_BODY
from order_relay.ledger.reporting.unsettled_orders import SETTLED
from order_relay.ledger.schema.status_tables import status_event
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.database import Transaction
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.messages import Acknowledgement, RunContext, SendOutcome
from tests.support.offers import offer

PIPELINE = "shop_to_oms"
LATER = datetime.now(UTC) + timedelta(days=1)


def confirm(ledger: Ledger, driver: Any) -> None:
    due = [entry.id for entry in ledger.acknowledgements.due(PIPELINE, 100)]
    ledger.acknowledgements.mark_sent(driver.ctx, due)
    ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(due, Acknowledgement(accepted=True)))


def imported(driver: Any, source_id: str, **changes: Any) -> int:
    driver.receive(offer(source_id, **changes))
    number: int = driver.make_ready(*driver.resolve())[0][0]
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS{source_id}", body="Jane Doe")
    return number


def test_open_orders_keep_raw_order_and_payloads(ledger: Ledger, driver: Any) -> None:
    driver.all_ready("1", "2")
    number = driver.work("1").id
    driver.claim(number)
    driver.settle(number, SendOutcome.THROTTLED)
    needed = ledger.retention.required_rows(PIPELINE)
    assert {batch: dict(parts) for batch, parts in needed.raw.items()} == {driver.last_batch: {0: {0, 1}}}
    assert dict(needed.payloads) == {"p/payloads-00000.jsonl.gz": {0}}


def test_settled_is_only_what_its_source_knows_of(ledger: Ledger, driver: Any) -> None:
    imported(driver, "1")
    assert ledger.retention.required_rows(PIPELINE).raw
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == []
    confirm(ledger, driver)
    assert (ledger.retention.required_rows(PIPELINE).raw, ledger.retention.required_rows(PIPELINE).payloads) == ({}, {})


def test_what_a_review_shows_for_comparison_is_kept(ledger: Ledger, driver: Any) -> None:
    imported(driver, "1", lineage="L")
    confirm(ledger, driver)
    first = driver.last_batch
    driver.receive(offer("2", lineage="L"))
    driver.resolve()
    assert driver.state("2") == "held"
    assert set(ledger.retention.required_rows(PIPELINE).raw) == {first, driver.last_batch}
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == []


def test_changed_content_that_came_while_in_doubt_is_kept(ledger: Ledger, driver: Any) -> None:
    driver.in_doubt("1")
    first = driver.last_batch
    driver.receive(offer("1", content_hash="other"))
    assert set(ledger.retention.required_rows(PIPELINE).raw) == {first, driver.last_batch}


def test_orders_that_their_destination_is_asked_about_keep_their_lines(ledger: Ledger, driver: Any) -> None:
    number = driver.imported("1")
    confirm(ledger, driver)
    ledger.oms_questions.enrol(PIPELINE, first_days=1)
    assert ledger.retention.required_rows(PIPELINE).raw
    shipped = OmsOrder("SHIPPED", OmsReading.SHIPPED)
    ledger.oms_statuses.record(driver.ctx, {number: shipped}, AskingPace(), datetime.now(UTC))
    assert ledger.retention.required_rows(PIPELINE).raw == {}


@pytest.mark.parametrize("value", ["partly", "shipped"])
def test_partly_reported_parcels_keep_the_requested_steps(ledger: Ledger, driver: Any, value: str) -> None:
    number = imported(driver, "1")
    confirm(ledger, driver)
    change = submission.update().where(submission.c.id == number)
    ledger.database.write(lambda tx: tx.run(change.values(shipped=value)))
    assert bool(ledger.retention.required_rows(PIPELINE).raw) is (value == "partly")
    ledger.database.write(lambda tx: tx.run(change.values(cancelled_at=tx.now)))
    assert not ledger.retention.required_rows(PIPELINE).raw
    ledger.accounting.recount()  # no parcel made it shipped


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, 0),
        ({"order_number": "N-2"}, 1),
        ({"lineage": "2"}, 1),
        ({"state": "superseded"}, 1),
        ({"state": "superseded", "source_id": "sha256:1", "ack": None}, 0),
        ({"ack": "refused"}, 1),
        ({"feedback": "failed"}, 1),
        ({"feedback": "given_up"}, 0),
    ],
)
def test_what_is_needed_is_found_by_what_is_open(
    ledger: Ledger, driver: Any, changes: dict[str, Any], needed: int
) -> None:
    """Settled orders of the past are not read, so each reason to keep an order must have an index that leads to it."""
    imported(driver, "1")
    confirm(ledger, driver)
    driver.receive(offer("2", lineage="2", order_number="N-2"))
    step = {"submission_id": 1, "step": "s", "delivery": 0, "tries": 1, "run": "", "message": "", "state": ""}

    def change(tx: Transaction) -> None:
        if state := changes.get("feedback"):
            tx.run(feedback.insert(), {**step, "state": state, "at": tx.now})
        elif changes:
            tx.run(first.values(changes))

    first = submission.update().where(submission.c.id == 1)
    before = driver.row("1")
    ledger.database.write(change)
    raw = ledger.retention.required_rows(PIPELINE).raw
    definition = sa.select(submission.c.batch_id).where(sa.not_(SETTLED))
    assert set(raw) == set(ledger.database.read(lambda tx: tx.run(definition).scalars().all()))
    assert len(raw) == needed + 1
    restored = {name: before[name] for name in changes.keys() & before.keys() - {"feedback"}}
    ledger.database.write(lambda tx: tx.run(first.values(restored)) if restored else None)


def test_a_kept_notice_loses_its_text_after_its_time_and_waits_on(ledger: Ledger) -> None:
    notice = Shipment("shiprush", "k", ("N-1",), "UPS", tracking_number="1Z9", raw="<a>Jane Doe", asks="it is no XML")
    kept = ledger.shipments.record(RunContext("", "", "shiprush"), notice, None)
    ledger.retention.remove_personal_data(PIPELINE, datetime.now(UTC) - timedelta(days=1), 10)
    (row,) = ledger.shipments.recent(unmatched=True)
    assert row["raw"] == "<a>Jane Doe", "too early"
    ledger.retention.remove_personal_data(PIPELINE, LATER, 10)
    (row,) = ledger.shipments.recent(unmatched=True)
    assert (row["id"], row["raw"], row["words"], row["tracking_number"], row["asks"]) == (
        kept.shipment_id,
        REMOVED_BODY,
        ["N-1"],
        "1Z9",
        "it is no XML",
    )
    assert ledger.shipments.record(RunContext("", "", "shiprush"), notice, None).shipment_id == kept.shipment_id
    assert [row["raw"] for row in ledger.shipments.recent()] == [REMOVED_BODY], "the same notice does not bring it back"
    ledger.shipments.dismiss(kept.shipment_id, "not ours")
    assert [row["raw"] for row in ledger.shipments.recent()] == [""]


def test_it_removes_personal_data_and_keeps_the_accounting(ledger: Ledger, driver: Any) -> None:
    number = imported(driver, "1", customer_po="PO of Jane Doe")
    driver.receive(offer("2", customer_po="PO of John Doe"))
    confirm(ledger, driver)
    before = driver.row("1")
    assert ledger.retention.remove_personal_data(PIPELINE, datetime.now(UTC) - timedelta(days=1), 10) == 0, "too early"
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == [number]
    assert ledger.retention.remove_personal_data(PIPELINE, LATER, 10) == 1
    assert ledger.retention.remove_personal_data(PIPELINE, LATER, 10) == 0, "nothing is left to do"
    after = driver.row("1")
    assert (after["customer_po"], after["attempts"][0]["body"]) == ("", REMOVED_BODY)
    changed = {"customer_po", "attempts"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert driver.row("2")["customer_po"] == "PO of John Doe", "it is open"


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("portion", [1, 20_000])
def test_a_transaction_changes_few_orders(
    ledger: Ledger, driver: Any, limit: int, portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source_id in ("1", "2", "3"):
        imported(driver, source_id)
    confirm(ledger, driver)
    monkeypatch.setattr(retention, "PORTION", portion)
    write, sizes = ledger.database.write, []

    def counted(work: Any, name: str = "") -> Any:
        sizes.append(write(work, name))
        return sizes[-1]

    monkeypatch.setattr(ledger.database, "write", counted)
    assert ledger.retention.remove_personal_data(PIPELINE, LATER, limit) == 3
    assert max(size for size in sizes if size) == min(limit, portion)
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == []


ACCOUNT = RunContext("shop_status", "poll-1")


def status_report(number: str, channel: Channel, *statuses: str, note: str = "to Jane") -> StatusReport:
    """Events of an order with texts about people; a read shows the whole history."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    events = tuple(
        StatusEvent(
            f"e-{status}", EventKind.PARCEL, status, "P1", at + timedelta(minutes=n), None, "Jane's street", note
        )
        for n, status in enumerate(statuses)
    )
    return StatusReport(number, events, channel, at + timedelta(hours=1), full=channel.reads)


def status_of(ledger: Ledger, number: int) -> dict[str, Any]:
    (status,) = ledger.database.read(lambda tx: statuses_of(tx, [number]))[number]
    return status


@pytest.fixture
def described(ledger: Ledger, driver: Any) -> int:
    """A settled order with statuses; what follows from them was done."""
    number = imported(driver, "1")
    confirm(ledger, driver)
    ledger.status_history.bind("shop_status", "vendor:account")
    ledger.status_history.store(
        ACCOUNT,
        [status_report("N-1", Channel.BY_ID, "LOADED", "DELIVERED"), status_report("N-2", Channel.BY_ID, "LOADED")],
    )
    ledger.statuses.match("shop_status", OwnOrders((PIPELINE,), "order_number"), 1e9, 0.0)
    for order in ledger.statuses.due_follow_ups("shop_status"):
        ledger.statuses.record_follow_up("shop_status", order, [], "")
    return number


def test_it_removes_personal_data_from_statuses_and_keeps_the_statuses(ledger: Ledger, described: int) -> None:
    before = status_of(ledger, described)
    ledger.retention.remove_personal_data(PIPELINE, LATER, 10)
    after = status_of(ledger, described)
    assert [(e["location"], e["detail"]) for e in after["events"]] == [("", REMOVED_BODY)] * 2
    texts = {"location": "", "detail": ""}
    assert [{**e, **texts} for e in after["events"]] == [{**e, **texts} for e in before["events"]]
    assert {**after, "events": []} == {**before, "events": []}
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == []
    with ledger.database.engine.connect() as conn:
        left = set(conn.execute(sa.select(status_event.c.order_number).where(status_event.c.location != "")).scalars())
    assert left == {"N-2"}, "an order that is nobody's belongs to no pipeline"


@pytest.mark.parametrize("channel", [Channel.BY_ID, Channel.POLL, Channel.WEBHOOK])
def test_the_same_event_again_is_no_correction(ledger: Ledger, described: int, channel: Channel) -> None:
    ledger.retention.remove_personal_data(PIPELINE, LATER, 10)
    again = ledger.status_history.store(ACCOUNT, [status_report("N-1", channel, "LOADED", "DELIVERED")])
    assert (again.new, again.corrected, again.deleted, again.doubtful, again.changed) == (0, 0, 0, 0, 0)
    assert {e["detail"] for e in status_of(ledger, described)["events"]} == {REMOVED_BODY}
    corrected = ledger.status_history.store(
        ACCOUNT, [status_report("N-1", channel, "LOADED", "DELIVERED", note="to Joe")]
    )
    assert (corrected.new, corrected.corrected) == (0, 2)


def test_texts_of_statuses_that_are_not_final_are_kept(ledger: Ledger, described: int) -> None:
    ledger.retention.remove_personal_data(PIPELINE, LATER, 10)
    ledger.status_history.store(ACCOUNT, [status_report("N-1", Channel.BY_ID, "LOADED", "DELIVERED", "RETURNED")])
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == [], "what follows from it is not done"
    (order,) = ledger.statuses.due_follow_ups("shop_status")
    ledger.statuses.record_follow_up("shop_status", order, [], "somebody has to look")
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == [], "a person is asked"
    ledger.statuses.resolve_question("N-1")
    assert list(ledger.retention.with_personal_data(PIPELINE, LATER)) == [described]
    assert list(ledger.retention.with_personal_data(PIPELINE, datetime.now(UTC) - timedelta(days=1))) == [], "too early"


def test_texts_about_orders_that_are_nobodys(ledger: Ledger, described: int) -> None:
    early = datetime.now(UTC) - timedelta(days=1)
    assert ledger.retention.remove_status_texts("shop_status", early, 10) == 0, "too early"
    assert ledger.retention.remove_status_texts("another", LATER, 10) == 0
    assert list(ledger.retention.unmatched_status_texts("shop_status", LATER)) == ["N-2"]
    assert ledger.retention.remove_status_texts("shop_status", LATER, 10) == 1
    assert list(ledger.retention.unmatched_status_texts("shop_status", LATER)) == []
    assert {e["detail"] for e in status_of(ledger, described)["events"]} == {"to Jane"}, "its pipeline decides"
    assert ledger.status_history.store(ACCOUNT, [status_report("N-2", Channel.BY_ID, "LOADED")]).corrected == 0


def test_when_batches_and_runs_were(ledger: Ledger, driver: Any) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    driver.receive(offer("1"), fetched_at=moment)
    assert ledger.retention.batch_fetch_times(PIPELINE) == {driver.last_batch: moment}
    assert list(ledger.retention.run_start_times(PIPELINE)) == ["run-1"]


def test_a_backfill_leaves_what_is_superseded_for_good(ledger: Ledger, driver: Any) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"), fetched_at=moment)
    number = driver.make_ready(*driver.resolve())[0][0]
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="7")
    assert driver.state("1") == "superseded"
    assert ledger.worklist.replay_interval(driver.ctx, moment, moment + timedelta(days=1)) == 0
    assert driver.state("1") == "superseded"
