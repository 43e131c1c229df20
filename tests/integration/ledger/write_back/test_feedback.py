from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.write_back.due_steps import LINE_NUMBERS, OMS_NUMBER
from order_relay.ledger.write_back.feedback import FeedbackStep, steps_of
from order_relay.ledger.write_back.oms_cancellations import SHIPPED
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment
from order_relay.orders.messages import Acknowledgement
from tests.support.feedback_counts import feedback_counts

NAME = "shop_to_oms"
YES, NO = Acknowledgement(True), Acknowledgement(False, "not now")
ORDERED = [OrderedLine("1", "A", 2)]


def taken_over(driver, *source_ids):
    numbers = [driver.imported(source_id) for source_id in source_ids]
    driver.ledger.acknowledgements.mark_sent(driver.ctx, numbers)
    driver.ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(numbers, YES))
    return numbers


def due(driver, step, **more):
    return driver.ledger.feedback.due(NAME, step, 10, **more)


def send(driver, step, answer=YES, **more):
    steps = driver.ledger.feedback.claim(driver.ctx, due(driver, step, **more))
    driver.ledger.feedback.record_answers(driver.ctx, [(one, answer) for one in steps])
    return steps


def parcel(driver, number, key, quantity=2):
    shipment = Shipment("test", key, ("N",), "UPS", "", key, lines=(), submission_id=number)
    return driver.ledger.shipments.record(driver.ctx, shipment, [OrderedLine("1", "A", quantity)])


def all_due_again(driver):
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(feedback.update().where(feedback.c.state == "refused").values(due_at=feedback.c.at))


def test_nothing_is_reported_before_the_order_was_imported(driver):
    driver.imported("1")
    driver.all_ready("2")
    assert due(driver, OMS_NUMBER) == []


def test_without_deliveries_the_order_is_reported_once_imported(driver):
    taken_over(driver, "1")
    for step in (OMS_NUMBER, LINE_NUMBERS):
        assert due(driver, SHIPPED, at_import=True) == [], "the steps before it come first"
        send(driver, step)
    assert due(driver, SHIPPED) == [], "nothing was shipped"
    assert len(send(driver, SHIPPED, at_import=True)) == 1
    assert due(driver, SHIPPED, at_import=True) == []


