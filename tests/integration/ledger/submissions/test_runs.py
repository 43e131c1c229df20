"""Binding, sequence numbers and the start with a past, resting."""

from __future__ import annotations

import pytest

from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.submissions import runs
from order_relay.orders.messages import RunContext
from tests.support.offers import offer

SOURCE, DESTINATION = "source:https://shop.example/a", "oms:https://oms.example/1"
NAME = "shop_to_oms"


def test_two_processes_bind_at_the_same_moment(ledger, monkeypatch):
    seen, look = [], runs._pipeline

    def nobody_yet(tx, name, **more):
        seen.append(name)
        return None if len(seen) <= 2 else look(tx, name, **more)

    monkeypatch.setattr(runs, "_pipeline", nobody_yet)
    ledger.runs.bind(NAME, SOURCE, DESTINATION)
    assert seen == [NAME] * 3


def test_binding_again_is_harmless_and_another_pair_is_refused(ledger):
    ledger.runs.bind(NAME, SOURCE, DESTINATION)
    with pytest.raises(ConfigurationError, match="start a new pipeline"):
        ledger.runs.bind(NAME, SOURCE, "oms:https://oms.example/2")
    with pytest.raises(ConfigurationError):
        ledger.runs.bind(NAME, "source:https://shop.example/b", DESTINATION)


def test_two_pipelines_over_the_same_accounts_are_refused(ledger):
    with pytest.raises(ConfigurationError, match="twice"):
        ledger.runs.bind("another", SOURCE, DESTINATION)
    ledger.runs.bind("another", "source:https://shop.example/b", DESTINATION)


def test_an_unbound_pipeline_cannot_run(ledger):
    with pytest.raises(ConfigurationError, match="bind"):
        ledger.runs.begin(RunContext("unknown", "r"), "scheduled", 0)


def test_sequence_grows_and_a_retry_keeps_its_number(ledger):
    assert ledger.runs.last_sequence(NAME) == 0
    first = ledger.runs.begin(RunContext(NAME, "a"), "scheduled", 0)
    second = ledger.runs.begin(RunContext(NAME, "b"), "manual", first)
    assert (first, second) == (1, 2)
    assert ledger.runs.begin(RunContext(NAME, "b"), "manual", first) == 2
    assert ledger.runs.begin(RunContext(NAME, "b"), "manual", second) == 2
    assert ledger.runs.advance_sequence(NAME) == 3
    assert ledger.runs.last_sequence(NAME) == 3
    ledger.runs.end(RunContext(NAME, "b"), {"imported": 3})


def test_a_new_ledger_proves_its_first_orders_and_only_those(driver):
    first = driver.all_ready("1")
    assert driver.ledger.preflight.unverified(NAME) == first, "a new ledger does not know what was sent before it"
    driver.ledger.runs.begin(RunContext(NAME, "run-2"), "scheduled", 1)
    driver.all_ready("2")
    assert driver.ledger.preflight.unverified(NAME) == first, (
        "the first complete answer held all that could have a past"
    )


def test_a_selection_does_not_end_the_start_with_a_past(driver):
    driver.receive(offer("1"), complete=False)
    driver.receive(offer("2"))
    ids = driver.make_ready(*driver.resolve())[0]
    assert driver.ledger.preflight.unverified(NAME) == ids


def test_a_ledger_behind_the_store_proves_everything_not_imported(driver):
    driver.imported("1")
    ready = driver.all_ready("2")
    driver.ledger.preflight.mark_verified(driver.ctx, ready)
    assert driver.ledger.preflight.unverified(NAME) == []
    number = driver.ledger.runs.begin(RunContext(NAME, "run-2"), "scheduled", store_sequence=7)
    assert number == 8, "past what the store has seen"
    assert driver.ledger.preflight.unverified(NAME) == ready
    driver.receive(offer("3"))
    assert len(driver.ledger.preflight.unverified(NAME)) == 1
    ids = driver.make_ready(*driver.resolve())[0]
    assert driver.ledger.preflight.unverified(NAME) == ready + ids


def test_a_run_in_step_with_the_store_proves_nothing_again(driver):
    ready = driver.all_ready("1")
    driver.ledger.preflight.mark_verified(driver.ctx, ready)
    driver.ledger.runs.begin(RunContext(NAME, "run-2"), "scheduled", store_sequence=1)
    assert driver.ledger.preflight.unverified(NAME) == []
    driver.ledger.runs.begin(RunContext(NAME, "run-3"), "scheduled", store_sequence=2, behind=True)
    assert driver.ledger.preflight.unverified(NAME) == ready


def test_found_before_its_first_post_means_imported(driver):
    one, two = driver.all_ready("1", "2")
    assert driver.ledger.preflight.mark_already_imported(driver.ctx, {one: "OMS77"}, "external_id") == [one]
    driver.ledger.preflight.mark_verified(driver.ctx, [two])
    assert driver.ledger.preflight.unverified(NAME) == []
    assert driver.row("1")["state"] == "imported"
    assert driver.row("1")["oms_id"] == "OMS77"
    assert driver.events("1")[-2:] == [("ready", "sending"), ("sending", "imported")]
    assert driver.row("1")["attempts"] == [], "nothing was sent"
    assert driver.due() == ["N-1"]
    assert driver.ledger.preflight.mark_already_imported(driver.ctx, {one: "OMS78"}, "external_id") == []


def test_a_pipeline_is_suspended_until_resumed(ledger):
    assert ledger.runs.suspended_for(NAME) is None
    ledger.runs.suspend(NAME, "fp-1", "refused the login")
    assert ledger.runs.suspended_for(NAME) == "fp-1"
    ledger.runs.resume(NAME)
    assert ledger.runs.suspended_for(NAME) is None


def test_a_second_process_sees_the_same(ledger, ledger_url):
    ledger.runs.suspend(NAME, "fp-1", "refused")
    other = Ledger.open(ledger_url)
    assert other.runs.suspended_for(NAME) == "fp-1"
    other.close()
