"""Shipments in the ledger, on both kinds of database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from order_relay.errors import IllegalTransitionError
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.messages import RunContext, SendOutcome
from tests.support.offers import offer

WHO = RunContext("", "", "shiprush")
ORDERED = [OrderedLine("1", "MUG", 4), OrderedLine("2", "CUP", 2)]
LEFT = datetime(2026, 5, 1, 15, 12, tzinfo=UTC)


def parcel(key="k1", number=None, lines=(), tracking="", **fields):
    """A parcel with a tracking number of its own, unless one is given."""
    return Shipment(
        "shiprush",
        key,
        ("N-1",),
        "UPS",
        "Ground",
        tracking or f"1Z9{key}",
        LEFT,
        815,
        "USD",
        tuple(lines),
        number,
        **fields,
    )


def test_units_are_counted_until_all_are_shipped_and_the_state_stays(driver):
    number = driver.imported("1")
    first = driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(3, "1")]), ORDERED, "a notice")
    assert (first.outcome, first.shipped, first.progress.shipped) == ("recorded", "partly", 3)
    last = driver.ledger.shipments.record(
        WHO, parcel("k2", number, [ShippedLine(1, "1"), ShippedLine(2, "2")]), ORDERED
    )
    assert (last.shipped, last.progress.complete) == ("shipped", True)
    row = driver.row("1")
    assert (row["state"], row["shipped"], row["shipped_at"]) == ("imported", "shipped", LEFT)
    assert [len(s["lines"]) for s in row["shipments"]] == [1, 2]
    kept = row["shipments"][0]
    assert (kept["tracking_number"], kept["cost_minor"], kept["currency"], kept["who"], kept["why"]) == (
        "1Z9k1",
        815,
        "USD",
        "shiprush",
        "a notice",
    )


def counted(driver, number):
    """The parcels of an order that count, by their ids."""
    return [p["id"] for p in driver.ledger.shipments.of_order(number) if not p["asks"] and not p["closed"]]


def test_the_same_notice_again_changes_nothing(driver):
    number = driver.imported("1")
    driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(3, "1")]), ORDERED)
    before = driver.row("1")
    again = driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(3, "1")]), ORDERED)
    assert (again.outcome, again.shipped) == ("known", "partly")
    assert driver.row("1") == before


@pytest.mark.parametrize("matched", [True, False])
def test_concurrent_notices_at_several_servers_are_one_parcel(driver, matched):
    """Several API servers have one ledger: all notices are answered, and one parcel is kept."""
    number = driver.imported("1") if matched else None
    forms = [
        parcel("k1", number, [ShippedLine(3, "1")], "1Z9"),
        parcel("k2", number, [ShippedLine(3, "", "MUG")], "1z 9"),
    ]
    together = threading.Barrier(6)

    def record(shipment):
        together.wait(60)
        return driver.ledger.shipments.record(WHO, shipment, ORDERED).outcome

    with ThreadPoolExecutor(6) as servers:
        outcomes = sorted(servers.map(record, forms * 3 if matched else forms[:1] * 6))
    assert outcomes == (["known"] * 5 + ["recorded"] if matched else ["unmatched"] * 6)
    assert len(driver.ledger.shipments.recent()) == 1
    if matched:
        assert len(counted(driver, number)) == 1
        assert driver.row("1")["shipped"] == "partly"


def test_the_same_parcel_in_another_format_is_recognized(driver):
    number = driver.imported("1")
    driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")], "1Z 9"), ORDERED)
    forms = [
        parcel("k2", number, [ShippedLine(1, "1")], "1z9"),
        parcel("k3", number, [ShippedLine(1, "", "MUG")], "1Z9"),
        replace(parcel("k4", number, [ShippedLine(1, "1")], " 1Z9 "), origin="person", carrier="DHL"),
    ]
    assert {driver.ledger.shipments.record(WHO, form, ORDERED).outcome for form in forms} == {"known"}
    assert len(driver.ledger.shipments.of_order(number)) == 1


def test_the_same_tracking_number_with_other_lines_is_kept_and_asked(driver):
    number = driver.imported("1")
    first = driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")], "1Z9"), ORDERED)
    for _ in range(2):
        second = driver.ledger.shipments.record(WHO, parcel("k2", number, [ShippedLine(2, "1")], "1Z9"), ORDERED)
        assert (second.outcome, second.shipped) == ("asked", "partly")
        assert str(first.shipment_id) in second.asks
    assert len(driver.ledger.shipments.of_order(number)) == 2
    assert counted(driver, number) == [first.shipment_id]
    assert [row["id"] for row in driver.ledger.shipments.recent(unmatched=True)] == [second.shipment_id]
    waiting, oldest, (row,) = driver.ledger.shipments.waiting()
    assert (waiting, oldest, row["id"]) == (1, row["recorded_at"], second.shipment_id)


@pytest.mark.parametrize("placeholder", ["N/A", "none", "0", " ", "-", "0000", "TBD", "not available", "6.12E+11"])
def test_a_placeholder_never_identifies_a_parcel(driver, placeholder):
    number = driver.imported("1")
    assert (
        driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")], placeholder), ORDERED).outcome
        == "recorded"
    )
    for lines in ([ShippedLine(1, "2")], [ShippedLine(1, "1")]):
        shipment = parcel(f"k-{lines}", number, lines, placeholder)
        assert driver.ledger.shipments.record(WHO, shipment, ORDERED).outcome == "asked"
    assert len(driver.ledger.shipments.of_order(number)) == 3
    assert len(counted(driver, number)) == 1


def test_an_operator_counts_corrects_or_drops_what_was_asked(driver):
    number = driver.imported("1")
    first = driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")], "1Z9"), ORDERED)
    second = driver.ledger.shipments.record(WHO, parcel("k2", number, [ShippedLine(2, "1")], "1Z9"), ORDERED)
    third = driver.ledger.shipments.record(WHO, parcel("k3", number, [ShippedLine(4, "1")], "1Z9"), ORDERED)
    done = driver.ledger.shipments.match(second.shipment_id, number, ORDERED, instead_of=first.shipment_id)
    assert (done.progress.shipped, counted(driver, number)) == (2, [second.shipment_id])
    driver.ledger.shipments.dismiss(third.shipment_id, "a duplicate")
    assert driver.ledger.shipments.recent(unmatched=True) == []
    for again in ("k1", "k3"):
        assert driver.ledger.shipments.record(WHO, parcel(again, number), ORDERED).outcome == "known"
    for wrong in (
        lambda: driver.ledger.shipments.dismiss(third.shipment_id, "x"),
        lambda: driver.ledger.shipments.match(third.shipment_id, number, ORDERED),
        lambda: driver.ledger.shipments.match(second.shipment_id, number, ORDERED, first.shipment_id),
    ):
        with pytest.raises(IllegalTransitionError):
            wrong()
    assert counted(driver, number) == [second.shipment_id]


def test_an_unmatched_copy_of_a_recorded_parcel_is_closed_when_its_order_is_found(driver):
    driver.ledger.shipments.record(WHO, parcel("k1", None, [ShippedLine(1, "1")], "1Z9"), None)
    number = driver.imported("1")
    driver.ledger.shipments.record(WHO, parcel("k2", number, [ShippedLine(1, "1")], "1Z9"), ORDERED)
    assert (
        driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")], "1Z9"), ORDERED).outcome
        == "known"
    )
    assert driver.ledger.shipments.recent(unmatched=True) == []
    assert len(counted(driver, number)) == 1


def test_two_forms_of_a_parcel_at_the_same_time_are_recorded_once(driver):
    number = driver.imported("1")
    outcomes: list[str] = []

    def record_one(form):
        shipment = parcel(f"k{form}", number, [ShippedLine(1, "1")], "1Z 9" if form % 2 else "1z9")
        outcomes.append(driver.ledger.shipments.record(WHO, shipment, ORDERED).outcome)

    threads = [threading.Thread(target=record_one, args=(form,)) for form in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["known", "known", "known", "recorded"]
    assert len(driver.ledger.shipments.of_order(number)) == 1


def test_concurrent_reports_are_recorded_once(driver):
    number = driver.imported("1")
    shipment: list[str] = []

    def record_one():
        shipment.append(
            driver.ledger.shipments.record(WHO, parcel("k1", number, [ShippedLine(1, "1")]), ORDERED).outcome
        )

    threads = [threading.Thread(target=record_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(shipment) == ["known", "known", "known", "recorded"]
    assert len(driver.ledger.shipments.of_order(number)) == 1


def test_without_order_lines_completeness_is_unknown(driver):
    number = driver.imported("1")
    assert driver.ledger.shipments.record(WHO, parcel("k1", number), None).shipped == "partly"


def test_what_fits_no_order_is_kept_and_can_be_given_to_one(driver):
    kept = driver.ledger.shipments.record(WHO, parcel("k1"), None)
    assert (kept.outcome, kept.submission_id) == ("unmatched", None)
    assert driver.ledger.shipments.record(WHO, parcel("k1"), None).outcome == "unmatched"
    (row,) = driver.ledger.shipments.recent(unmatched=True)
    assert (row["id"], row["words"]) == (kept.shipment_id, ["N-1"])
    number, other = driver.imported("1"), driver.imported("2")
    assert driver.ledger.shipments.match(kept.shipment_id, number, ORDERED).shipped == "shipped"
    assert driver.ledger.shipments.recent(unmatched=True) == []
    for wrong in ((kept.shipment_id, other), (999, number), (kept.shipment_id, 999)):
        with pytest.raises(IllegalTransitionError):
            driver.ledger.shipments.match(*wrong, ORDERED)


def test_a_repeated_unmatched_notice_finds_its_order(driver):
    driver.ledger.shipments.record(WHO, parcel("k1"), None)
    number = driver.imported("1")
    again = driver.ledger.shipments.record(WHO, parcel("k1", number), ORDERED)
    assert (again.outcome, again.shipped) == ("recorded", "shipped")
    assert len(driver.ledger.shipments.recent()) == 1


def test_an_order_is_found_by_what_names_only_it(driver):
    number = driver.imported("1", "OMS1")
    driver.receive(offer("7"))
    for word in ("N-1", "KEY-N-1", "OMS1"):
        assert driver.ledger.order_references.match(["", "nobody", word]).work.id == number
    assert driver.ledger.order_references.match(["N-7"]).work.state == "received"
    assert driver.ledger.order_references.match(["N-1"], pipelines=["another"]).work is None
    driver.receive(offer("1", content_hash="changed"))
    assert driver.ledger.order_references.match(["N-1"]).work.id == number, "what is at the destination comes first"
    driver.ledger.decisions.decide("N-1", "replacement", "new quantities", "ann", cancelled=True)
    assert driver.row("1")["cancelled_at"] is not None
    assert driver.ledger.order_references.match(["N-1"]).work.id != number, "a cancelled order is not shipped"


def test_two_orders_of_one_number_are_distinguished_by_their_keys_only(driver):
    first = driver.imported("1")
    driver.receive(offer("1", content_hash="changed"))
    driver.ledger.decisions.decide("N-1", "separate", "a second order", "ann")
    (work,) = driver.resolve()
    driver.ledger.payloads.make_ready(driver.ctx, [driver.ready_of(work, destination_key="KEY-N-1/2")])
    driver.claim(work.id)
    assert driver.ledger.order_references.match(["N-1"]).work is None
    assert driver.ledger.order_references.match(["KEY-N-1"]).work.id == first
    assert driver.ledger.order_references.match(["KEY-N-1/2"]).work.id == work.id
    driver.settle(work.id, SendOutcome.IMPORTED, status=201, oms_id="OMS-B")
