"""Orders that their source cancelled: never sent from then on, whatever state they are in; a task where they were."""

from __future__ import annotations

import pytest

from order_relay.errors import ValidationIssue
from order_relay.ledger import SourceHold
from order_relay.ledger.schema.states import AT_DESTINATION, SETTLED, State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.write_back.cancellations import UNSENT, RecordedCancellations
from order_relay.orders.mapping.eligibility import CANCELLED, NOT_RETURNED, REASON_PREFIX
from order_relay.orders.messages import SendOutcome
from tests.support.offers import offer

NAME = "shop_to_oms"


def received(driver):
    driver.receive(offer("1"), complete=False)


def waits_for_a_version(driver):
    received(driver)
    force(driver, state="waiting", reason="newest_quarantined")


def waits_for_its_payment(driver):
    received(driver)
    driver.ledger.source_holds.wait(
        driver.ctx, [SourceHold(driver.work("1"), f"{REASON_PREFIX}payment=open", ask_again=True)], 3600.0
    )


def ready(driver):
    driver.all_ready("1")


def quarantined(driver):
    received(driver)
    driver.ledger.validation.quarantine(
        driver.ctx, [(driver.work("1"), [ValidationIssue("required", "/x", "is missing")])]
    )


def rejected(driver):
    driver.claim(*driver.all_ready("1"))
    driver.settle(driver.work("1").id, SendOutcome.REJECTED, status=400)


def held(driver):
    received(driver)
    driver.ledger.validation.hold(driver.ctx, [(driver.work("1"), "unsure")], {})


def sending(driver):
    driver.claim(*driver.all_ready("1"))


def in_doubt(driver):
    driver.in_doubt("1")


def imported(driver):
    driver.imported("1", "OMS1")


WAYS = {
    "received": received,
    "waits for a version": waits_for_a_version,
    "waits for its payment": waits_for_its_payment,
    "ready": ready,
    "quarantined": quarantined,
    "rejected": rejected,
    "held": held,
    "sending": sending,
    "in_doubt": in_doubt,
    "imported": imported,
}
NOT_SENT = tuple(name for name in WAYS if name not in AT_DESTINATION)


def force(driver, **values):
    with driver.ledger.database.engine.begin() as conn:
        conn.execute(submission.update().values(values))


def cancel(driver):
    return driver.ledger.cancellations.record(driver.ctx, ["1", "of another shop"])


def tasks(driver):
    return [task["order_number"] for task in driver.ledger.cancellations.unsettled(NAME)]


def events(driver):
    return len(driver.row("1")["events"])


def test_every_state_that_may_still_be_sent_or_was_sent_is_tried_here():
    assert {*UNSENT, *AT_DESTINATION} == {State(name) for name in WAYS if name in set(State)} | {State.WAITING}
    assert {*UNSENT, *AT_DESTINATION, *SETTLED} == set(State)


@pytest.mark.parametrize("way", NOT_SENT)
def test_an_order_cancelled_before_it_was_sent_is_stopped_once_and_read_again(driver, way):
    WAYS[way](driver)
    assert cancel(driver) == RecordedCancellations(sent=0, stopped=1)
    row = driver.row("1")
    assert (row["state"], row["reason"]) == ("waiting", CANCELLED)
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == ["1"], (
        "its source is asked for it before anything else happens"
    )
    assert driver.claim(row["id"]) == {}
    assert tasks(driver) == []
    before = events(driver)
    assert cancel(driver) == RecordedCancellations()
    assert events(driver) == before, "noted once"


@pytest.mark.parametrize("reason", [CANCELLED, NOT_RETURNED])
def test_one_that_waits_to_be_read_again_anyway_is_left_alone(driver, reason):
    waits_for_its_payment(driver)
    force(driver, reason=reason)
    assert cancel(driver) == RecordedCancellations()


def test_one_that_was_read_and_withdrawn_is_left_alone(driver):
    received(driver)
    driver.ledger.source_holds.wait(
        driver.ctx, [SourceHold(driver.work("1"), f"{REASON_PREFIX}state=cancel", ask_again=False)], 0.0
    )
    assert cancel(driver) == RecordedCancellations()
    assert driver.ledger.source_holds.due_for_recheck(NAME, 10) == []


@pytest.mark.parametrize("way", AT_DESTINATION)
def test_an_order_cancelled_while_it_is_sent_becomes_a_task_once_it_is_imported(driver, way):
    WAYS[way](driver)
    assert cancel(driver) == RecordedCancellations(sent=1, stopped=0)
    assert driver.state("1") == way, "the destination may have it"
    if way == "sending":
        driver.settle(driver.work("1").id, SendOutcome.IMPORTED, status=201, oms_id="OMS1")
    elif way == "in_doubt":
        driver.ledger.decisions.settle_in_doubt("N-1", "OMS1", "found in the OMS", "tester")
    assert tasks(driver) == ["N-1"]


@pytest.mark.parametrize("outcome", [SendOutcome.NOT_SENT, SendOutcome.THROTTLED])
def test_an_attempt_that_stored_nothing_is_not_repeated_for_a_cancelled_order(driver, outcome):
    sending(driver)
    assert cancel(driver).sent == 1
    number = driver.work("1").id
    driver.settle(number, outcome)
    assert driver.state("1") == "ready"
    assert driver.claim(number) == {}
    row = driver.row("1")
    assert (row["state"], row["reason"], row["source_cancelled_at"]) == ("waiting", CANCELLED, None)


@pytest.mark.parametrize("way", NOT_SENT)
def test_a_cancellation_that_the_shop_takes_back_lets_the_order_proceed(driver, way):
    WAYS[way](driver)
    cancel(driver)
    driver.receive(offer("1", content_hash="confirmed again"), complete=False)
    assert driver.state("1") == "received"
    driver.make_ready(*driver.resolve())
    assert len(driver.claim(driver.work("1").id)) == 1


@pytest.mark.parametrize("state", [State.SUPERSEDED, State.DISCARDED])
def test_a_settled_order_stays_as_it_is(driver, state):
    received(driver)
    force(driver, state=state)
    try:
        assert cancel(driver) == RecordedCancellations()
        assert driver.state("1") == state
    finally:
        force(driver, state="received")


@pytest.mark.parametrize("way", NOT_SENT)
def test_what_an_operator_brings_back_is_stopped_again_by_the_next_run(driver, way):
    WAYS[way](driver)
    cancel(driver)
    force(driver, state="received", reason="")
    try:
        assert cancel(driver) == RecordedCancellations(sent=0, stopped=1)
        assert driver.state("1") == "waiting"
    finally:
        assert driver.row("1")["reason"] == CANCELLED
