"""What became of imported orders: who is asked about, when, and what an answer changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from order_relay.ledger.oms.oms_statuses import OmsChange
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import ShippedLine

NAME = "shop_to_oms"
DESTINATION = "oms:https://oms.example/1"
PACE = AskingPace(first_s=60.0, share=0.5, longest_s=86_400.0, most_days=180.0)
EARLY = datetime(2020, 1, 1, tzinfo=UTC)
READY = OmsOrder("READY", OmsReading.OPEN)
SHIPPED = OmsOrder("SHIPPED", OmsReading.SHIPPED)
CANCELED = OmsOrder("CANCELED", OmsReading.CANCELLED)


def asked(driver, *source_ids):
    """Imported orders that are asked about; their ids."""
    ids = [driver.imported(one) for one in source_ids]
    driver.ledger.oms_questions.enrol(NAME, first_days=30)
    return ids


def answer(driver, number, order, asked_from=EARLY):
    return driver.ledger.oms_statuses.record(driver.ctx, {number: order}, PACE, asked_from)


def due(driver, **more):
    return [one.submission_id for one in driver.ledger.oms_questions.due(NAME, 10, **more)]


def age(driver, days, table=oms_status, **columns):
    """Move the times of all rows into the past."""
    past = datetime.now(UTC) - timedelta(days=days)
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(sa.update(table).values(dict.fromkeys(columns or ("due_at", "changed_at"), past)))


def test_imported_orders_are_enrolled_once_and_due_at_once(driver):
    first = asked(driver, "1", "2", "3")
    assert due(driver) == first
    driver.all_ready("4")
    assert driver.ledger.oms_questions.enrol(NAME, first_days=30) == 0
    fifth = driver.imported("5")
    assert driver.ledger.oms_questions.enrol(NAME, first_days=30, slice_size=1) == 1
    assert due(driver) == [*first, fifth]
    question = driver.ledger.oms_questions.due(NAME, 1)[0]
    assert question.oms_id.startswith("OMS")
    assert question.destination_key == "KEY-N-1"


def test_slices_enrol_every_order(driver):
    numbers = [driver.imported(str(n)) for n in range(1, 8)]
    age(driver, 1, submission, imported_at=0)  # all at one time, as after a group commit
    assert driver.ledger.oms_questions.enrol(NAME, first_days=30, slice_size=2) == 7
    assert due(driver) == numbers


def test_orders_that_need_no_question_are_not_enrolled(driver):
    old, shipped, cancelled = driver.imported("1"), driver.imported("2"), driver.imported("3")
    with driver.ledger.database.engine.begin() as conn:
        for number, values in (
            (old, {"imported_at": datetime.now(UTC) - timedelta(days=31)}),
            (shipped, {"sent_as": "SHIPPED"}),
            (cancelled, {"sent_as": "CANCELLED"}),
        ):
            conn.execute(submission.update().where(submission.c.id == number).values(values))
    assert driver.ledger.oms_questions.enrol(NAME, first_days=30) == 0


def test_a_change_is_one_event_and_the_same_answer_is_none(driver):
    (number,) = asked(driver, "1")
    assert answer(driver, number, READY) == [OmsChange(number, "", "open")]
    assert answer(driver, number, READY) == []
    row = driver.row("1")
    assert row["state"] == State.IMPORTED
    last = row["events"][-1]
    assert (last["from_state"], last["to_state"], last["who"]) == ("imported", "imported", "oms")
    assert last["why"] == "OMS status READY: open"
    assert [e["who"] for e in row["events"]].count("oms") == 1


def test_open_orders_are_asked_again_and_finished_ones_never(driver):
    one, two = asked(driver, "1", "2")
    answer(driver, one, READY)
    answer(driver, two, SHIPPED)
    assert due(driver) == []
    status = driver.ledger.oms_statuses.of(two)
    assert status.due_at is None
    assert status.finished_at is not None
    assert driver.ledger.oms_status_counts.open_counts(NAME) == {"open": 1}
    assert driver.ledger.oms_status_counts.finished_since(NAME, EARLY) == {"shipped": 1}


def test_the_longest_due_order_is_first(driver):
    one, two, three = asked(driver, "1", "2", "3")
    started = driver.ledger.oms_questions.due(NAME, 1)[0].read_at
    answer(driver, one, READY)
    age(driver, 1, due_at=0)
    driver.ledger.oms_questions.make_due(DESTINATION, driver.row("2")["oms_id"])
    assert due(driver) == [one, three, two]
    assert due(driver, before=started) == [one, three]


def test_a_cancellation_marks_the_order_cancelled_and_settles_the_sources(driver):
    (number,) = asked(driver, "1")
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    assert len(driver.ledger.cancellations.unsettled(NAME)) == 1
    assert answer(driver, number, CANCELED) == [OmsChange(number, "", "cancelled", cancelled=True)]
    assert driver.ledger.cancellations.unsettled(NAME) == []
    cancelled_at = driver.row("1")["cancelled_at"]
    assert cancelled_at is not None
    assert due(driver) == []
    answer(driver, number, READY)  # a later answer takes nothing back
    assert driver.row("1")["cancelled_at"] == cancelled_at
    assert driver.ledger.oms_statuses.of(number).reading == "open"


def test_cancelled_units_are_kept_by_line(driver):
    (number,) = asked(driver, "1")
    lines = (ShippedLine(2, "L1", "A"), ShippedLine(1, "", "B"))
    answer(driver, number, OmsOrder("READY", OmsReading.PARTLY_CANCELLED, lines))
    assert set(driver.ledger.oms_statuses.of(number).cancelled) == set(lines)
    assert driver.row("1")["cancelled_at"] is None
    assert driver.row("1")["events"][-1]["why"] == "OMS status READY: partly cancelled, 3 units cancelled"


def test_item_numbers_that_are_shown_later_are_kept_without_another_event(driver):
    (number,) = asked(driver, "1")
    for names in (("", ""), ("B", "A")):
        lines = tuple(ShippedLine(units, "", item) for units, item in zip((1, 2), names, strict=True))
        answer(driver, number, OmsOrder("CANCELED", OmsReading.CANCELLED, lines))
    assert {line.item_number for line in driver.ledger.oms_statuses.of(number).cancelled} == {"A", "B"}
    assert [event["who"] for event in driver.row("1")["events"]].count("oms") == 1


def test_no_answer_keeps_the_status_and_waits_longer_each_time(driver):
    (number,) = asked(driver, "1")
    answer(driver, number, READY)
    waits = []
    for _ in range(3):
        driver.ledger.oms_statuses.record_unanswered({number: "HTTP 404"}, PACE)
        status = driver.ledger.oms_statuses.of(number)
        waits.append(round((status.due_at - status.asked_at).total_seconds()))
    assert waits == [60, 120, 240]
    assert (status.reading, status.misses, status.problem) == ("open", 3, "HTTP 404")
    (found,) = driver.ledger.oms_status_counts.needing_operator(NAME, timedelta(0))
    assert (found.state, found.number, found.orders) == ("unanswered", 1, ("N-1",))
    assert driver.ledger.oms_status_counts.needing_operator(NAME, timedelta(hours=1)) == []
    answer(driver, number, READY)
    assert driver.ledger.oms_status_counts.needing_operator(NAME, timedelta(0)) == []
    assert driver.ledger.oms_statuses.of(number).problem == ""


def test_an_old_order_is_asked_about_no_longer(driver):
    (number,) = asked(driver, "1")
    age(driver, 200, submission, imported_at=0)
    answer(driver, number, READY)
    status = driver.ledger.oms_statuses.of(number)
    assert status.due_at is None
    assert status.finished_at is None
    assert driver.ledger.oms_status_counts.open_counts(NAME) == {}


def test_an_incomplete_answer_is_not_the_last_one(driver):
    (number,) = asked(driver, "1")
    answer(driver, number, OmsOrder("SHIPPED", OmsReading.SHIPPED, incomplete=True))
    assert driver.ledger.oms_statuses.of(number).due_at is not None
    answer(driver, number, SHIPPED)
    assert driver.ledger.oms_statuses.of(number).due_at is None


def test_a_notification_makes_the_order_due(driver):
    (number,) = asked(driver, "1")
    answer(driver, number, SHIPPED)
    questions = driver.ledger.oms_questions
    assert questions.make_due(DESTINATION, driver.row("1")["oms_id"]) == number
    assert due(driver) == [number]
    answer(driver, number, SHIPPED, questions.due(NAME, 1)[0].read_at)
    assert due(driver) == []
    assert questions.make_due(DESTINATION, "", "KEY-N-1") == number
    assert questions.make_due(DESTINATION, "no such id", "KEY-N-1") == number
    assert questions.make_due(DESTINATION, "no such id") is None
    assert questions.make_due("oms:https://oms.example/2", "", "KEY-N-1") is None


def test_a_notification_while_the_order_is_asked_about_is_not_lost(driver):
    (number,) = asked(driver, "1")
    read_at = driver.ledger.oms_questions.due(NAME, 1)[0].read_at
    driver.ledger.oms_questions.make_due(DESTINATION, driver.row("1")["oms_id"])
    answer(driver, number, SHIPPED, read_at)
    assert due(driver) == [number]
    assert driver.ledger.oms_statuses.of(number).finished_at is None


def test_unknown_and_rejected_orders_are_counted_by_age(driver):
    one, two = asked(driver, "1", "2")
    answer(driver, one, OmsOrder("CUSTOMER CARE\x00", OmsReading.UNKNOWN))
    answer(driver, two, OmsOrder("PAYMENT_ERROR", OmsReading.REJECTED))
    counts = driver.ledger.oms_status_counts
    found = {entry.state: entry.orders for entry in counts.needing_operator(NAME, timedelta(0))}
    assert found == {"unknown": ("N-1",), "rejected": ("N-2",)}
    assert counts.open_counts(NAME) == {"unknown": 1, "rejected": 1}
    assert driver.ledger.oms_statuses.of(one).received == "CUSTOMER CARE\ufffd"
    assert counts.oldest_due(NAME) is None


def test_an_order_that_is_not_enrolled_is_left_out(driver):
    number = driver.imported("1")
    assert answer(driver, number, CANCELED) == []
    assert driver.row("1")["cancelled_at"] is None
    assert driver.ledger.oms_statuses.of(number) is None
    assert driver.ledger.oms_questions.make_due(DESTINATION, driver.row("1")["oms_id"]) is None


@pytest.mark.parametrize(
    ("age_s", "misses", "wait_s"),
    [(0, 0, 60), (600, 0, 300), (600, 4, 960), (864_000, 0, 86_400), (0, 60, 86_400)],
)
def test_the_distance_between_questions_grows(age_s, misses, wait_s):
    now = datetime(2026, 6, 1, tzinfo=UTC)
    changed_at = now - timedelta(seconds=age_s)
    assert PACE.next(now, changed_at, changed_at, misses) == now + timedelta(seconds=wait_s)


def test_an_order_is_asked_about_for_some_days():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert PACE.next(now, now - timedelta(days=181), now) is None
