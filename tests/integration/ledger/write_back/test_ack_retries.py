"""A refused acknowledgement at a source that never gives a complete answer: repeated later and later, then a task."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.write_back import ack_retries
from order_relay.ledger.write_back.feedback import FIRST_DELAY, LONGEST_DELAY, MAX_TRIES, OMS_NUMBER
from order_relay.orders.messages import Acknowledgement
from tests.support.feedback_counts import feedback_counts

NAME = "shop_to_oms"
YES, NO = Acknowledgement(True), Acknowledgement(False, "its state is quotation, and stays so")
PASSING = Acknowledgement(False, "the response has no entry for it", passing=True)
CANCELLED = Acknowledgement(False, "the shop has cancelled the order", cancelled=True)


def due(clerk, given_up_s=0.0):
    return [one.id for one in clerk.ledger.acknowledgements.due(NAME, 10, given_up_s=given_up_s)]


def attempt(clerk, answer, most=3):
    ids = due(clerk)
    clerk.ledger.acknowledgements.mark_sent(clerk.ctx, ids, 0.0)
    if answer is None:
        clerk.ledger.acknowledgements.record_no_answer(clerk.ctx, ids, most)
    else:
        clerk.ledger.acknowledgements.record_answers(clerk.ctx, dict.fromkeys(ids, answer), most)
    return len(ids)


def time_passes(clerk):
    with clerk.ledger.database.engine.begin() as conn:
        conn.execute(feedback.update().where(feedback.c.due_at.is_not(None)).values(due_at=feedback.c.at))


def failed(clerk):
    return [(row["order_number"], row["step"], row["tries"]) for row in clerk.ledger.write_back_tasks.failed(NAME)]


def test_a_take_over_that_is_always_refused_ends_as_a_task(clerk):
    clerk.imported("1")
    asked = []
    for _ in range(8):
        asked.append(attempt(clerk, NO))
        time_passes(clerk)
    assert asked == [1, 1, 1, 0, 0, 0, 0, 0]
    assert failed(clerk) == [("N-1", "take_over", 3)]
    assert [late.state for late in clerk.ledger.write_back_tasks.pending(NAME)] == ["untold"]


@pytest.mark.parametrize("answer", [PASSING, None], ids=["not in the reply", "no answer"])
def test_silence_uses_up_no_refusals_and_yet_has_an_end(clerk, answer):
    clerk.imported("1")
    asked = 0
    for _ in range(MAX_TRIES + 5):
        asked += attempt(clerk, answer, most=1)
        time_passes(clerk)
    assert asked == MAX_TRIES
    assert failed(clerk) == [("N-1", "take_over", MAX_TRIES)]


def test_the_first_repetition_is_left_to_the_next_run_and_the_distance_grows(clerk):
    number = clerk.imported("1")
    distances = []
    for _ in range(4):
        attempt(clerk, NO, most=9)
        with clerk.ledger.database.engine.connect() as conn:
            row = conn.execute(sa.select(feedback).where(feedback.c.submission_id == number)).one()
        distances.append(row.due_at - row.at)
        time_passes(clerk)
    assert distances == [timedelta(), FIRST_DELAY, FIRST_DELAY * 3, FIRST_DELAY * 7]


def test_before_its_time_nothing_is_sent(clerk):
    clerk.imported("1")
    assert [attempt(clerk, NO, most=9) for _ in range(4)] == [1, 1, 0, 0]


def test_an_operator_has_it_repeated_or_gives_it_up(clerk):
    for source_id in ("1", "2"):
        clerk.imported(source_id)
    attempt(clerk, NO, most=1)
    assert due(clerk) == []
    assert clerk.ledger.write_back_tasks.decide_failed(clerk.ctx, "N-1", "corrected in the shop", retry=True) == 1
    assert clerk.ledger.write_back_tasks.decide_failed(clerk.ctx, "N-2", "nobody needs it", retry=False) == 1
    assert attempt(clerk, YES) == 1
    assert clerk.row("1")["ack"] == "confirmed"
    assert clerk.row("2")["ack"] == "refused"
    assert due(clerk) == []
    assert clerk.ledger.write_back_tasks.pending(NAME) == []


def test_one_that_is_accepted_at_last_is_done_and_may_fail_anew(clerk):
    clerk.imported("1")
    attempt(clerk, NO, most=2)
    attempt(clerk, YES)
    assert feedback_counts(clerk.ledger, NAME) == {"take_over_done": 1}
    assert len(clerk.ledger.feedback.due(NAME, OMS_NUMBER, 10)) == 1, "the steps after it are due"


def test_orders_accepted_immediately_leave_no_row(clerk):
    clerk.imported("1")
    attempt(clerk, YES)
    assert feedback_counts(clerk.ledger, NAME) == {}


def test_a_source_with_complete_answers_confirms_by_absence_and_knows_no_cap(clerk):
    clerk.imported("1")
    for _ in range(12):
        ids = [one.id for one in clerk.ledger.acknowledgements.due(NAME, 10)]
        assert len(ids) == 1
        clerk.ledger.acknowledgements.mark_sent(clerk.ctx, ids)
        clerk.ledger.acknowledgements.record_answers(clerk.ctx, dict.fromkeys(ids, NO))
    assert failed(clerk) == []


def test_an_order_cancelled_before_its_take_over_is_taken_over_once_reinstated(clerk):
    clerk.imported("1")
    attempt(clerk, CANCELLED)
    assert due(clerk) == []
    assert [task["order_number"] for task in clerk.ledger.cancellations.unsettled(NAME)] == ["N-1"]
    clerk.ledger.cancellations.settle(clerk.ctx, "N-1", "a mistake of the shop", reinstated=True)
    assert attempt(clerk, YES) == 1
    assert clerk.row("1")["ack"] == "confirmed"


@given(answers=st.lists(st.sampled_from(["yes", "no", "passing", "silence"]), max_size=40), most=st.integers(1, 6))
def test_no_sequence_of_answers_repeats_it_without_end(answers, most):
    """The limits alone, as the rows are computed: a take-over is open after neither too many refusals nor tries."""
    state, tries, refusals = "refused", 0, 0
    for answer in answers:
        if state != "refused":
            break
        said = {"yes": YES, "no": NO}.get(answer, PASSING)
        state, tries, refusals = ack_retries.next_state(state, tries, refusals, said, most)
        assert ack_retries.retry_delay(tries) <= LONGEST_DELAY
    assert tries <= MAX_TRIES
    assert refusals <= most
    if state == "refused":
        assert refusals < most
        assert tries < MAX_TRIES
