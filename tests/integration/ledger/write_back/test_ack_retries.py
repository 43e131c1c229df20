"""A refused acknowledgement at a source that never gives a complete answer: repeated later and later, then a task."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.write_back import ack_retries
from order_relay.ledger.write_back.due_steps import MAX_TRIES, OMS_NUMBER
from order_relay.ledger.write_back.feedback import FIRST_DELAY, LONGEST_DELAY
from order_relay.orders.messages import Acknowledgement
from order_relay.orders.review.choices import REINSTATED
from tests.support.feedback_counts import feedback_counts

NAME = "shop_to_oms"
YES, NO = Acknowledgement(True), Acknowledgement(False, "its state is quotation, and stays so")
PASSING = Acknowledgement(False, "the response has no entry for it", passing=True)
CANCELLED = Acknowledgement(False, "the shop has cancelled the order", cancelled=True)


def decide(driver, number, reason, *, retry):
    failed = [row for row in driver.ledger.write_back_tasks.failed(NAME) if row["order_number"] == number]
    return driver.ledger.write_back_tasks.decide_failed("tester", failed, reason, retry=retry)


def due(driver, given_up_s=0.0):
    return [one.id for one in driver.ledger.acknowledgements.due(NAME, 10, given_up_s=given_up_s)]


def attempt(driver, answer, most=3):
    ids = due(driver)
    driver.ledger.acknowledgements.mark_sent(driver.ctx, ids, 0.0)
    if answer is None:
        driver.ledger.acknowledgements.record_no_answer(driver.ctx, ids, most)
    else:
        driver.ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(ids, answer), most)
    return len(ids)


def time_passes(driver):
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(feedback.update().where(feedback.c.due_at.is_not(None)).values(due_at=feedback.c.at))


def failed(driver):
    return [(row["order_number"], row["step"], row["tries"]) for row in driver.ledger.write_back_tasks.failed(NAME)]


def test_a_take_over_that_is_always_refused_ends_as_a_task(driver):
    driver.imported("1")
    asked = []
    for _ in range(8):
        asked.append(attempt(driver, NO))
        time_passes(driver)
    assert asked == [1, 1, 1, 0, 0, 0, 0, 0]
    assert failed(driver) == [("N-1", "take_over", 3)]
    assert [late.state for late in driver.ledger.write_back_tasks.pending(NAME)] == ["untold"]


@pytest.mark.parametrize("answer", [PASSING, None], ids=["not in the reply", "no answer"])
def test_silence_uses_up_no_refusals_and_yet_has_an_end(driver, answer):
    driver.imported("1")
    asked = 0
    for _ in range(MAX_TRIES + 5):
        asked += attempt(driver, answer, most=1)
        time_passes(driver)
    assert asked == MAX_TRIES
    assert failed(driver) == [("N-1", "take_over", MAX_TRIES)]


def test_the_first_repetition_is_left_to_the_next_run_and_the_distance_grows(driver):
    number = driver.imported("1")
    distances = []
    for _ in range(4):
        attempt(driver, NO, most=9)
        with driver.ledger.database.engine.connect() as conn:
            row = conn.execute(sa.select(feedback).where(feedback.c.submission_id == number)).one()
        distances.append(row.due_at - row.at)
        time_passes(driver)
    assert distances == [timedelta(), FIRST_DELAY, FIRST_DELAY * 3, FIRST_DELAY * 7]


def test_before_its_time_nothing_is_sent(driver):
    driver.imported("1")
    assert [attempt(driver, NO, most=9) for _ in range(4)] == [1, 1, 0, 0]


def test_an_operator_has_it_repeated_or_gives_it_up(driver):
    for source_id in ("1", "2"):
        driver.imported(source_id)
    attempt(driver, NO, most=1)
    assert due(driver) == []
    assert decide(driver, "N-1", "corrected in the shop", retry=True) == 1
    assert decide(driver, "N-2", "nobody needs it", retry=False) == 1
    assert attempt(driver, YES) == 1
    assert driver.row("1")["ack"] == "confirmed"
    assert driver.row("2")["ack"] == "refused"
    assert due(driver) == []
    assert driver.ledger.write_back_tasks.pending(NAME) == []


def test_one_that_is_accepted_at_last_is_done_and_may_fail_anew(driver):
    driver.imported("1")
    attempt(driver, NO, most=2)
    attempt(driver, YES)
    assert feedback_counts(driver.ledger, NAME) == {"take_over_done": 1}
    assert len(driver.ledger.feedback.due(NAME, OMS_NUMBER, 10)) == 1, "the steps after it are due"


def test_orders_accepted_immediately_leave_no_row(driver):
    driver.imported("1")
    attempt(driver, YES)
    assert feedback_counts(driver.ledger, NAME) == {}


def test_a_source_with_complete_answers_confirms_by_absence_and_knows_no_cap(driver):
    driver.imported("1")
    for _ in range(12):
        ids = [one.id for one in driver.ledger.acknowledgements.due(NAME, 10)]
        assert len(ids) == 1
        driver.ledger.acknowledgements.mark_sent(driver.ctx, ids)
        driver.ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(ids, NO))
    assert failed(driver) == []


def test_an_order_cancelled_before_its_take_over_is_taken_over_once_reinstated(driver):
    number = driver.imported("1")
    attempt(driver, CANCELLED)
    assert due(driver) == []
    assert [task["order_number"] for task in driver.ledger.cancellations.unsettled(NAME)] == ["N-1"]
    driver.ledger.cancellations.decide({number: None}, REINSTATED, "a mistake of the shop", "tester")
    assert attempt(driver, YES) == 1
    assert driver.row("1")["ack"] == "confirmed"


@given(answers=st.lists(st.sampled_from(["yes", "no", "passing", "silence"]), max_size=40), most=st.integers(1, 6))
def test_no_sequence_of_answers_repeats_it_without_end(answers, most):
    """The limits alone, as the rows are computed: a take-over is open after neither too many refusals nor tries."""
    state, tries, refusals = "refused", 0, 0
    for answer in answers:
        if state != "refused":
            break
        message = {"yes": YES, "no": NO}.get(answer, PASSING)
        state, tries, refusals = ack_retries.next_state(state, tries, refusals, message, most)
        assert ack_retries.retry_delay(tries) <= LONGEST_DELAY
    assert tries <= MAX_TRIES
    assert refusals <= most
    if state == "refused":
        assert refusals < most
        assert tries < MAX_TRIES
