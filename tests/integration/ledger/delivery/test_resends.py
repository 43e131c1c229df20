"""Orders in doubt at an idempotent destination: claimed again from in doubt, never by way of ready."""

from __future__ import annotations

import pytest

from order_relay.ledger.delivery.resends import RESENDS_EXHAUSTED
from order_relay.ledger.schema.records import AttemptResult
from order_relay.orders.messages import SendOutcome, SendResult
from tests.support.offers import offer


def allowed(driver, *ids, timeout_s=0.0, max_attempts=3, **more):
    return driver.ledger.resends.allowed(driver.ctx, ids, timeout_s=timeout_s, max_attempts=max_attempts, **more)


def claim(driver, *ids, lease_s=-1.0, resend_after_s=0.0):
    return driver.ledger.claims.claim(driver.ctx, ids, "w", lease_s, resend_after_s)


def settle(driver, claimed, outcome, **fields):
    answer = SendResult(outcome, **fields)
    return driver.ledger.outcomes.record(
        driver.ctx, [AttemptResult(claimed.id, claimed.attempt, answer, claimed.resent)]
    )


def test_the_same_key_and_payload_in_another_attempt(driver):
    number = driver.in_doubt("1")
    before = driver.ledger.claims.to_send_again([number])[0]
    assert allowed(driver, number) == [number]
    claimed = claim(driver, number)[number]
    assert (claimed.attempt, claimed.resent) == (2, True)
    assert settle(driver, claimed, SendOutcome.IMPORTED, status=200, oms_id="77") == {}
    row = driver.row("1")
    assert (row["state"], row["oms_id"], row["destination_key"]) == ("imported", "77", before.destination_key)
    assert {a["fingerprint"] for a in row["attempts"]} == {before.fingerprint}
    steps = [("ready", "sending"), ("sending", "in_doubt"), ("in_doubt", "sending"), ("sending", "imported")]
    assert driver.events("1")[-4:] == steps


def test_not_before_lease_and_time_out(driver):
    number = driver.in_doubt("1", lease_s=30.0)
    assert allowed(driver, number) == []
    assert claim(driver, number) == {}
    expired = driver.in_doubt("2", lease_s=-1.0)
    assert allowed(driver, expired, timeout_s=60.0) == []
    assert claim(driver, expired, resend_after_s=60.0) == {}


def test_at_other_destinations_nothing_in_doubt_is_claimed(driver):
    number = driver.in_doubt("1")
    assert claim(driver, number, resend_after_s=None) == {}
    assert driver.ledger.claims.sendable([number]) == []


@pytest.mark.parametrize("outcome", [SendOutcome.NOT_SENT, SendOutcome.THROTTLED, SendOutcome.CONFIGURATION_ERROR])
def test_an_attempt_that_stored_nothing_says_nothing_about_the_one_before(driver, outcome):
    number = driver.in_doubt("1")
    assert settle(driver, claim(driver, number)[number], outcome, status=0, code="x") == {number: SendOutcome.IN_DOUBT}
    assert driver.state("1") == "in_doubt"
    assert allowed(driver, number) == [number], "and does not count"


def test_a_refusal_of_the_second_attempt_is_in_doubt(driver):
    number = driver.in_doubt("1")
    settle(driver, claim(driver, number)[number], SendOutcome.REJECTED, status=400)
    assert driver.state("1") == "in_doubt"


def test_after_the_last_attempt_an_operator_is_asked(driver):
    number = driver.in_doubt("1")
    for _ in range(2):
        settle(driver, claim(driver, *allowed(driver, number))[number], SendOutcome.IN_DOUBT, status=502)
    assert allowed(driver, number) == []
    row = driver.row("1")
    assert (row["state"], row["reason"]) == ("in_doubt", RESENDS_EXHAUSTED)
    (entry,) = row["lookups"]
    assert (entry["method"], entry["finding"]) == ("send_again", "unclear")
    assert allowed(driver, number) == []
    driver.ledger.decisions.settle_in_doubt("N-1", "77", "found it", "ann")
    assert driver.state("1") == "imported"


def test_an_order_that_its_source_cancelled_is_not_sent_again(driver):
    number = driver.in_doubt("1")
    driver.ledger.cancellations.record(driver.ctx, ["1"])
    assert allowed(driver, number) == []
    assert claim(driver, number) == {}


def test_an_order_that_an_operator_must_compare_is_not_sent_again(driver):
    number = driver.in_doubt("1", code="x")
    assert allowed(driver, number, excluded={driver.row("1")["reason"]}) == []


def test_other_versions_wait_until_the_import_is_confirmed(driver):
    number = driver.in_doubt("1")
    driver.receive(offer("1"), offer("2", lineage="L-1") | {"lineage": driver.row("1")["lineage"]})
    assert driver.resolve() == []
    claimed = claim(driver, number)[number]
    assert driver.state("2") in ("waiting", "received")
    settle(driver, claimed, SendOutcome.NOT_SENT)
    assert driver.state("1") == "in_doubt"


def test_two_workers_claim_it_once(driver):
    number = driver.in_doubt("1")
    assert number in claim(driver, number, lease_s=30.0)
    assert claim(driver, number) == {}
