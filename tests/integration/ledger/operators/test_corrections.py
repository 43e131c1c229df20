"""Corrections in the ledger: what they apply to, how they end, and what they do to the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import ConcurrentUpdateError, ConfigurationError, IllegalTransitionError, ValidationIssue
from order_relay.ledger import Ledger
from order_relay.orders.corrections.correctable_fields import FieldCorrection
from order_relay.orders.messages import Acknowledgement, RunContext
from tests.support.offers import offer

PIPELINE = "shop_to_oms"
ANN = RunContext(PIPELINE, "", "ann")
ZIP = FieldCorrection("ship_postal_code", "8500", "85001")
CITY = FieldCorrection("ship_city", "", "Phoenix")


def quarantined(ledger: Ledger, driver: Any, source_id: str = "1", **changes: Any) -> int:
    driver.receive(offer(source_id, **changes))
    refuse(ledger, driver, source_id)
    return int(driver.work(source_id).id)


def refuse(ledger: Ledger, driver: Any, source_id: str) -> None:
    ledger.validation.quarantine(driver.ctx, [(driver.work(source_id), [ValidationIssue("bad_format", "/zip", "x")])])


def correct(ledger: Ledger, driver: Any, *changes: FieldCorrection, source_id: str = "1", ctx: Any = ANN) -> None:
    work = driver.work(source_id)
    ledger.corrections.correct(ctx, work.id, revision=work.revision, changes=changes, why="customer phoned")


def hold(ledger: Ledger, driver: Any, reason: str, source_id: str = "1") -> None:
    driver.receive(offer(source_id))
    ledger.validation.hold(driver.ctx, [(driver.work(source_id), reason)], {})


def fields(ledger: Ledger, driver: Any, source_id: str = "1") -> list[str]:
    return [one.field for one in ledger.corrections.pending(driver.work(source_id).id)]


def test_a_corrected_order_is_received_again_with_who_and_why(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP, CITY)
    work = driver.work("1")
    assert (work.state, work.corrections) == ("received", {"ship_postal_code": "85001", "ship_city": "Phoenix"})
    assert "85001" not in repr(work)
    event = driver.row("1")["events"][-1]
    assert (event["who"], event["why"]) == ("ann", "correct (ship_postal_code, ship_city): customer phoned")
    (action,) = ledger.activity.of_submission(number)
    assert (action.action, action.details) == ("correct", {"fields": ["ship_postal_code", "ship_city"]})
    stored = ledger.corrections.of([number])[number]
    assert [(one.field, one.old, one.new, one.who, one.applies) for one in stored] == [
        (*ZIP, "ann", True),
        (*CITY, "ann", True),
    ]
    assert [work.corrections for work in ledger.worklist.to_validate(PIPELINE, None)] == [work.corrections]


def test_a_newer_correction_of_a_field_replaces_the_older_one(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    refuse(ledger, driver, "1")
    correct(ledger, driver, ZIP._replace(new="85002"))
    assert driver.work("1").corrections == {"ship_postal_code": "85002"}
    assert [one.ended_as for one in ledger.corrections.of([number])[number]] == ["replaced", ""]


def test_a_stale_view_changes_nothing(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    stale = driver.work("1").revision
    correct(ledger, driver, ZIP)
    for _ in range(2):
        with pytest.raises(ConcurrentUpdateError, match=r"changed since they were shown: N-1 \(now received\)"):
            ledger.corrections.correct(ANN, number, revision=stale, changes=[CITY], why="x")
    assert driver.work("1").corrections == {"ship_postal_code": "85001"}


@pytest.mark.parametrize("name", ["total", "order_number", "discount", "lineage", "quantity", "whatever"])
def test_only_the_closed_list_is_stored(ledger: Ledger, driver: Any, name: str) -> None:
    quarantined(ledger, driver)
    with pytest.raises(ConfigurationError):
        correct(ledger, driver, FieldCorrection(name, "1", "2"))
    assert driver.state("1") == "quarantined"


def test_an_order_at_the_destination_is_not_corrected(ledger: Ledger, driver: Any) -> None:
    driver.imported("1")
    with pytest.raises(IllegalTransitionError, match="the order is imported; only"):
        correct(ledger, driver, ZIP)


def test_a_held_order_stays_held_and_its_review_is_outdated(ledger: Ledger, driver: Any) -> None:
    hold(ledger, driver, "unknown_base")
    shown = {driver.work("1").id: driver.work("1").revision}
    correct(ledger, driver, ZIP)
    assert driver.state("1") == "held"
    with pytest.raises(ConcurrentUpdateError, match="changed since it was shown"):
        ledger.decisions.decide("N-1", "separate", "x", "bob", shown=shown)
    ledger.decisions.decide("N-1", "separate", "x", "bob")
    assert driver.work("1").corrections == {"ship_postal_code": "85001"}


def test_an_order_held_for_its_own_content_is_evaluated_again(ledger: Ledger, driver: Any) -> None:
    """As if the source had sent other content; nobody could release it otherwise."""
    hold(ledger, driver, "card_data_removed")
    correct(ledger, driver, ZIP)
    assert driver.state("1") == "received"


def test_an_evaluation_with_the_former_values_is_not_stored(ledger: Ledger, driver: Any) -> None:
    """A run read the order before it was corrected, or before the correction was withdrawn."""
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    before = driver.work("1")
    ledger.corrections.withdraw(ANN, number, revision=before.revision, fields=["ship_postal_code"], why="wrong")
    assert driver.work("1").corrections == {}
    assert driver.make_ready(before) == ([], [])
    assert driver.state("1") == "received"


def test_a_withdrawal_stops_an_order_that_is_ready(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    assert driver.make_ready(*driver.resolve())[0] == [number]
    work = driver.work("1")
    ledger.corrections.withdraw(ANN, number, revision=work.revision, fields=["ship_postal_code"], why="wrong")
    assert driver.state("1") == "received"
    with pytest.raises(IllegalTransitionError, match="no correction that applies"):
        ledger.corrections.withdraw(
            ANN, number, revision=driver.work("1").revision, fields=["ship_postal_code"], why="again"
        )


def test_a_correction_applies_to_its_content_only(ledger: Ledger, driver: Any) -> None:
    """Other content is not corrected; the same content again is."""
    quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    driver.receive(offer("1", content_hash="hash-new"))
    assert (driver.work("1").corrections, fields(ledger, driver)) == ({}, ["ship_postal_code"])
    driver.receive(offer("1"))
    assert (driver.work("1").corrections, fields(ledger, driver)) == ({"ship_postal_code": "85001"}, [])


def test_eligibility_is_not_content(ledger: Ledger, driver: Any) -> None:
    """A corrected order whose payment arrives stays corrected."""
    quarantined(ledger, driver, content_hash="reading-content.open")
    correct(ledger, driver, ZIP)
    driver.receive(offer("1", content_hash="reading-content.paid"))
    assert driver.work("1").corrections == {"ship_postal_code": "85001"}


def test_corrections_survive_a_change_of_the_mapping(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver, content_hash="before-content.gate")
    correct(ledger, driver, ZIP)
    ledger.fingerprints.replace_outdated({number: ("before-content.gate", "after-content.gate")})
    assert driver.work("1").corrections == {"ship_postal_code": "85001"}


def test_a_correction_of_earlier_content_is_dismissed_once(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP, CITY)
    driver.receive(offer("1", content_hash="hash-new"))
    work = driver.work("1")
    ledger.corrections.dismiss(ANN, number, revision=work.revision, fields=["ship_city"], why="fixed there")
    assert fields(ledger, driver) == ["ship_postal_code"]
    with pytest.raises(IllegalTransitionError, match="no correction is waiting for confirmation: ship_city"):
        ledger.corrections.dismiss(ANN, number, revision=work.revision, fields=["ship_city"], why="again")
    driver.receive(offer("1", content_hash="hash-newer"))
    assert fields(ledger, driver) == ["ship_city", "ship_postal_code"], "decided for one content only"


def test_a_newer_version_shows_the_corrections_of_the_older_one(ledger: Ledger, driver: Any) -> None:
    """Both as a further edition of a source id, and as a submission of its own in the same lineage."""
    quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    driver.claim(*driver.make_ready(*driver.resolve())[0])
    newer = offer("2", lineage=driver.row("1")["lineage"], order_number="N-1-2", version=2)
    driver.receive(newer)
    assert (driver.work("2").corrections, fields(ledger, driver, "2")) == ({}, ["ship_postal_code"])
    assert driver.work("1").corrections == {"ship_postal_code": "85001"}


def test_retention_removes_the_values_and_keeps_who_and_when(ledger: Ledger, driver: Any) -> None:
    number = quarantined(ledger, driver)
    correct(ledger, driver, ZIP)
    work = driver.work("1")
    refuse(ledger, driver, "1")
    ledger.bulk.discard(driver.ctx, [work.id], "x")
    due = [entry.id for entry in ledger.acknowledgements.due(PIPELINE, 100)]
    ledger.acknowledgements.mark_sent(driver.ctx, due)
    ledger.acknowledgements.record_answers(driver.ctx, dict.fromkeys(due, Acknowledgement(accepted=True)))
    later = datetime.now(UTC) + timedelta(days=1)
    assert list(ledger.retention.with_personal_data(PIPELINE, later)) == [number]
    ledger.retention.remove_personal_data(PIPELINE, later, 10)
    assert list(ledger.retention.with_personal_data(PIPELINE, later)) == []
    (left,) = ledger.corrections.of([number])[number]
    assert (left.field, left.old, left.new, left.who, left.why) == ("ship_postal_code", None, None, "ann", "")
    assert driver.work("1").corrections == {"ship_postal_code": None}
