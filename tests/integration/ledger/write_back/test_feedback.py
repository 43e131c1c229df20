from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.write_back.feedback import LINE_NUMBERS, OMS_NUMBER, SHIPPED, FeedbackStep, steps_of
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment
from order_relay.orders.messages import Acknowledgement
from tests.support.feedback_counts import feedback_counts

NAME = "shop_to_oms"
YES, NO = Acknowledgement(True), Acknowledgement(False, "not now")
ORDERED = [OrderedLine("1", "A", 2)]


def taken_over(clerk, *source_ids):
    numbers = [clerk.imported(source_id) for source_id in source_ids]
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, numbers)
    clerk.ledger.acknowledgements.record_answers(clerk.ctx, dict.fromkeys(numbers, YES))
    return numbers


def due(clerk, step, **more):
    return clerk.ledger.feedback.due(NAME, step, 10, **more)


def tell(clerk, step, answer=YES, **more):
    steps = clerk.ledger.feedback.claim(clerk.ctx, due(clerk, step, **more))
    clerk.ledger.feedback.record_answers(clerk.ctx, [(one, answer) for one in steps])
    return steps


def parcel(clerk, number, key, quantity=2):
    shipment = Shipment("test", key, ("N",), "UPS", "", key, lines=(), submission_id=number)
    return clerk.ledger.shipments.record(clerk.ctx, shipment, [OrderedLine("1", "A", quantity)])


def all_due_again(clerk):
    with clerk.ledger.database.engine.begin() as conn:
        conn.execute(feedback.update().where(feedback.c.state == "refused").values(due_at=feedback.c.at))


def test_nothing_is_reported_before_the_order_was_imported(clerk):
    clerk.imported("1")
    clerk.all_ready("2")
    assert due(clerk, OMS_NUMBER) == []


def test_without_deliveries_the_order_is_reported_once_imported(clerk):
    taken_over(clerk, "1")
    for step in (OMS_NUMBER, LINE_NUMBERS):
        assert due(clerk, SHIPPED, at_import=True) == [], "the steps before it come first"
        tell(clerk, step)
    assert due(clerk, SHIPPED) == [], "nothing was shipped"
    assert len(tell(clerk, SHIPPED, at_import=True)) == 1
    assert due(clerk, SHIPPED, at_import=True) == []


