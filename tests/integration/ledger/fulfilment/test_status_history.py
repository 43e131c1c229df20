"""Status events in the ledger: kept, corrected, deleted, matched, followed; in any order the same state."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError, IllegalTransitionError, ValidationIssue
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_queries import OwnOrders
from order_relay.orders.fulfilment.event_history import EventHistory
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.fulfilment.status_state import state_of
from order_relay.orders.messages import RunContext
from tests.support.offers import offer
from tests.support.status_histories import ORDER, START, Shop, merge_all, push_reports, read_report, shops

ACCOUNT = "acommerce_status"
CTX = RunContext(ACCOUNT, "poll-1")
_numbers = itertools.count()
FINAL = ("COMPLETED", "CANCELED")


def event(status: str, minutes: float = 0, key: str = "e-1", **fields: Any) -> StatusEvent:
    when = START + timedelta(minutes=minutes)
    return StatusEvent(key, fields.pop("kind", EventKind.ORDER), status, updated_at=when, **fields)


def parcel(status: str, key: str = "p-1", name: str = "P1") -> StatusEvent:
    return event(status, 1, key, kind=EventKind.PARCEL, parcel=name)


def report(
    number: str, *events: StatusEvent, channel: Channel = Channel.WEBHOOK, minutes: float = 60, full: bool = False
) -> StatusReport:
    return StatusReport(number, events, channel, START + timedelta(minutes=minutes), full)


def read(number: str, *events: StatusEvent, minutes: float = 30) -> StatusReport:
    return report(number, *events, channel=Channel.BY_ID, minutes=minutes, full=True)


@pytest.fixture
def bound(ledger: Ledger) -> Ledger:
    ledger.status_history.bind(ACCOUNT, "acommerce:https://vendor.example/channel/demo")
    return ledger


def row(ledger: Ledger, number: str) -> dict[str, Any]:
    return next(found for found in ledger.statuses.recent() if found["order_number"] == number)


class TestStoring:
    def test_every_content_is_kept_and_the_newest_counts(self, bound, driver) -> None:
        driver.imported("1", "OMS1")
        assert bound.status_history.store(CTX, [report("N-1", event("NEW"))]).new == 1
        found = bound.status_history.store(CTX, [read("N-1", event("ERROR"))])
        assert (found.corrected, found.changed) == (1, 1)
        bound.statuses.match(ACCOUNT, OwnOrders(("shop_to_oms",), "order_number"), 60, 60)
        (status,) = driver.row("1")["statuses"]
        assert [(e["status"], e["revision"], e["state"]) for e in status["events"]] == [
            ("NEW", 1, "corrected"),
            ("ERROR", 2, "stands"),
        ]
        assert status["order_status"] == "ERROR"

    def test_a_deletion_is_marked_and_undone_in_what_follows(self, bound) -> None:
        bound.status_history.store(CTX, [report("A", event("NEW"), event("COMPLETED", 5, "e-2"))])
        assert row(bound, "A")["order_status"] == "COMPLETED"
        assert bound.status_history.store(CTX, [read("A", event("NEW"))]).deleted == 1
        assert row(bound, "A")["order_status"] == "NEW"
        assert bound.status_history.store(CTX, [read("A", event("NEW"), minutes=31)]).deleted == 0

    def test_the_same_again_changes_nothing(self, bound) -> None:
        bound.status_history.store(CTX, [report("A", event("NEW"))])
        again = bound.status_history.store(CTX, [report("A", event("NEW"))])
        assert (again.new, again.corrected, again.changed, again.doubtful) == (0, 0, 0, 0)

    def test_late_ones_are_those_that_an_earlier_pass_should_have_shown(self, bound) -> None:
        before = START + timedelta(minutes=2)
        reports = [read("A", event("NEW", 1), minutes=3), read("B", event("NEW", 2.5), minutes=3)]
        assert bound.status_history.store(CTX, reports, late_before=before).late == 1
        assert bound.status_history.store(CTX, reports, late_before=before).late == 0

    def test_refused_records_are_kept_once(self, bound) -> None:
        refused = [
            RejectedRecord(3, "A", (ValidationIssue("wrong_type", "/orderStatus", "is no list"),)),
            RejectedRecord(4, "", (ValidationIssue("no_order_number", "", "names no order"),)),
        ]
        for _ in range(2):
            assert bound.status_history.store(CTX, [], refused=refused, origin="poll").refused == 2
        assert {(r["place"], r["code"]) for r in bound.status_refusals.recent()} == {
            ("A", "wrong_type"),
            ("row 4", "no_order_number"),
        }

    def test_refused_records_are_counted_by_origin_and_time(self, bound) -> None:
        refused = [
            RejectedRecord(3, "", (ValidationIssue("wrong_type", "", ""),)),
            RejectedRecord(4, "", (ValidationIssue("too_long", "", ""),)),
        ]
        bound.status_history.store(CTX, [], refused=refused, origin="one.csv")
        now = datetime.now(UTC)
        (found,) = bound.status_refusals.since(ACCOUNT, now - timedelta(hours=1))
        assert (found["origin"], found["number"]) == ("one.csv", 2)
        assert found["codes"] == [("too_long", 1, "row 4"), ("wrong_type", 1, "row 3")]
        assert bound.status_refusals.since(ACCOUNT, now + timedelta(hours=1)) == []
        assert bound.status_refusals.since("another", now - timedelta(hours=1)) == []

    def test_bound_to_one_account(self, bound) -> None:
        bound.status_history.bind(ACCOUNT, "acommerce:https://vendor.example/channel/demo")
        with pytest.raises(ConfigurationError, match="is bound in this ledger"):
            bound.status_history.bind(ACCOUNT, "acommerce:https://vendor.example/channel/other")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shops(), st.randoms(use_true_random=False))
def test_any_delivery_ends_as_the_final_history_read_once(sqlite_url: str, shop: Shop, rng: random.Random) -> None:
    final = read_report(shop, shop.end)
    reports = [*push_reports(shop, rng), *[read_report(shop, moment, rng=rng) for moment in shop.moments(rng)]]
    sequence = [*rng.choices(reports, k=len(reports)), final] if reports else [final]
    rng.shuffle(sequence)
    account = f"account-{next(_numbers)}"
    ledger = Ledger.open(sqlite_url)
    try:
        ledger.status_history.bind(account, account)
        while sequence:
            size = rng.randrange(1, 4)
            ledger.status_history.store(RunContext(account, "r"), sequence[:size])
            sequence = sequence[size:]
        found = next(found for found in ledger.statuses.recent(most=10_000) if found["account"] == account)
    finally:
        ledger.close()
    wanted = state_of(merge_all(EventHistory(), [final]).current())
    assert found["order_number"] == ORDER
    assert (found["order_status"], found["detailed_status"]) == (wanted.order_status, wanted.detailed_status)
    assert found["parcels"] == [(p.parcel, p.status, p.at) for p in wanted.parcels]


class TestWindows:
    def test_the_point_never_moves_back(self, bound) -> None:
        assert bound.status_reads.watermark(ACCOUNT) is None
        for minutes in (10, 5):
            bound.status_reads.advance_watermark(ACCOUNT, START + timedelta(minutes=minutes))
        assert bound.status_reads.watermark(ACCOUNT) == START + timedelta(minutes=10)

    def test_a_file_is_read_once(self, bound) -> None:
        bound.status_reads.record_file(CTX, "ab", "drop.csv", rows=3, refused=1)
        assert not bound.status_reads.is_file_known(ACCOUNT, "ab"), "a row of it was refused"
        bound.status_reads.record_file(CTX, "ab", "drop.csv", rows=4, refused=0)
        assert bound.status_reads.is_file_known(ACCOUNT, "ab")
        assert not bound.status_reads.is_file_known(ACCOUNT, "cd")


class TestReadingById:
    def due(self, bound: Ledger, overdue_after_s: float = 3600.0) -> list[str]:
        return bound.status_reads.due(ACCOUNT, overdue_after_s, 100)

    def test_a_doubtful_order_is_due_until_it_was_read(self, bound) -> None:
        bound.status_history.store(CTX, [read("A", event("NEW")), report("A", event("ERROR"))])
        assert self.due(bound) == ["A"]
        bound.status_reads.record(ACCOUNT, ["A"], 60.0, 3600.0, answered=False)
        assert self.due(bound) == []  # waits
        bound.status_reads.record(ACCOUNT, ["A"], 0.0, 0.0, answered=True)
        assert self.due(bound) == []  # nothing doubtful any more

    def test_the_wait_doubles_until_something_changes(self, bound) -> None:
        bound.status_history.store(CTX, [report("A", event("NEW"))])
        waits = []
        for _ in range(4):
            bound.status_reads.record(ACCOUNT, ["A"], 100.0, 350.0, answered=True)
            waits.append(round((row(bound, "A")["read_after"] - datetime.now(UTC)).total_seconds(), -1))
        assert waits == [100, 200, 350, 350]
        bound.status_history.store(CTX, [report("A", event("COMPLETED", 9, "e-2"))])
        assert row(bound, "A")["reads"] == 0

    def test_only_ours_are_overdue_and_final_ones_until_they_are_settled(self, bound, driver) -> None:
        driver.imported("1", "OMS1")
        driver.imported("2", "OMS2")
        bound.status_history.store(
            CTX, [report("N-1", event("NEW")), report("N-2", event("COMPLETED")), report("ELSEWHERE", event("NEW"))]
        )
        bound.statuses.match(ACCOUNT, OwnOrders(("shop_to_oms",), "order_number"), 60, 60)
        assert self.due(bound, 0.0) == ["N-1", "N-2"]
        assert self.due(bound) == []
        assert bound.status_reads.settle_final(ACCOUNT, FINAL, 60.0) == 0
        assert bound.status_reads.settle_final(ACCOUNT, FINAL, 0.0) == 1
        assert self.due(bound, 0.0) == ["N-1"]
        bound.status_history.store(CTX, [report("N-2", event("ERROR", 90, "e-2"), minutes=91)])
        assert self.due(bound, 0.0) == ["N-1", "N-2"], "something new was reported"

    def test_a_new_reason_for_doubt_is_due_immediately(self, bound) -> None:
        def poll(*events: StatusEvent, minutes: float) -> None:
            bound.status_history.store(
                CTX, [replace(report("A", *events, channel=Channel.POLL, minutes=minutes), history=True)], final=FINAL
            )

        both = event("NEW"), event("COMPLETED", 5, "e-2")
        poll(*both, minutes=10)
        poll(both[0], minutes=11)
        assert self.due(bound) == ["A"]
        bound.status_history.store(CTX, [read("A", *both, minutes=12)])
        bound.status_reads.record(ACCOUNT, ["A"], 900.0, 3600.0, answered=True)
        poll(both[0], minutes=13)
        assert self.due(bound) == [], "the same reason as before waits its time"
        poll(minutes=14)
        assert self.due(bound) == ["A"]

    def test_an_order_that_the_service_never_named_is_asked_for(self, bound, driver) -> None:
        driver.imported("1", "OMS1")
        ours = OwnOrders(("shop_to_oms",), "order_number")
        assert bound.statuses.match(ACCOUNT, ours, 3600.0, 7200.0) == 0
        assert bound.statuses.match(ACCOUNT, ours, -1.0, 7200.0) == 1
        assert self.due(bound) == ["N-1"]


class TestMatching:
    OURS = OwnOrders(("shop_to_oms",), "destination_key")

    def test_by_the_key_at_the_destination(self, bound, driver) -> None:
        number = driver.imported("1", "OMS1")
        bound.status_history.store(CTX, [report("KEY-N-1", event("NEW")), report("N-1", event("NEW"))])
        bound.statuses.match(ACCOUNT, self.OURS, 1e6, 0)
        assert row(bound, "KEY-N-1")["submission_id"] == number
        assert [found["order_number"] for found in bound.statuses.recent(unmatched=True)] == ["N-1"]

    def test_only_of_the_pipelines_that_it_fulfils(self, bound, driver) -> None:
        driver.imported("1", "OMS1")
        bound.status_history.store(CTX, [report("KEY-N-1", event("NEW"))])
        assert bound.statuses.match(ACCOUNT, OwnOrders(("another",), "destination_key"), 1e6, 0) == 0

    def test_imported_orders_take_precedence_over_others(self, bound, driver) -> None:
        number = driver.imported("1", "OMS1")
        driver.receive(offer("9", order_number="N-1", lineage="OTHER"))
        bound.status_history.store(CTX, [report("N-1", event("NEW"))])
        bound.statuses.match(ACCOUNT, OwnOrders(("shop_to_oms",), "order_number"), 1e6, 0)
        assert row(bound, "N-1")["submission_id"] == number


class TestFollowing:
    @pytest.fixture
    def followed(self, bound: Ledger, driver) -> Ledger:
        driver.imported("1", "OMS1")
        bound.status_history.store(CTX, [report("N-1", parcel("IN_TRANSIT"))])
        bound.statuses.match(ACCOUNT, OwnOrders(("shop_to_oms",), "order_number"), 1e6, 0)
        return bound

    def test_once_for_each_state(self, followed) -> None:
        (due,) = followed.statuses.due_follow_ups(ACCOUNT)
        assert due.parcels == (("P1", "IN_TRANSIT", START + timedelta(minutes=1)),)
        assert followed.statuses.record_follow_up(ACCOUNT, due, ["P1"], "")
        assert followed.statuses.due_follow_ups(ACCOUNT) == []
        followed.status_history.store(CTX, [read("N-1", parcel("READY_TO_PICK"))])
        (due,) = followed.statuses.due_follow_ups(ACCOUNT)
        assert due.shipped == ("P1",)

    def test_not_for_a_state_that_is_no_more(self, followed) -> None:
        (due,) = followed.statuses.due_follow_ups(ACCOUNT)
        followed.status_history.store(CTX, [read("N-1", parcel("READY_TO_PICK"))])
        assert not followed.statuses.record_follow_up(ACCOUNT, due, ["P1"], "")
        assert len(followed.statuses.due_follow_ups(ACCOUNT)) == 1

    def test_a_review_stays_open_until_answered(self, followed) -> None:
        (due,) = followed.statuses.due_follow_ups(ACCOUNT)
        followed.statuses.record_follow_up(ACCOUNT, due, [], "parcel P1 is not shipped any more")
        assert [found["order_number"] for found in followed.statuses.recent(asked=True)] == ["N-1"]
        assert followed.statuses.resolve_question("N-1") == [ACCOUNT]
        with pytest.raises(IllegalTransitionError, match="no open question"):
            followed.statuses.resolve_question("N-1")
