"""Which orders are acknowledged to the source, and what its answers change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from order_relay.errors import ValidationIssue
from order_relay.orders.messages import Acknowledgement, SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"
BAD = [ValidationIssue("bad", "/x", "is wrong")]


def test_only_what_is_settled_is_acknowledged(driver):
    driver.imported("1")
    driver.all_ready("2")
    driver.claim(*driver.all_ready("3"))
    driver.in_doubt("4")
    rejected = driver.all_ready("5")[0]
    driver.claim(rejected)
    driver.settle(rejected, SendOutcome.REJECTED, status=400)
    driver.receive(offer("6"), offer("7", suffix=1), offer("8", lineage="L"), offer("9", lineage="L"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("6"), BAD), (driver.work("9"), BAD)])
    driver.resolve()
    assert {s: driver.state(s) for s in "6789"} == {
        "6": "quarantined",
        "7": "held",
        "8": "waiting",
        "9": "quarantined",
    }
    driver.receive(offer("10"))
    assert driver.due() == ["N-1"]


def test_superseded_only_once_its_winner_is_imported(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    number = driver.make_ready(*driver.resolve())[0][0]
    assert driver.due() == []
    driver.claim(number)
    assert driver.due() == []
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS2")
    assert set(driver.due()) == {"N-1", "N-2"}


def test_superseded_once_an_operator_settled_the_lineage(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    winner = driver.resolve()[0]
    driver.ledger.validation.quarantine(driver.ctx, [(winner, BAD)])
    assert (driver.state("1"), driver.due()) == ("superseded", [])
    driver.ledger.bulk.discard(driver.ctx, [winner.id], "not wanted")
    assert set(driver.due()) == {"N-1", "N-2"}


def test_a_refused_acknowledgement_stays_due_and_a_missing_answer_waits(driver):
    one, two, three, four = [driver.imported(s) for s in "1234"]
    assert driver.ledger.acknowledgements.mark_sent(driver.ctx, [one, two, three, four]) == [one, two, three, four]
    driver.ledger.acknowledgements.record_answers(
        driver.ctx,
        {
            one: Acknowledgement(accepted=True),
            two: Acknowledgement(accepted=False, message="locked"),
            four: Acknowledgement(accepted=False, message="locked"),
        },
    )
    assert [driver.row(s)["ack"] for s in "1234"] == ["confirmed", "refused", "sent", "refused"]
    assert driver.due() == ["N-2", "N-4"]
    assert driver.ledger.accounting.counts(NAME)["acknowledged"] == 1
    assert driver.row("2")["ack_message"] == "locked"


@pytest.mark.parametrize(
    "answer",
    [
        Acknowledgement(accepted=False, message="order not found"),
        Acknowledgement(accepted=False, message="the response has no entry for it"),
        None,
    ],
)
def test_absence_confirms_an_acknowledgement_that_was_refused_or_not_answered(driver, answer):
    one, two = driver.imported("1"), driver.imported("2")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [one, two])
    if answer is not None:
        driver.ledger.acknowledgements.record_answers(driver.ctx, {one: answer, two: answer})
    driver.receive(offer("2"), complete=False)
    assert driver.row("1")["ack"] != "confirmed", "an incomplete answer says nothing about what it lacks"
    driver.receive(offer("2"), fetched_at=datetime.now(UTC) - timedelta(hours=1))
    assert driver.row("1")["ack"] != "confirmed", "neither does one that was fetched before"
    driver.receive(offer("2"))
    assert (driver.row("1")["ack"], driver.due()) == ("confirmed", ["N-2"])
    driver.receive(offer("1"))
    assert "N-1" in driver.due(), "the source offers it again after all"


def acknowledge(driver, answer, *ids):
    driver.ledger.acknowledgements.mark_sent(driver.ctx, ids, 0.0)
    driver.ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(ids, answer), 3)


def due_at_window(driver, given_up_s=0.0):
    return [one.order_number for one in driver.ledger.acknowledgements.due(NAME, 100, given_up_s=given_up_s)]


YES, NO = Acknowledgement(accepted=True), Acknowledgement(accepted=False, message="locked")


def test_a_windowed_source_that_confirmed_an_order_is_told_nothing_when_it_returns_it(driver):
    acknowledge(driver, YES, driver.imported("1"))
    driver.receive(offer("2", lineage="L"), offer("3", lineage="L"))
    (winner,) = driver.make_ready(*driver.resolve())[0]
    driver.claim(winner)
    driver.settle(winner, SendOutcome.IMPORTED, status=201, oms_id="OMS3")
    driver.receive(offer("4"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("4"), BAD)])
    driver.ledger.bulk.discard(driver.ctx, [driver.work("4").id], "a test order")
    acknowledge(driver, YES, *[driver.work(s).id for s in "234"])
    again = [offer("1"), offer("2", lineage="L"), offer("3", lineage="L"), offer("4")]
    assert [driver.state(s) for s in "1234"] == ["imported", "superseded", "imported", "discarded"]
    driver.receive(*again, windowed=True)
    assert due_at_window(driver) == []
    assert {driver.row(s)["ack"] for s in "1234"} == {"confirmed"}
    driver.receive(*again)
    assert driver.due() == ["N-1", "N-2", "N-3", "N-4"], "a source that removes lost the acknowledgements"


def test_a_change_after_the_import_is_seen_at_a_windowed_source_and_the_revision_is_told_once(driver):
    acknowledge(driver, YES, driver.imported("1"))
    edited = offer("1", content_hash="changed")
    driver.receive(edited, windowed=True)
    assert (driver.row("1", 1)["state"], driver.row("1", 2)["state"]) == ("imported", "held")
    assert (driver.row("1", 2)["reason"], due_at_window(driver)) == ("changed_after_import", [])
    driver.ledger.decisions.decide("N-1", "discard", "keep the first", "ann")
    assert due_at_window(driver) == ["N-1"]
    acknowledge(driver, YES, driver.work("1").id)
    driver.receive(edited, windowed=True)
    assert due_at_window(driver) == []


@pytest.mark.parametrize("answer", [NO, None], ids=["refused", "no answer"])
def test_what_a_windowed_source_did_not_confirm_stays_due_whether_it_returns_the_order_or_not(driver, answer):
    number = driver.imported("1")
    driver.ledger.acknowledgements.mark_sent(driver.ctx, [number], 0.0)
    if answer is not None:
        driver.ledger.acknowledgements.record_answers(driver.ctx, {number: answer}, 3)
    driver.receive(windowed=True)
    assert due_at_window(driver) == ["N-1"], "absence confirms nothing"
    driver.receive(offer("1"), windowed=True)
    assert due_at_window(driver) == ["N-1"]
    if answer is None:
        assert due_at_window(driver, given_up_s=900.0) == [], "its answer may still be on its way"
    acknowledge(driver, YES, number)
    driver.receive(offer("1"), windowed=True)
    assert due_at_window(driver) == []


def test_the_exact_string_is_acknowledged_in_slices(driver):
    driver.receive(offer("1", order_number=" N/1 é "), offer("2"), offer("3"))
    ids = driver.make_ready(*driver.resolve())[0]
    driver.claim(*ids)
    for number in ids:
        driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id=f"OMS{number}")
    assert [d.order_number for d in driver.ledger.acknowledgements.due(NAME, 2)] == [" N/1 é ", "N-2"]
    assert len(driver.ledger.acknowledgements.due(NAME)) == 3
