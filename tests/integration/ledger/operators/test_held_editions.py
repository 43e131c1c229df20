"""Operators' decisions on held, doubtful and quarantined orders."""

from __future__ import annotations

import pytest

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError, ValidationIssue
from order_relay.orders.messages import VersionPolicies
from tests.support.offers import offer

NAME = "shop_to_oms"
BAD = [ValidationIssue("bad", "/x", "is wrong")]


def hold(driver):
    driver.imported("1")
    driver.receive(offer("1", content_hash="changed"))
    return driver.work("1").id


def test_discarding_a_held_edition_frees_the_number(driver):
    number = hold(driver)
    assert driver.due() == []
    assert driver.ledger.decisions.decide("N-1", "discard", "a mistake", "ann", shown={number: None}) == [number]
    assert driver.row("1", 2)["state"] == "discarded"
    assert driver.due() == ["N-1"]
    event = driver.row("1", 2)["events"][-1]
    assert (event["who"], event["why"]) == ("ann", "discard: a mistake")


@pytest.mark.parametrize("choice", ["replacement", "separate"])
def test_a_held_edition_continues_in_its_own_lineage(driver, choice):
    number = hold(driver)
    driver.ledger.decisions.decide("N-1", choice, "cancelled there", "ann", shown={number: None}, cancelled=True)
    works = driver.resolve()
    assert [w.id for w in works] == [number]
    assert works[0].lineage != driver.row("1", 1)["lineage"]
    ready = driver.ready_of(works[0], destination_key="KEY-N-1-2")
    assert driver.ledger.payloads.make_ready(driver.ctx, [ready])[0] == [number]
    assert number in driver.claim(number)


def test_a_replacement_that_waits_with_nothing_imported_wins_its_lineage(driver):
    driver.receive(offer("1", lineage="L", items=("A",)), offer("2", lineage="L", items=("X",)))
    assert driver.resolve() == []
    assert (driver.state("1"), driver.state("2")) == ("held", "held")
    driver.ledger.decisions.decide("N-2", "replacement", "same customer", "ann")
    assert [w.source_id for w in driver.resolve()] == ["2"]
    assert driver.state("1") == "superseded", "one answer closes the group"


def test_a_decision_needs_the_versions_that_were_shown(driver):
    number = hold(driver)
    with pytest.raises(ConcurrentUpdateError):
        driver.ledger.decisions.decide("N-1", "discard", "x", "ann", shown=dict.fromkeys((number, number + 1)))
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.decide("N-1", "nonsense", "x", "ann")
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.decide("N-99", "discard", "x", "ann")
    assert driver.row("1", 2)["state"] == "held"


@pytest.mark.parametrize(("oms_id", "state"), [("OMS5", "imported"), (None, "ready")])
def test_an_operator_settles_an_order_in_doubt(driver, oms_id, state):
    number = driver.in_doubt("1")
    assert driver.ledger.decisions.settle_in_doubt("N-1", oms_id, "called them", "ann") == [number]
    row = driver.row("1")
    assert (row["state"], row["oms_id"], row["events"][-1]["who"]) == (state, oms_id, "ann")
    assert row["lookups"][-1]["method"] == "person"
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.settle_in_doubt("N-1", oms_id, "again", "ann")


def test_replay_and_discard_in_bulk(driver):
    driver.receive(*[offer(str(n)) for n in range(1, 5)])
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work(s), BAD) for s in "123"])
    ids = [driver.work(s).id for s in "1234"]
    assert driver.ledger.bulk.replay(driver.ctx, ids[:2], "mapping mended") == 2
    assert driver.ledger.bulk.discard(driver.ctx, ids[2:], "tests") == 1
    assert [driver.state(s) for s in "1234"] == ["received", "received", "discarded", "received"]
    assert len(driver.ledger.versions.resolve(driver.ctx, ids, VersionPolicies())) == 3
