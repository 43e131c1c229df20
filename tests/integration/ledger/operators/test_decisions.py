"""What people decide, on both kinds of database: confirmations, lineages, keys, and orders handled elsewhere."""

from __future__ import annotations

import pandas as pd
import pytest

from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError
from order_relay.ledger import BatchInfo
from order_relay.orders.messages import SendOutcome, VersionPolicies
from tests.support.offers import offer

NAME = "shop_to_oms"


def held_edition(driver, hash_="changed"):
    driver.imported("1", "OMS1")
    driver.receive(offer("1", content_hash=hash_))
    return driver.work("1").id


def test_a_replacement_needs_confirmation_that_the_old_order_is_cancelled(driver):
    number = held_edition(driver)
    with pytest.raises(IllegalTransitionError, match="OMS1"):
        driver.ledger.decisions.decide("N-1", "replacement", "new quantities", "ann")
    assert driver.ledger.decisions.decide("N-1", "replacement", "new quantities", "ann", cancelled=True) == [number]
    why = driver.row("1", 2)["events"][-1]["why"]
    assert why == "replacement (confirmed: the old order is cancelled at the destination: OMS1): new quantities"
    assert driver.row("1", 2)["events"][-1]["who"] == "ann"


def test_an_order_in_doubt_cannot_be_replaced(driver):
    driver.in_doubt("1")
    driver.receive(offer("2", order_number="N-1", lineage="other"))
    with pytest.raises(IllegalTransitionError, match="settle it first"):
        driver.ledger.decisions.decide("N-1", "replacement", "x", "ann", cancelled=True)
    assert driver.state("2") == "held"


def test_a_replacement_takes_the_place_of_all_that_were_held_with_it(driver):
    """Two ids of one number, of two uuids: only the newest is sent, and both numbers are free once it is imported."""
    driver.receive(offer("1"), offer("2", order_number="N-1"))
    driver.ledger.decisions.decide("N-1", "replacement", "the same order", "ann")
    works = driver.resolve()
    assert [work.source_id for work in works] == ["2"]
    assert (driver.state("1"), driver.state("2")) == ("superseded", "received")
    driver.make_ready(*works)
    driver.claim(works[0].id)
    assert driver.due() == []
    driver.settle(works[0].id, SendOutcome.IMPORTED, status=201, oms_id="OMS2")
    assert driver.due() == ["N-1"]


def test_separate_orders_of_one_number_have_keys_of_their_own(driver):
    driver.receive(offer("1"), offer("2", order_number="N-1"))
    driver.ledger.decisions.decide("N-1", "separate", "two orders", "ann")
    works = driver.resolve()
    assert [work.source_id for work in works] == ["1", "2"]
    assert driver.ledger.payloads.key_suffixes([work.id for work in works]) == {works[1].id: "/id-2"}


def test_a_further_edition_has_a_key_of_its_own_and_others_have_not(driver):
    number = held_edition(driver)
    driver.ledger.decisions.decide("N-1", "separate", "x", "ann")
    driver.receive(offer("3"))
    ids = [driver.row("1", 1)["id"], number, driver.work("3").id]
    assert driver.ledger.payloads.key_suffixes(ids) == {number: "/2"}


def test_a_version_with_a_number_of_its_own_keeps_it(driver):
    driver.imported("1")
    driver.receive(offer("2", order_number="N-1-1", base_number="N-1", suffix=1, lineage="L1"))
    assert driver.resolve() == []
    driver.ledger.decisions.decide("N-1-1", "replacement", "x", "ann", cancelled=True)
    (work,) = driver.resolve()
    assert driver.ledger.payloads.key_suffixes([work.id]) == {}


def test_a_decision_can_be_about_one_pipeline(driver):
    held_edition(driver)
    with pytest.raises(IllegalTransitionError):
        driver.ledger.decisions.decide("N-1", "discard", "x", "ann", pipeline="other")
    assert driver.ledger.decisions.decide("N-1", "discard", "x", "ann", pipeline=NAME)


def test_a_lookup_result_cannot_assign_one_id_to_two_orders(driver):
    driver.imported("1", "OMS1")
    driver.in_doubt("2")
    for wrong in ("OMS1", "", " "):
        with pytest.raises(IllegalTransitionError):
            driver.ledger.decisions.settle_in_doubt("N-2", wrong, "x", "ann")
    assert driver.ledger.decisions.settle_in_doubt("N-2", "OMS2", "x", "ann", pipeline=NAME)


def test_what_a_run_imported_can_be_listed(driver, driver_class):
    driver.imported("1", "OMS1")
    other = driver_class(driver.ledger, "run-2")
    driver.ledger.runs.begin(other.ctx, "scheduled", 0)
    other.batches = iter([7, 8, 9])
    other.imported("2", "OMS2")
    assert [row["oms_id"] for row in driver.ledger.queries.imported_by("run-2")] == ["OMS2"]
    assert [row["order_number"] for row in driver.ledger.queries.imported_by("run-1", NAME)] == ["N-1"]
    assert driver.ledger.queries.imported_by("run-1", "other") == []


