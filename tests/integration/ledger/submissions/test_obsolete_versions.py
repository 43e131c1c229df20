"""An obsolete version ends: refused, and older than a version of the same order that is at the destination."""

from __future__ import annotations

import pytest

from order_relay.errors import ValidationIssue
from order_relay.ledger import LookupFinding
from order_relay.orders.messages import SendOutcome, VersionPolicies
from tests.support.offers import offer

BAD = [ValidationIssue("total_mismatch", "/total", "is wrong")]
OLD = {"lineage": "L", "customer_number": "C-1"}


def refused_and_newer(driver, state="quarantined", **newer):
    """Version 1 is refused, version 2 of the same lineage is ready; the latter's id."""
    driver.receive(offer("1", **OLD))
    if state == "quarantined":
        driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    else:
        (number,) = driver.make_ready(*driver.resolve())[0]
        driver.claim(number)
        driver.settle(number, SendOutcome.REJECTED, status=400)
    assert driver.state("1") == state
    driver.receive(offer("2", **(OLD | newer)))
    works = driver.resolve()
    assert driver.state("1") == state, "not before the newer one is at the destination"
    return driver.make_ready(*works)[0][0] if works else None


def imported_by_load(driver, number):
    driver.claim(number)
    driver.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS2")


def imported_by_look_up(driver, number):
    driver.claim(number, lease_s=-1.0)
    driver.settle(number, SendOutcome.IN_DOUBT, status=503)
    assert driver.look(number, 1, LookupFinding.found("OMS2")) == "imported"


def settled_by_an_operator(driver, number):
    driver.claim(number, lease_s=-1.0)
    driver.settle(number, SendOutcome.IN_DOUBT, status=503)
    driver.ledger.decisions.settle_in_doubt("N-2", "OMS2", "looked", "ann")


def found_before_its_first_post(driver, number):
    assert driver.ledger.preflight.mark_already_imported(driver.ctx, {number: "OMS2"}) == [number]


@pytest.mark.parametrize("state", ["quarantined", "rejected"])
@pytest.mark.parametrize(
    "way",
    [
        imported_by_load,
        imported_by_look_up,
        settled_by_an_operator,
        found_before_its_first_post,
    ],
)
def test_it_is_superseded_and_acknowledged_whichever_way_the_newer_one_was_imported(driver, way, state):
    number = refused_and_newer(driver, state)
    way(driver, number)
    assert driver.due() == ["N-2"]
    assert driver.ledger.versions.supersede_obsolete(driver.ctx, VersionPolicies()) == 1
    assert (driver.state("1"), sorted(driver.due())) == ("superseded", ["N-1", "N-2"])
    assert driver.events("1")[-1] == (state, "superseded")
    assert driver.ledger.versions.supersede_obsolete(driver.ctx, VersionPolicies()) == 0


def test_it_is_superseded_when_it_is_evaluated_again(driver):
    imported_by_load(driver, refused_and_newer(driver))
    driver.ledger.versions.resolve(driver.ctx, [driver.work("1").id], VersionPolicies())
    assert driver.state("1") == "superseded"


def test_what_contradicts_the_imported_one_stays_refused(driver):
    """The two share a uuid and name different customers: nobody knows that they are one order."""
    assert refused_and_newer(driver, customer_number="C-2") is None
    assert driver.row("2")["reason"] == "contradicting_versions"
    driver.ledger.decisions.decide("N-2", "replacement", "they are one order", "ann")
    imported_by_load(driver, driver.make_ready(*driver.resolve())[0][0])
    assert driver.ledger.versions.supersede_obsolete(driver.ctx, VersionPolicies()) == 0
    assert (driver.state("1"), driver.due()) == ("quarantined", ["N-2"])


@pytest.mark.parametrize("unreadable", [{"items": ()}, {"base_number": "", "order_number": ""}])
def test_what_cannot_be_read_of_it_is_no_agreement(driver, unreadable):
    driver.receive(offer("1", **(OLD | unreadable)))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    driver.receive(offer("2", **OLD))
    works = driver.resolve()
    if works:
        imported_by_load(driver, driver.make_ready(*works)[0][0])
    assert driver.ledger.versions.supersede_obsolete(driver.ctx, VersionPolicies()) == 0
    assert driver.state("1") == "quarantined"


def test_the_contradiction_is_on_the_event_without_values(driver):
    driver.receive(
        offer("1", lineage="L", customer_po="11", customer_number="C-1"),
        offer("2", lineage="L", customer_po="22", customer_number="C-2"),
    )
    assert driver.resolve() == []
    for source_id in "12":
        row = driver.row(source_id)
        assert (row["state"], row["reason"]) == ("held", "contradicting_versions")
        assert row["events"][-1]["why"] == "contradicting_versions: different customer number and customer PO"
    assert driver.due() == []


def test_an_order_that_gets_its_uuid_later_joins_its_lineage(driver):
    driver.receive(offer("1", lineage="1"))  # no usable uuid
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    driver.receive(offer("1", lineage="L", content_hash="mended"), offer("2", lineage="L"))
    works = driver.resolve()
    assert [work.source_id for work in works] == ["2"]
    assert (driver.state("1"), driver.row("1")["lineage"]) == ("superseded", "L")


def test_several_acknowledgements_are_confirmed_by_one_answer_that_lacks_them(driver):
    for source_id in "12":
        driver.imported(source_id)
    driver.ledger.acknowledgements.mark_sent(
        driver.ctx, [due.id for due in driver.ledger.acknowledgements.due("shop_to_oms", 10)]
    )
    driver.receive()
    assert [driver.row(source_id)["ack"] for source_id in "12"] == ["confirmed", "confirmed"]
