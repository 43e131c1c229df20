"""Outcomes of attempts, and doubt."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from order_relay import measurements
from order_relay.ledger import AttemptResult, LookupFinding
from order_relay.ledger.delivery import claims, lookups
from order_relay.orders.messages import SendOutcome, SendResult

NAME = "shop_to_oms"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (SendOutcome.IMPORTED, "imported"),
        (SendOutcome.REJECTED, "rejected"),
        (SendOutcome.IN_DOUBT, "in_doubt"),
        (SendOutcome.NOT_SENT, "ready"),
        (SendOutcome.THROTTLED, "ready"),
        (SendOutcome.CONFIGURATION_ERROR, "ready"),
    ],
)
def test_what_each_outcome_does(driver, outcome, state):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    answer = {"status": 400, "code": "5007", "message": "ours", "body": '{"error": 5007}'}
    assert driver.settle(number, outcome, oms_id="OMS1" if outcome is SendOutcome.IMPORTED else "", **answer) == []
    row = driver.row("1")
    assert row["state"] == state
    attempt = row["attempts"][0]
    assert (attempt["outcome"], attempt["status"], attempt["code"]) == (outcome, 400, "5007")
    assert (attempt["message"], attempt["body"]) == ("ours", '{"error": 5007}')
    assert (attempt["settled_at"] is not None, row["oms_id"]) == (True, "OMS1" if state == "imported" else None)


def test_many_outcomes_in_one_transaction(driver):
    ids = driver.all_ready("1", "2", "3", "4")
    driver.claim(*ids)
    answers = [
        SendResult(SendOutcome.IMPORTED, 201, "OMS1"),
        SendResult(SendOutcome.IMPORTED, 200, "OMS2"),
        SendResult(SendOutcome.REJECTED, 422),
        SendResult(SendOutcome.IN_DOUBT, 0, code="read_timeout"),
    ]
    results = [AttemptResult(i, 1, a) for i, a in zip(ids, answers, strict=True)]
    assert driver.ledger.outcomes.record(driver.ctx, results) == {}
    assert [driver.row(s)["oms_id"] for s in "12"] == ["OMS1", "OMS2"]
    assert [driver.row(s)["reason"] for s in "34"] == ["http_422", "read_timeout"]


def test_outcomes_and_claims_in_one_transaction(driver):
    one, two, three = driver.all_ready("1", "2", "3")
    driver.claim(one)
    attempts = [
        AttemptResult(one, 1, SendResult(SendOutcome.IMPORTED, 200, "OMS1")),
        AttemptResult(three, 1, SendResult(SendOutcome.REJECTED, 400)),
    ]
    corrections, claims = driver.ledger.outcomes.record_and_claim(
        driver.ctx, attempts, [one, two], owner="worker-1", lease_s=30.0
    )
    assert (corrections, list(claims), claims[two].attempt) == ({three: None}, [two], 1)
    assert [driver.state(s) for s in "123"] == ["imported", "sending", "ready"]


def test_where_a_claim_fails_no_outcome_of_that_transaction_stays(driver, monkeypatch):
    one, two = driver.all_ready("1", "2")
    driver.claim(one)
    monkeypatch.setattr(claims, "_claim_rows", lambda *_: 1 / 0)
    attempts = [AttemptResult(one, 1, SendResult(SendOutcome.IMPORTED, 200, "OMS1"))]
    with pytest.raises(ZeroDivisionError):
        driver.ledger.outcomes.record_and_claim(driver.ctx, attempts, [two], owner="worker-1", lease_s=30.0)
    assert [driver.state(s) for s in "12"] == ["sending", "ready"]


def test_imported_without_an_id_is_in_doubt(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=200)
    assert driver.state("1") == "in_doubt"


def test_an_answer_is_kept_within_bounds_and_without_what_no_column_holds(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, status=400, body="\x00\ud800" + "ü" * 20_000)
    body = driver.row("1")["attempts"][0]["body"]
    assert len(body.encode()) <= 16_000
    assert "\x00" not in body


def test_an_outcome_for_another_attempt_is_refused(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    assert driver.settle(number, SendOutcome.REJECTED, attempt=2) == [number]
    assert driver.settle(999_999, SendOutcome.REJECTED) == [999_999]
    driver.settle(number, SendOutcome.THROTTLED, status=429)
    driver.claim(number)
    assert driver.settle(number, SendOutcome.REJECTED, attempt=1, status=400) == [number]
    assert driver.state("1") == "sending"


def test_a_refusal_that_is_put_in_doubt_is_returned_as_recorded_also_when_it_is_repeated(driver):
    number = driver.in_doubt("1")
    driver.ledger.decisions.settle_in_doubt("N-1", None, "looked", "ann")
    attempt = driver.claim(number)[number].attempt
    refusal = [AttemptResult(number, attempt, SendResult(SendOutcome.REJECTED, 400))]
    for _ in range(2):
        assert driver.ledger.outcomes.record(driver.ctx, refusal) == {number: SendOutcome.IN_DOUBT}
        assert driver.state("1") == "in_doubt"


def test_settling_the_same_again_is_harmless(driver):
    number = driver.imported("1", "OMS1")
    assert driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1") == []
    assert driver.settle(number, SendOutcome.REJECTED, status=400) == [number]
    assert len(driver.events("1")) == 4


def test_a_repeated_or_late_in_doubt_result_is_harmless(driver):
    one, two = driver.all_ready("1", "2")
    driver.claim(one, two, lease_s=-10)
    for _ in range(2):
        assert driver.settle(one, SendOutcome.IN_DOUBT, status=503) == []
    driver.ledger.leases.expire(driver.ctx, 5)
    assert driver.settle(two, SendOutcome.IN_DOUBT, status=504) == []
    assert [len(driver.events(s)) for s in "12"] == [4, 4]
    assert driver.row("2")["attempts"][0]["status"] == 504


def test_a_refusal_counts_while_no_earlier_attempt_may_be_stored(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.THROTTLED, status=429)
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, attempt=2, status=400)
    assert driver.state("1") == "rejected"


def test_a_refusal_after_an_unconfirmed_attempt_is_in_doubt_and_rejected_after_two_absences(driver):
    number = driver.in_doubt("1")
    driver.ledger.decisions.settle_in_doubt("N-1", None, "absent", "ann")
    driver.claim(number, lease_s=-1)
    driver.settle(number, SendOutcome.REJECTED, attempt=2, status=400)
    assert driver.state("1") == "in_doubt"
    look(driver, number, LookupFinding.absent(), attempt=2)
    assert look(driver, number, LookupFinding.absent(), attempt=2) == "rejected", "it would only be refused again"


def test_put_back(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, status=400)
    assert driver.ledger.outcomes.return_to_received(driver.ctx, [number, 999_999], "all 400") == 1
    assert driver.state("1") == "received"


def test_a_lease_that_is_over_means_doubt(driver):
    ids = driver.all_ready("1", "2")
    driver.claim(ids[0], lease_s=-10)
    driver.claim(ids[1], lease_s=30)
    measurements.take()
    assert driver.ledger.leases.expire(driver.ctx, 60) == 0, "the request may still be answered"
    assert driver.ledger.leases.expire(driver.ctx, 5) == 1
    assert (driver.state("1"), driver.state("2")) == ("in_doubt", "sending")
    assert driver.ledger.lookups.due(NAME) == [ids[0]]
    assert measurements.take().leases_expired == 1


def test_a_worker_that_resumes_late_still_records_the_truth(driver):
    number = driver.all_ready("1")[0]
    driver.claim(number, lease_s=-10)
    driver.ledger.leases.expire(driver.ctx, 5)
    assert driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1") == []
    assert driver.row("1")["oms_id"] == "OMS1"


def test_an_import_reported_after_two_absences_prevents_a_resend(driver):
    number = driver.in_doubt("1")
    look(driver, number, LookupFinding.absent())
    assert look(driver, number, LookupFinding.absent()) == "ready"
    assert driver.settle(number, SendOutcome.IN_DOUBT, status=503) == [number]
    assert driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS1") == []
    assert (driver.state("1"), driver.row("1")["oms_id"]) == ("imported", "OMS1")


def look(driver, number, finding, attempt=1, **more):
    time.sleep(0.002)  # SQLite's clock counts milliseconds, and the second absence must come later than the first
    return driver.look(number, attempt, finding, **more)


def test_what_a_look_up_needs_to_know(driver):
    number = driver.in_doubt("1")
    doubt = driver.ledger.lookups.in_doubt([number, 999_999])[0]
    assert (doubt.id, doubt.attempt, doubt.destination_key, doubt.lookups) == (number, 1, "KEY-N-1", 0)
    assert doubt.submitted_at is None
    assert doubt.absent_once_at is None
    assert doubt.sent_at == driver.row("1")["attempts"][0]["sent_at"]
    assert [row["order_number"] for row in driver.ledger.queries.in_doubt()] == ["N-1"]


def test_found_means_imported(driver):
    number = driver.in_doubt("1")
    assert look(driver, number, LookupFinding.found("OMS9")) == "imported"
    assert driver.row("1")["oms_id"] == "OMS9"
    assert driver.due() == ["N-1"]
    assert look(driver, number, LookupFinding.absent()) == "imported", "nothing undoes it"


def test_absent_needs_two_valid_ones(driver):
    number = driver.in_doubt("1")
    assert look(driver, number, LookupFinding.absent()) == "in_doubt"
    assert driver.ledger.lookups.in_doubt([number])[0].absent_once_at is not None
    assert look(driver, number, LookupFinding.unclear()) == "in_doubt"
    assert look(driver, number, LookupFinding.absent()) == "ready"
    assert [r["counted"] for r in driver.row("1")["lookups"]] == [True, False, True]
    claim = driver.claim(number)[number]
    assert claim.attempt == 2, "under a new attempt"
    assert driver.row("1")["absent_once_at"] is None, "which starts anew"


def test_an_absence_that_comes_too_early_does_not_count(driver):
    number = driver.in_doubt("1", lease_s=30)
    for _ in range(3):
        assert look(driver, number, LookupFinding.absent()) == "in_doubt"
    late = driver.in_doubt("2", lease_s=-10)
    for _ in range(3):
        assert look(driver, late, LookupFinding.absent(), quiet_s=900) == "in_doubt"
    assert look(driver, late, LookupFinding.absent(), quiet_s=5) == "in_doubt"
    assert look(driver, late, LookupFinding.absent(), quiet_s=5) == "ready"


def test_a_look_up_about_another_attempt_changes_nothing(driver):
    number = driver.in_doubt("1")
    assert look(driver, number, LookupFinding.found("OMS9"), attempt=7) == "in_doubt"
    assert len(driver.row("1")["lookups"]) == 1


def test_look_ups_come_at_growing_distance(driver):
    number = driver.in_doubt("1")
    assert driver.ledger.lookups.due(NAME) == [number], "the first one at once"
    distances = []
    for _ in range(5):
        look(driver, number, LookupFinding.unclear())
        row = driver.row("1")
        distances.append(row["due_at"] - row["lookups"][-1]["at"])
    assert distances == sorted(set(distances))
    assert driver.ledger.lookups.due(NAME) == []
    assert driver.ledger.lookups.due(NAME, row["due_at"] + timedelta(seconds=1)) == [number]
    assert lookups.lookup_delay(40) == lookups.LONGEST_DELAY
    when = row["due_at"] + timedelta(days=1)
    look(driver, number, LookupFinding.unclear(), next_at=when)
    assert driver.row("1")["due_at"] == when


def test_positive_controls(driver):
    destination = "oms:https://oms.example/1"
    assert driver.ledger.lookups.positive_controls(destination) == []
    driver.imported("1", "OMS1")
    driver.imported("2", "OMS2")
    (control,) = driver.ledger.lookups.positive_controls(destination, ["KEY-N-1"])
    assert (control.key, control.oms_id, control.imported_at) == ("KEY-N-2", "OMS2", driver.row("2")["imported_at"])
    assert len({c.key for c in driver.ledger.lookups.positive_controls(destination)}) == 2
    assert driver.ledger.lookups.positive_controls(destination, ["KEY-N-1", "KEY-N-2"]) == []
    assert driver.ledger.lookups.positive_controls("oms:another") == []