def test_the_steps_of_an_order_follow_each_other(clerk):
    (number,) = taken_over(clerk, "1")
    parcel(clerk, number, "T1")
    assert [len(due(clerk, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [1, 0, 0]
    (step,) = tell(clerk, OMS_NUMBER)
    assert (step.source_id, step.oms_id) == ("1", clerk.row("1")["oms_id"])
    assert [len(due(clerk, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 1, 0]
    tell(clerk, LINE_NUMBERS)
    assert [len(due(clerk, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 0, 1]
    tell(clerk, SHIPPED)
    assert feedback_counts(clerk.ledger, NAME) == {"oms_number_done": 1, "line_numbers_done": 1, "shipped_done": 1}
    assert [len(due(clerk, step)) for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED)] == [0, 0, 0]


def test_lines_that_the_source_refuses_do_not_keep_it_from_hearing_that_the_order_left(clerk):
    (number,) = taken_over(clerk, "1")
    parcel(clerk, number, "T1")
    tell(clerk, OMS_NUMBER)
    tell(clerk, LINE_NUMBERS, NO)
    assert len(due(clerk, SHIPPED)) == 1
    assert due(clerk, SHIPPED, each_delivery=True) == [], "a delivery names numbered lines"


def test_steps_of_an_order_are_never_reported_concurrently(clerk):
    """Numbering lines writes the whole order back: it would take away that the order left."""
    number, other = taken_over(clerk, "1", "2")
    for one in (number, other):
        parcel(clerk, one, f"T{one}")
    tell(clerk, OMS_NUMBER)
    tell(clerk, LINE_NUMBERS, NO)
    all_due_again(clerk)
    left = due(clerk, SHIPPED)
    lines = due(clerk, LINE_NUMBERS)
    assert len(left) == len(lines) == 2
    (numbering,) = clerk.ledger.feedback.claim(clerk.ctx, lines[:1])
    assert clerk.ledger.feedback.claim(clerk.ctx, left) == left[1:]
    clerk.ledger.feedback.record_answers(clerk.ctx, [(numbering, YES)])
    assert clerk.ledger.feedback.claim(clerk.ctx, left) == left[:1]


def test_an_order_has_left_once_everything_has(clerk):
    (number,) = taken_over(clerk, "1")
    tell(clerk, OMS_NUMBER)
    tell(clerk, LINE_NUMBERS)
    shipment = Shipment("test", "T1", ("N",), tracking_number="T1", submission_id=number, lines=())
    clerk.ledger.shipments.record(clerk.ctx, shipment, None)
    assert due(clerk, SHIPPED) == [], "nobody knows whether this was all of it"
    parcel(clerk, number, "T2")
    assert len(due(clerk, SHIPPED)) == 1


def test_deliveries_are_reported_one_by_one_and_after_the_lines_have_numbers(clerk):
    (number,) = taken_over(clerk, "1")
    first, second = parcel(clerk, number, "T1"), parcel(clerk, number, "T2")
    tell(clerk, OMS_NUMBER)
    assert due(clerk, SHIPPED, each_delivery=True) == []
    tell(clerk, LINE_NUMBERS)
    told = tell(clerk, SHIPPED, each_delivery=True)
    assert [step.delivery for step in told] == [first.shipment_id, second.shipment_id]
    assert due(clerk, SHIPPED, each_delivery=True) == []
    third = parcel(clerk, number, "T3")
    assert [step.delivery for step in due(clerk, SHIPPED, each_delivery=True)] == [third.shipment_id]


def test_a_step_is_claimed_by_one_and_free_again_when_its_worker_died(clerk):
    taken_over(clerk, "1", "2")
    steps = due(clerk, OMS_NUMBER)
    assert [step.silent for step in clerk.ledger.feedback.claim(clerk.ctx, steps)] == [False, False]
    assert clerk.ledger.feedback.claim(clerk.ctx, steps) == [], "somebody tells them just now"
    assert due(clerk, OMS_NUMBER) == []
    again = due(clerk, OMS_NUMBER, given_up_s=0.0)
    assert [step.tries for step in again] == [1, 1]
    assert [step.silent for step in again] == [True, True]
    assert len(clerk.ledger.feedback.claim(clerk.ctx, again, 0.0)) == 2


def test_what_was_refused_is_due_again_later_and_holds_up_its_own_order_only(clerk):
    taken_over(clerk, "1")
    tell(clerk, OMS_NUMBER, NO)
    taken_over(clerk, "2")
    assert [step.source_id for step in due(clerk, OMS_NUMBER)] == ["2"]
    tell(clerk, OMS_NUMBER)
    assert [step.source_id for step in due(clerk, LINE_NUMBERS)] == ["2"]
    all_due_again(clerk)
    (step,) = due(clerk, OMS_NUMBER)
    assert (step.source_id, step.tries) == ("1", 1)
    tell(clerk, OMS_NUMBER)
    assert len(due(clerk, LINE_NUMBERS)) == 2


def test_a_late_answer_does_not_undo_what_is_done(clerk):
    taken_over(clerk, "1")
    (step,) = due(clerk, OMS_NUMBER)
    clerk.ledger.feedback.claim(clerk.ctx, [step])
    clerk.ledger.feedback.record_answers(clerk.ctx, [(step, YES)])
    clerk.ledger.feedback.record_answers(clerk.ctx, [(step, NO)])
    assert feedback_counts(clerk.ledger, NAME) == {"oms_number_done": 1}


def test_the_distance_between_tries_grows(clerk):
    taken_over(clerk, "1")
    distances = []
    for _ in range(3):
        tell(clerk, OMS_NUMBER, NO)
        with clerk.ledger.database.engine.connect() as conn:
            row = conn.execute(sa.select(feedback.c.at, feedback.c.due_at)).one()
        distances.append((row.due_at - row.at).total_seconds())
        all_due_again(clerk)
    assert distances == [300, 600, 1200]


def test_one_orders_steps_are_shown(clerk):
    (number,) = taken_over(clerk, "1")
    tell(clerk, OMS_NUMBER, NO)
    (shown,) = clerk.ledger.database.read(lambda tx: steps_of(tx, number))
    assert (shown["step"], shown["state"], shown["tries"], shown["message"]) == (OMS_NUMBER, "refused", 1, "not now")
    assert FeedbackStep(number, OMS_NUMBER).delivery == 0