def test_the_steps_of_an_order_follow_each_other(driver):
    (number,) = taken_over(driver, "1")
    parcel(driver, number, "T1")
    assert [len(due(driver, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [1, 0, 0]
    (step,) = send(driver, OMS_NUMBER)
    assert (step.source_id, step.oms_id) == ("1", driver.row("1")["oms_id"])
    assert [len(due(driver, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 1, 0]
    send(driver, LINE_NUMBERS)
    assert [len(due(driver, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 0, 1]
    send(driver, SHIPPED)
    assert feedback_counts(driver.ledger, NAME) == {"oms_number_done": 1, "line_numbers_done": 1, "shipped_done": 1}
    assert [len(due(driver, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 0, 0]


def test_lines_that_the_source_refuses_do_not_keep_it_from_hearing_that_the_order_left(driver):
    (number,) = taken_over(driver, "1")
    parcel(driver, number, "T1")
    send(driver, OMS_NUMBER)
    send(driver, LINE_NUMBERS, NO)
    assert len(due(driver, SHIPPED)) == 1
    assert due(driver, SHIPPED, each_delivery=True) == [], "a delivery names numbered lines"


def test_steps_of_an_order_are_never_reported_concurrently(driver):
    """Numbering lines writes the whole order back: it would take away that the order left."""
    number, other = taken_over(driver, "1", "2")
    for one in (number, other):
        parcel(driver, one, f"T{one}")
    send(driver, OMS_NUMBER)
    send(driver, LINE_NUMBERS, NO)
    all_due_again(driver)
    left = due(driver, SHIPPED)
    lines = due(driver, LINE_NUMBERS)
    assert len(left) == len(lines) == 2
    (numbering,) = driver.ledger.feedback.claim(driver.ctx, lines[:1])
    assert driver.ledger.feedback.claim(driver.ctx, left) == left[1:]
    driver.ledger.feedback.record_answers(driver.ctx, [(numbering, YES)])
    assert driver.ledger.feedback.claim(driver.ctx, left) == left[:1]


def test_an_order_has_left_once_everything_has(driver):
    (number,) = taken_over(driver, "1")
    send(driver, OMS_NUMBER)
    send(driver, LINE_NUMBERS)
    shipment = Shipment("test", "T1", ("N",), tracking_number="T1", submission_id=number, lines=())
    driver.ledger.shipments.record(driver.ctx, shipment, None)
    assert due(driver, SHIPPED) == [], "nobody knows whether this was all of it"
    parcel(driver, number, "T2")
    assert len(due(driver, SHIPPED)) == 1


def test_deliveries_are_reported_one_by_one_and_after_the_lines_have_numbers(driver):
    (number,) = taken_over(driver, "1")
    first, second = parcel(driver, number, "T1"), parcel(driver, number, "T2")
    send(driver, OMS_NUMBER)
    assert due(driver, SHIPPED, each_delivery=True) == []
    send(driver, LINE_NUMBERS)
    found = send(driver, SHIPPED, each_delivery=True)
    assert [step.delivery for step in found] == [first.shipment_id, second.shipment_id]
    assert due(driver, SHIPPED, each_delivery=True) == []
    third = parcel(driver, number, "T3")
    assert [step.delivery for step in due(driver, SHIPPED, each_delivery=True)] == [third.shipment_id]


def test_a_step_is_claimed_by_one_and_free_again_when_its_worker_died(driver):
    taken_over(driver, "1", "2")
    steps = due(driver, OMS_NUMBER)
    assert [step.silent for step in driver.ledger.feedback.claim(driver.ctx, steps)] == [False, False]
    assert driver.ledger.feedback.claim(driver.ctx, steps) == [], "somebody tells them just now"
    assert due(driver, OMS_NUMBER) == []
    again = due(driver, OMS_NUMBER, given_up_s=0.0)
    assert [step.tries for step in again] == [1, 1]
    assert [step.silent for step in again] == [True, True]
    assert len(driver.ledger.feedback.claim(driver.ctx, again, 0.0)) == 2


def test_what_was_refused_is_due_again_later_and_holds_up_its_own_order_only(driver):
    taken_over(driver, "1")
    send(driver, OMS_NUMBER, NO)
    taken_over(driver, "2")
    assert [step.source_id for step in due(driver, OMS_NUMBER)] == ["2"]
    send(driver, OMS_NUMBER)
    assert [step.source_id for step in due(driver, LINE_NUMBERS)] == ["2"]
    all_due_again(driver)
    (step,) = due(driver, OMS_NUMBER)
    assert (step.source_id, step.tries) == ("1", 1)
    send(driver, OMS_NUMBER)
    assert len(due(driver, LINE_NUMBERS)) == 2


def test_a_late_answer_does_not_undo_what_is_done(driver):
    taken_over(driver, "1")
    (step,) = due(driver, OMS_NUMBER)
    driver.ledger.feedback.claim(driver.ctx, [step])
    driver.ledger.feedback.record_answers(driver.ctx, [(step, YES)])
    driver.ledger.feedback.record_answers(driver.ctx, [(step, NO)])
    assert feedback_counts(driver.ledger, NAME) == {"oms_number_done": 1}


def test_the_distance_between_tries_grows(driver):
    taken_over(driver, "1")
    distances = []
    for _ in range(3):
        send(driver, OMS_NUMBER, NO)
        with driver.ledger.database.engine.connect() as conn:
            row = conn.execute(sa.select(feedback.c.at, feedback.c.due_at)).one()
        distances.append((row.due_at - row.at).total_seconds())
        all_due_again(driver)
    assert distances == [300, 600, 1200]


def test_one_orders_steps_are_shown(driver):
    (number,) = taken_over(driver, "1")
    send(driver, OMS_NUMBER, NO)
    (shown,) = driver.ledger.database.read(lambda tx: steps_of(tx, number))
    assert (shown["step"], shown["state"], shown["tries"], shown["message"]) == (OMS_NUMBER, "refused", 1, "not now")
    assert FeedbackStep(number, OMS_NUMBER).delivery == 0
