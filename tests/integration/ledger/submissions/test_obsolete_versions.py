"""An obsolete version ends: refused, and older than a version of the same order that is at the destination."""

from __future__ import annotations

import pytest

from order_relay.errors import ValidationIssue
from order_relay.ledger import LookupFinding
from order_relay.orders.messages import SendOutcome, VersionPolicies
from tests.support.offers import offer

BAD = [ValidationIssue("total_mismatch", "/total", "is wrong")]
OLD = {"lineage": "L", "customer_number": "C-1"}


def refused_and_newer(clerk, state="quarantined", **newer):
    """Version 1 is refused, version 2 of the same lineage is ready; the latter's id."""
    clerk.receive(offer("1", **OLD))
    if state == "quarantined":
        clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    else:
        (number,) = clerk.make_ready(*clerk.resolve())[0]
        clerk.claim(number)
        clerk.settle(number, SendOutcome.REJECTED, status=400)
    assert clerk.state("1") == state
    clerk.receive(offer("2", **(OLD | newer)))
    works = clerk.resolve()
    assert clerk.state("1") == state, "not before the newer one is at the destination"
    return clerk.make_ready(*works)[0][0] if works else None


def imported_by_load(clerk, number):
    clerk.claim(number)
    clerk.settle(number, SendOutcome.IMPORTED, status=201, oms_id="OMS2")


def imported_by_look_up(clerk, number):
    clerk.claim(number, lease_s=-1.0)
    clerk.settle(number, SendOutcome.IN_DOUBT, status=503)
    assert clerk.look(number, 1, LookupFinding.found("OMS2")) == "imported"


def settled_by_an_operator(clerk, number):
    clerk.claim(number, lease_s=-1.0)
    clerk.settle(number, SendOutcome.IN_DOUBT, status=503)
    clerk.ledger.decisions.settle_in_doubt("N-2", "OMS2", "looked", "ann")


def found_before_its_first_post(clerk, number):
    assert clerk.ledger.preflight.mark_already_imported(clerk.ctx, {number: "OMS2"}) == [number]


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
def test_it_is_superseded_and_acknowledged_whichever_way_the_newer_one_was_imported(clerk, way, state):
    number = refused_and_newer(clerk, state)
    way(clerk, number)
    assert clerk.due() == ["N-2"]
    assert clerk.ledger.versions.supersede_obsolete(clerk.ctx, VersionPolicies()) == 1
    assert (clerk.state("1"), sorted(clerk.due())) == ("superseded", ["N-1", "N-2"])
    assert clerk.events("1")[-1] == (state, "superseded")
    assert clerk.ledger.versions.supersede_obsolete(clerk.ctx, VersionPolicies()) == 0


def test_it_is_superseded_when_it_is_evaluated_again(clerk):
    imported_by_load(clerk, refused_and_newer(clerk))
    clerk.ledger.versions.resolve(clerk.ctx, [clerk.work("1").id], VersionPolicies())
    assert clerk.state("1") == "superseded"


def test_what_contradicts_the_imported_one_stays_refused(clerk):
    """The two share a uuid and name different customers: nobody knows that they are one order."""
    assert refused_and_newer(clerk, customer_number="C-2") is None
    assert clerk.row("2")["reason"] == "contradicting_versions"
    clerk.ledger.decisions.decide("N-2", "replacement", "they are one order", "ann")
    imported_by_load(clerk, clerk.make_ready(*clerk.resolve())[0][0])
    assert clerk.ledger.versions.supersede_obsolete(clerk.ctx, VersionPolicies()) == 0
    assert (clerk.state("1"), clerk.due()) == ("quarantined", ["N-2"])


@pytest.mark.parametrize("unreadable", [{"items": ()}, {"base_number": "", "order_number": ""}])
def test_what_cannot_be_read_of_it_is_no_agreement(clerk, unreadable):
    clerk.receive(offer("1", **(OLD | unreadable)))
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    clerk.receive(offer("2", **OLD))
    works = clerk.resolve()
    if works:
        imported_by_load(clerk, clerk.make_ready(*works)[0][0])
    assert clerk.ledger.versions.supersede_obsolete(clerk.ctx, VersionPolicies()) == 0
    assert clerk.state("1") == "quarantined"


def test_the_contradiction_is_on_the_event_without_values(clerk):
    clerk.receive(
        offer("1", lineage="L", customer_po="11", customer_number="C-1"),
        offer("2", lineage="L", customer_po="22", customer_number="C-2"),
    )
    assert clerk.resolve() == []
    for source_id in "12":
        row = clerk.row(source_id)
        assert (row["state"], row["reason"]) == ("held", "contradicting_versions")
        assert row["events"][-1]["why"] == "contradicting_versions: different customer number and customer PO"
    assert clerk.due() == []


def test_an_order_that_gets_its_uuid_later_joins_its_lineage(clerk):
    clerk.receive(offer("1", lineage="1"))  # no usable uuid
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    clerk.receive(offer("1", lineage="L", content_hash="mended"), offer("2", lineage="L"))
    works = clerk.resolve()
    assert [work.source_id for work in works] == ["2"]
    assert (clerk.state("1"), clerk.row("1")["lineage"]) == ("superseded", "L")


def test_several_acknowledgements_are_confirmed_by_one_answer_that_lacks_them(clerk):
    for source_id in "12":
        clerk.imported(source_id)
    clerk.ledger.acknowledgements.mark_sent(
        clerk.ctx, [due.id for due in clerk.ledger.acknowledgements.due("shop_to_oms", 10)]
    )
    clerk.receive()
    assert [clerk.row(source_id)["ack"] for source_id in "12"] == ["confirmed", "confirmed"]
