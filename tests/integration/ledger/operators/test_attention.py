"""What needs attention: by reason and age; assigned, out of sight, and resolved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.errors import ConcurrentUpdateError, ConfigurationError, ValidationIssue
from order_relay.ledger import Ledger
from order_relay.ledger.operators.attention import CORRECTION_WAITS, AttentionGroup
from order_relay.ledger.operators.attention_sources import AttentionRules
from order_relay.ledger.operators.shown import shown_revision
from order_relay.ledger.write_back.due_steps import OMS_NUMBER
from order_relay.ledger.write_back.feedback import FeedbackStep
from order_relay.orders.corrections.correctable_fields import FieldCorrection
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import Acknowledgement, RunContext, SendOutcome
from tests.support.offers import offer

PIPELINE = "shop_to_oms"
NAMES = {PIPELINE}
RULES = AttentionRules({PIPELINE: 3600.0}, ("resends_exhausted",))
SOON = datetime.now(UTC) + timedelta(hours=2)


def groups(ledger: Ledger, rules: AttentionRules = RULES, *, snoozed: bool = False) -> list[tuple[str, str, int]]:
    return [
        (one.kind, one.reason, one.number) for one in ledger.attention.groups(NAMES, rules) if one.snoozed is snoozed
    ]


def page(ledger: Ledger, kind: str, reason: str, *, snoozed: bool = False, **how: Any) -> list[Any]:
    group = AttentionGroup(kind, how.pop("pipeline", PIPELINE), reason, snoozed, 0, SOON)
    return ledger.attention.page(NAMES, RULES, group, **{"limit": 50, **how})


def quarantined(driver: Any, *source_ids: str, code: str = "bad_zip") -> dict[int, int]:
    """Quarantined orders, with the revisions that are shown."""
    driver.receive(*[offer(source_id) for source_id in source_ids])
    issues = [ValidationIssue(code, "/zip", "is bad"), ValidationIssue("also", "/x", "is bad, too")]
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work(source_id), issues) for source_id in source_ids])
    return {driver.work(source_id).id: driver.work(source_id).revision for source_id in source_ids}


def test_orders_are_grouped_by_what_they_need(ledger: Ledger, driver: Any) -> None:
    quarantined(driver, "1", "2")
    quarantined(driver, "3", code="bad_total")
    number = driver.all_ready("4")[0]
    driver.claim(number)
    driver.settle(number, SendOutcome.REJECTED, status=400)
    imported = driver.imported("5")
    driver.receive(offer("5", content_hash="changed"))
    driver.in_doubt("6")
    assert groups(ledger) == [
        ("quarantined", "bad_zip", 2),
        ("quarantined", "bad_total", 1),
        ("rejected", "http_400", 1),
        ("held", "changed_after_import", 1),
    ]
    assert groups(ledger, AttentionRules())[-1] == ("in_doubt", "http_503", 1), (
        "in doubt for longer than its pipeline allows"
    )
    assert groups(ledger, AttentionRules({PIPELINE: 3600.0}, {"http_503"}))[-1] == ("in_doubt", "http_503", 1), (
        "for a reason"
    )
    assert ledger.attention.groups({"other"}, RULES) == []
    (row,) = page(ledger, "held", "changed_after_import")
    assert (row.order_number, row.shown, row.assignee, row.note) == ("N-5", driver.work("5").revision, "", "")
    assert row.id != imported


def test_corrections_that_wait_for_confirmation_are_named(ledger: Ledger, driver: Any) -> None:
    """Their source sent other content, which was refused again."""
    for number, revision in quarantined(driver, "1", "2").items():
        changes = [FieldCorrection("ship_city", "", "Phoenix")]
        ledger.corrections.correct(
            RunContext(PIPELINE, "", "ann"), number, revision=revision, changes=changes, why="phoned"
        )
    issues = [ValidationIssue("bad_zip", "/zip", "is bad")]
    driver.receive(offer("2", content_hash="changed"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work(source_id), issues) for source_id in ("1", "2")])
    assert {row.order_number: row.detail for row in page(ledger, "quarantined", "bad_zip")} == {
        "N-1": "",
        "N-2": CORRECTION_WAITS,
    }


def test_write_back_cancellations_and_parcels_need_attention(ledger: Ledger, driver: Any) -> None:
    number = driver.imported("1")
    step = FeedbackStep(number, OMS_NUMBER)
    ledger.feedback.claim(driver.ctx, [step])
    ledger.feedback.record_answers(driver.ctx, [(step, Acknowledgement(False, "unknown order"))], 1)
    parcel = Shipment("shiprush", "k", ("X-9",), tracking_number="1Z9", asks="its number is unknown")
    kept = ledger.shipments.record(RunContext("", "", "shiprush"), parcel, None)
    cancelled = driver.imported("2")
    ledger.cancellations.record(driver.ctx, ["2"])
    found = groups(ledger)
    assert sorted(found) == [("cancelled", "", 1), ("parcel", "unmatched", 1), ("write_back", OMS_NUMBER, 1)]
    (failed,) = page(ledger, "write_back", OMS_NUMBER)
    assert (failed.id, failed.detail, failed.state) == (number, "unknown order", "imported")
    (waiting,) = page(ledger, "parcel", "unmatched", pipeline="")
    assert (waiting.id, waiting.item, waiting.detail) == (None, kept.shipment_id, "its number is unknown")
    assert [one.id for one in page(ledger, "cancelled", "")] == [cancelled]


def test_pages_continue_where_the_last_one_ended(ledger: Ledger, driver: Any) -> None:
    shown = quarantined(driver, "1", "2", "3", "4", "5")
    seen: list[int] = []
    after = None
    while rows := page(ledger, "quarantined", "bad_zip", limit=2, after=after):
        seen += [row.id for row in rows]
        after = rows[-1].position
    assert seen == sorted(shown)
    group = AttentionGroup("quarantined", PIPELINE, "bad_zip", False, 0, SOON)
    assert ledger.attention.ids_of(NAMES, RULES, group, 10) == shown
    assert len(ledger.attention.ids_of(NAMES, RULES, group, 3)) == 3


def test_an_order_is_assigned_and_noted(ledger: Ledger, driver: Any) -> None:
    shown = quarantined(driver, "1", "2")
    first, second = sorted(shown)
    assert ledger.attention.assign({first: shown[first]}, "ann", "bob") == 1
    ledger.activity.note([first], "asked sales", "bob")
    ledger.activity.note([first], "sales will call", "ann")
    assert [(row.id, row.note, row.note_by) for row in page(ledger, "quarantined", "bad_zip", assignee="ann")] == [
        (first, "sales will call", "ann")
    ]
    (assigned, *_) = ledger.activity.of_submission(first)
    assert (assigned.who, assigned.action, assigned.details) == ("bob", "assign", {"assignee": "ann"})
    ledger.attention.assign(shown, "", "ann", "on holiday")
    assert [row.assignee for row in page(ledger, "quarantined", "bad_zip")] == ["", ""]
    assert second in shown


def test_a_snooze_ends_by_itself_and_on_request(ledger: Ledger, driver: Any) -> None:
    shown = quarantined(driver, "1", "2")
    first = min(shown)
    ledger.attention.assign(shown, "ann", "ann")
    assert ledger.attention.snooze({first: shown[first]}, SOON, "ann", "asked sales") == 1
    assert groups(ledger) == [("quarantined", "bad_zip", 1)]
    assert groups(ledger, snoozed=True) == [("quarantined", "bad_zip", 1)]
    (row,) = page(ledger, "quarantined", "bad_zip", snoozed=True)
    assert (row.id, row.snoozed_until, row.assignee) == (first, SOON, "ann")
    ledger.attention.unsnooze({first: shown[first]}, "ann")
    assert groups(ledger) == [("quarantined", "bad_zip", 2)]
    ledger.attention.snooze({first: shown[first]}, SOON, "ann", "again")
    with ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE order_attention SET snoozed_until = seen_changed_at")
    assert groups(ledger) == [("quarantined", "bad_zip", 2)], "its time is over"


@pytest.mark.parametrize("change", ["content", "state", "pending content"])
def test_a_snooze_ends_when_the_order_changes(ledger: Ledger, driver: Any, change: str) -> None:
    if change == "pending content":
        driver.in_doubt("1")
    else:
        quarantined(driver, "1")
    (group,) = ledger.attention.groups(NAMES, AttentionRules())
    shown = ledger.attention.ids_of(NAMES, AttentionRules(), group, 9)
    ledger.attention.snooze(shown, SOON, "ann", "wait")
    assert groups(ledger, AttentionRules()) == []
    if change == "state":
        ledger.bulk.replay(driver.ctx, shown, "fixed")
        assert groups(ledger, snoozed=True) == []
    driver.receive(offer("1", content_hash="changed"))
    if change != "pending content":
        ledger.validation.quarantine(driver.ctx, [(driver.work("1"), [ValidationIssue("bad_zip", "/zip", "is bad")])])
    assert sum(number for *_, number in groups(ledger, AttentionRules())) == 1


def test_a_lookup_in_doubt_is_no_change_of_the_question(ledger: Ledger, driver: Any) -> None:
    number = driver.in_doubt("1")
    row = driver.row("1")
    from order_relay.ledger import LookupFinding

    driver.look(number, 1, LookupFinding("unclear"))
    assert driver.row("1")["revision"] > row["revision"]
    assert ledger.attention.snooze({number: 1}, SOON, "ann", "asked the OMS") == 1
    assert groups(ledger, AttentionRules(), snoozed=True) == [("in_doubt", "http_503", 1)]


def test_marks_on_an_outdated_view_are_refused(ledger: Ledger, driver: Any) -> None:
    shown = quarantined(driver, "1", "2")
    first, second = sorted(shown)
    ledger.bulk.replay(driver.ctx, [first], "fixed")
    for act in (
        lambda: ledger.attention.assign(shown, "ann", "ann"),
        lambda: ledger.attention.snooze(shown, SOON, "ann", "x"),
        lambda: ledger.bulk.discard(driver.ctx, shown, "x", shown),
        lambda: ledger.bulk.replay(driver.ctx, shown, "x", shown),
    ):
        with pytest.raises(ConcurrentUpdateError, match=r"^1 of 2 orders have changed .*: N-1 \(now received\)\. Noth"):
            act()
    assert ledger.activity.of_submission(second) == []
    assert driver.state("2") == "quarantined"
    with pytest.raises(ConcurrentUpdateError, match="id 99 \\(unknown\\)"):
        ledger.attention.assign({99: 1}, "ann", "ann")
    with pytest.raises(ConfigurationError, match="in the past"):
        ledger.attention.snooze({second: shown[second]}, datetime.now(UTC) - timedelta(1), "ann", "x")


def test_what_was_resolved_lately(ledger: Ledger, driver: Any) -> None:
    shown = quarantined(driver, "1", "2", "3")
    ids = sorted(shown)
    driver.in_doubt("4")
    ctx = RunContext(PIPELINE, "", "ann")
    ledger.bulk.discard(ctx, ids[:1], "test order", shown)
    ledger.bulk.replay(ctx, ids[1:], "fixed", shown)
    ledger.validation.quarantine(driver.ctx, [(driver.work("3"), [ValidationIssue("bad_zip", "/zip", "is bad")])])
    ledger.decisions.settle_in_doubt("N-4", "OMS4", "called", "bob")
    since = datetime.now(UTC) - timedelta(days=1)
    rows = ledger.attention.resolved(NAMES, since, limit=10)
    assert [(row.order_number, row.from_state, row.state, row.who) for row in rows] == [
        ("N-4", "in_doubt", "imported", "bob"),
        ("N-2", "quarantined", "received", "ann"),
        ("N-1", "quarantined", "discarded", "ann"),
    ]
    more = ledger.attention.resolved(NAMES, since, limit=10, before=(rows[0].at, rows[0].event_id))
    assert more == rows[1:]
    assert ledger.attention.resolved(NAMES, SOON, limit=10) == []


def test_what_is_shown_names_the_attempt_of_an_order_in_doubt(driver: Any) -> None:
    driver.in_doubt("1")

    class Row:
        state, revision, attempt = "in_doubt", 9, 1

    assert shown_revision(Row) == 1