def baseline(driver, *offers, acknowledge=False, name="base", keep=()):
    rows = [row | {"part": 0, "row": n} for n, row in enumerate(offers)]
    frame = pd.DataFrame(rows)
    for column in ("suffix", "items"):
        frame[column] = pd.Series([row[column] for row in rows], dtype=object)
    info = BatchInfo(name, f"{name}/manifest.json", len(rows), pd.Timestamp.now("UTC").to_pydatetime())
    return driver.ledger.bulk.take_baseline(
        driver.ctx, info, frame, "t1", reason="cut-over", acknowledge=acknowledge, keep=keep
    )


def test_a_baseline_discards_offered_orders_and_keeps_imported_ones(driver):
    driver.imported("1")
    driver.all_ready("2")
    counts = baseline(driver, offer("1"), offer("2"), offer("3"))
    assert counts == {"offered": 3, "discarded": 2, "discarded_before": 0, "kept": 1, "waiting": 0}
    assert [driver.state(s) for s in "123"] == ["imported", "discarded", "discarded"]
    assert driver.due() == ["N-1"]
    assert driver.ledger.claims.ready(NAME) == []
    driver.receive(offer("1"), offer("2"), offer("3"))
    assert driver.due() == ["N-1"]


def test_a_baseline_keeps_unreadable_orders(driver):
    counts = baseline(driver, offer("1"), offer("2"), keep=["2"])
    assert (counts["discarded"], counts["waiting"]) == (1, 1)
    assert [driver.state(s) for s in "12"] == ["discarded", "received"]


def test_a_baseline_can_be_acknowledged_immediately_or_later(driver):
    baseline(driver, offer("1"))
    assert driver.due() == []
    assert baseline(driver, offer("1"), acknowledge=True, name="again")["discarded_before"] == 1
    assert driver.due() == ["N-1"]
    baseline(driver, offer("1"), name="third")
    assert driver.due() == []


def test_after_a_baseline_changes_and_newer_versions_need_a_decision(driver):
    """Older scripts brought it to the destination: what comes later may be the same order."""
    baseline(driver, offer("1", lineage="L"), offer("2"))
    driver.receive(
        offer("1", lineage="L", content_hash="changed"),
        offer("3", lineage="L2", order_number="N-2-1", base_number="N-2", suffix=1),
    )
    assert driver.resolve() == []
    assert (driver.row("1", 2)["state"], driver.row("3")["reason"]) == ("held", "newer_than_imported")
    with pytest.raises(IllegalTransitionError, match="imported elsewhere"):
        driver.ledger.decisions.decide("N-1", "replacement", "x", "ann")
    driver.ledger.decisions.decide("N-1", "replacement", "x", "ann", cancelled=True)
    (work,) = driver.resolve()
    assert driver.ledger.payloads.key_suffixes([work.id]) == {work.id: "/2"}


def test_an_older_version_of_a_baseline_is_superseded(driver):
    baseline(driver, offer("5", lineage="L"))
    driver.receive(offer("4", lineage="L"))
    assert driver.resolve(VersionPolicies()) == []
    assert driver.state("4") == "superseded"


def test_a_decision_about_what_changed_since_it_was_shown_is_refused(driver):
    driver.imported("1")
    driver.receive(offer("1", content_hash="second"))
    seen = driver.row("1", 2)
    driver.receive(offer("1", content_hash="third"))
    with pytest.raises(ConcurrentUpdateError, match="has changed"):
        driver.ledger.decisions.decide("N-1", "discard", "seen", "ann", shown={seen["id"]: seen["revision"]})
    now = driver.row("1", 2)
    assert driver.ledger.decisions.decide("N-1", "discard", "seen", "ann", shown={now["id"]: now["revision"]}) == [
        now["id"]
    ]
    assert driver.ledger.decisions.already_decided([now["id"]], "discard", "seen", "ann")
    assert not driver.ledger.decisions.already_decided([now["id"]], "discard", "another reason", "ann")
    assert not driver.ledger.decisions.already_decided([now["id"], 999], "discard", "seen", "ann")


def test_a_finding_about_another_attempt_than_was_shown_is_refused(driver):
    number = driver.in_doubt("1")
    with pytest.raises(ConcurrentUpdateError, match="a newer attempt of this order"):
        driver.ledger.decisions.settle_in_doubt("N-1", None, "looked", "ann", shown={number: 2})
    assert driver.ledger.decisions.settle_in_doubt("N-1", None, "looked", "ann", shown={number: 1}) == [number]
    assert driver.ledger.decisions.already_decided([number], "absent", "looked", "ann")
