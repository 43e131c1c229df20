"""Whatever the channels, the order of arrival, repeats and gaps: the same state as reading the final history once."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.orders.fulfilment.event_history import EventHistory, merge_report
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_state import OrderState, ParcelState, state_of
from tests.support.status_histories import (
    START,
    Shop,
    derive_state,
    file_report,
    merge_all,
    push_reports,
    read_report,
    shops,
)

FINAL = frozenset({"COMPLETED", "CANCELED"})


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def event(status: str, minutes: float | None = 0, key: str = "e-1", **fields: Any) -> StatusEvent:
    updated = None if minutes is None else at(minutes)
    return StatusEvent(key, fields.pop("kind", EventKind.ORDER), status, updated_at=updated, **fields)


def push(*events: StatusEvent, arrives: float = 60, **fields: Any) -> StatusReport:
    return StatusReport("A", events, Channel.WEBHOOK, at(arrives), **fields)


def read(*events: StatusEvent, asked: float = 30, full: bool = True) -> StatusReport:
    return StatusReport("A", events, Channel.BY_ID, at(asked), full)


def state(history: EventHistory) -> OrderState:
    return state_of(history.current(), FINAL)


@settings(max_examples=300, deadline=None)
@given(shops(), st.randoms(use_true_random=False))
def test_any_delivery_ends_as_the_final_history_read_once(shop: Shop, rng: random.Random) -> None:
    final = read_report(shop, shop.end)
    result = [*push_reports(shop, rng), *[read_report(shop, moment, rng=rng) for moment in shop.moments(rng)]]
    kept = [report for report in result if rng.random() < 0.7]  # gaps: what never arrives
    sequence = [*kept, *rng.choices(kept, k=len(kept) // 2), final] if kept else [final]
    rng.shuffle(sequence)
    assert state(merge_all(EventHistory(), sequence)) == state(merge_all(EventHistory(), [final]))


@settings(max_examples=200, deadline=None)
@given(shops(deletions=False), st.randoms(use_true_random=False))
def test_webhooks_alone_suffice_where_nothing_is_deleted_and_none_is_lost(shop: Shop, rng: random.Random) -> None:
    """Corrections are published anew, with a later time; a stale delivery never wins. What happened in one second is
    ordered by the vendor's lists alone, so such an order is read by its id."""
    result = push_reports(shop, rng)
    rng.shuffle(result)
    history, doubtful = EventHistory(), False
    for report in result:
        merged = merge_report(history, report)
        history, doubtful = merged.history, doubtful or bool(merged.unsettled)
    assert doubtful or state(history) == state(merge_all(EventHistory(), [read_report(shop, shop.end)]))


@settings(max_examples=200, deadline=None)
@given(shops(republished=False), st.randoms(use_true_random=False))
def test_where_corrections_keep_their_time_what_is_not_settled_is_doubtful(shop: Shop, rng: random.Random) -> None:
    """The vendor may not touch the time of what it corrects: then a push can not be judged, and is not silently so."""
    result = push_reports(shop, rng)
    rng.shuffle(result)
    history, doubtful = EventHistory(), False
    for report in result:
        merged = merge_report(history, report)
        history, doubtful = merged.history, doubtful or bool(merged.unsettled)
    now = {key: found.event for key in history.revisions if (found := history.newest(key)) is not None}
    wrong = [key for key, event in shop.at(shop.end).items() if key in now and now[key] != event]
    assert doubtful or not wrong


@settings(max_examples=200, deadline=None)
@given(shops(), st.randoms(use_true_random=False))
def test_reports_commute_and_repeat_freely(shop: Shop, rng: random.Random) -> None:
    result = [*push_reports(shop, rng), read_report(shop, shop.end)]
    other = [*result, *result]
    rng.shuffle(other)
    one, two = merge_all(EventHistory(), result), merge_all(EventHistory(), other)
    assert (one.full_at, one.shown_at) == (two.full_at, two.shown_at)
    assert {k: dict(v) for k, v in one.revisions.items()} == {k: dict(v) for k, v in two.revisions.items()}


@settings(max_examples=400, deadline=None)
@given(shops(), st.randoms(use_true_random=False))
def test_withdrawn_events_leave_no_false_status_in_any_order_of_deliveries(shop: Shop, rng: random.Random) -> None:
    """Nothing is known to be a whole history but reads by id, which happen only where an order is doubtful."""
    result = [*push_reports(shop, rng), *[read_report(shop, moment, rng=rng) for moment in shop.moments(rng)]]
    polls = [replace(report, full=False, channel=Channel.POLL) for report in result if report.channel.reads]
    files = [file_report(shop, then, then + timedelta(minutes=rng.choice((0, 900)))) for then in shop.moments(rng)]
    last = replace(read_report(shop, shop.end), full=False, channel=Channel.POLL)
    sequence = [*(report for report in result if not report.channel.reads), *polls, *files, last]
    sequence += rng.choices(sequence, k=len(sequence) // 3)
    rng.shuffle(sequence)
    history, doubtful, now = EventHistory(), False, shop.end + timedelta(days=1)
    for report in sequence:
        merged = merge_report(history, report)
        history, doubtful, now = merged.history, doubtful or bool(merged.unsettled), now + timedelta(minutes=5)
        if doubtful and rng.random() < 0.3:
            history, doubtful = merge_report(history, replace(read_report(shop, shop.end), moment=now)).history, False
    if doubtful:
        history = merge_report(history, replace(read_report(shop, shop.end), moment=now)).history
    shown, expected = state(history), state(merge_all(EventHistory(), [read_report(shop, shop.end)]))
    assert (shown.order_status, shown.detailed_status) == (expected.order_status, expected.detailed_status)
    assert [(p.parcel, p.status) for p in shown.parcels] == [(p.parcel, p.status) for p in expected.parcels]


class TestWithdrawnWithoutAWholeHistory:
    """The vendor's own example: a delivery that was reported by mistake is withdrawn."""

    EVENTS = (event("NEW", 0, "e-1"), event("IN_PROGRESS", 5, "e-2"), event("COMPLETED", 9, "e-3"))

    def poll(self, *events: StatusEvent, asked: float, **fields: Any) -> StatusReport:
        return StatusReport("A", events, Channel.POLL, at(asked), **{"history": True, **fields})

    def doubtful(self, *reports: StatusReport) -> bool:
        history, doubtful = EventHistory(), False
        for report in reports:
            merged = merge_report(history, report)
            history, doubtful = merged.history, doubtful or bool(merged.unsettled)
        return doubtful

    def test_a_poll_without_the_order_makes_it_doubtful_in_any_sequence(self) -> None:
        pushes = [push(each, arrives=minutes) for each, minutes in zip(self.EVENTS, (1, 6, 10), strict=True)]
        for reports in permutations([*pushes, self.poll(*self.EVENTS[:2], asked=20)]):
            assert self.doubtful(*reports)

    def test_a_file_without_it_as_well(self) -> None:
        pushes = [push(each, arrives=minutes) for each, minutes in zip(self.EVENTS, (1, 6, 10), strict=True)]
        dump = StatusReport("A", self.EVENTS[:2], Channel.CSV, at(20))
        for reports in permutations([*pushes, dump]):
            assert self.doubtful(*reports)

    def test_a_poll_that_shows_everything_settles_nothing_new(self) -> None:
        assert not self.doubtful(self.poll(*self.EVENTS, asked=10), self.poll(*self.EVENTS, asked=20))

    def test_webhooks_in_their_order_need_no_read(self) -> None:
        pushes = [push(each, arrives=minutes) for each, minutes in zip(self.EVENTS, (1, 6, 10), strict=True)]
        assert not self.doubtful(*pushes)

    def test_unless_polls_show_only_what_is_new(self) -> None:
        first, second = self.poll(*self.EVENTS[:2], asked=6), self.poll(self.EVENTS[2], asked=10, history=False)
        assert not self.doubtful(first, second)

    def test_a_whole_history_settles_it(self) -> None:
        history = merge_all(EventHistory(), [self.poll(*self.EVENTS, asked=10), self.poll(*self.EVENTS[:2], asked=20)])
        assert history.missing() == {"e-3"}
        merged = merge_report(history, read(*self.EVENTS[:2], asked=30))
        assert not merged.unsettled
        assert state(merged.history).order_status == "IN_PROGRESS"


class TestOneSecond:
    """Several events of one second: the order of the list, then a final status; never the id."""

    @pytest.mark.parametrize("keys", [("e-1", "e-9"), ("e-9", "e-1"), ("~z", "~a")])
    @pytest.mark.parametrize(
        "statuses", [("READY_TO_SHIP", "IN_TRANSIT"), ("IN_TRANSIT", "READY_TO_SHIP"), ("COMPLETED", "IN_TRANSIT")]
    )
    def test_the_later_in_the_list_wins(self, keys: tuple[str, str], statuses: tuple[str, str]) -> None:
        events = [event(status, 3, key, kind=EventKind.DETAILED) for status, key in zip(statuses, keys, strict=True)]
        for report in (read(*events), push(*events)):
            assert state(merge_all(EventHistory(), [report])).detailed_status == statuses[1]
        assert derive_state(events, FINAL).detailed_status == statuses[1]

    @pytest.mark.parametrize("keys", [("e-1", "e-9"), ("e-9", "e-1")])
    def test_where_the_order_is_unknown_a_final_status_wins_and_the_order_is_read(self, keys: tuple[str, str]) -> None:
        one, other = event("COMPLETED", 3, keys[0]), event("IN_PROGRESS", 3, keys[1])
        for first, second in ((one, other), (other, one)):
            history = merge_all(EventHistory(), [push(first, arrives=4)])
            merged = merge_report(history, push(second, arrives=5))
            assert state(merged.history).order_status == "COMPLETED"
            assert merged.unsettled

    def test_fractions_count_where_all_have_them(self) -> None:
        early, late = event("COMPLETED", 3.001, "e-1"), event("IN_PROGRESS", 3.002, "e-2")
        assert derive_state([late, early], FINAL).order_status == "IN_PROGRESS"
        assert derive_state([late, event("COMPLETED", 3, "e-1")], FINAL).order_status == "COMPLETED"

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(("NEW", "IN_PROGRESS", "COMPLETED")), st.text("ab~1", min_size=1)),
            min_size=1,
            max_size=6,
            unique_by=lambda pair: pair[1],
        ),
        st.randoms(use_true_random=False),
    )
    def test_ids_decide_nothing(self, pairs: list[tuple[str, str]], rng: random.Random) -> None:
        """Other ids for the same events, delivered together or one by one, give the same status."""
        others = [f"x{number}" for number in range(len(pairs))]
        rng.shuffle(others)
        found = []
        for keys in ([key for _, key in pairs], others):
            events = [event(status, 3, key) for (status, _), key in zip(pairs, keys, strict=True)]
            apart = merge_all(EventHistory(), [push(each, arrives=4 + number) for number, each in enumerate(events)])
            found.append((derive_state(events, FINAL), state(apart)))
        assert found[0] == found[1]
        assert found[0][0].order_status == pairs[-1][0]


class TestTheFuture:
    def test_an_event_in_the_future_counts_as_of_its_arrival(self) -> None:
        future = event("COMPLETED", 120, "e-1")
        history = merge_all(EventHistory(), [push(future, arrives=0)])
        assert state(history).order_status == "COMPLETED"
        assert state(merge_report(history, push(event("ERROR", 10, "e-2"), arrives=11)).history).order_status == "ERROR"

    def test_however_often_it_is_shown_again(self) -> None:
        future, true = event("COMPLETED", 120, "e-1"), event("ERROR", 10, "e-2")
        reports = [read(future, asked=0), read(future, true, asked=11), read(true, future, asked=60)]
        for sequence in permutations(reports):
            assert state(merge_all(EventHistory(), sequence)).order_status == "ERROR"

    @pytest.mark.parametrize("ahead", [1, 240], ids=["a minute", "hours"])
    def test_events_of_one_clock_that_is_ahead_follow_their_dates(self, ahead: float) -> None:
        """Two webhooks overtake each other; the service's clock is ahead, or it sends local times as UTC."""
        delivered = event("COMPLETED", ahead + 0.5, "e-2", kind=EventKind.PARCEL, parcel="P1")
        in_transit = event("IN_TRANSIT", ahead, "e-1", kind=EventKind.PARCEL, parcel="P1")
        reports = [push(delivered, arrives=0), push(in_transit, arrives=0.1), read(in_transit, delivered, asked=0.2)]
        for some in (reports[:2], reports):
            for sequence in permutations(some):
                (parcel,) = state(merge_all(EventHistory(), sequence)).parcels
                assert (parcel.status, parcel.at) == ("COMPLETED", at(0))

    def test_a_date_far_ahead_does_not_outlast_events_of_a_clock_that_is_nearly_right(self) -> None:
        wrong, nearly = event("COMPLETED", 120, "e-1"), event("ERROR", 10.5, "e-2")
        history = merge_all(EventHistory(), [push(wrong, arrives=0), push(nearly, arrives=10)])
        assert state(history).order_status == "ERROR"

    def test_a_parcel_left_at_its_arrival_at_the_latest(self) -> None:
        shipped = event("IN_TRANSIT", 120, "e-1", kind=EventKind.PARCEL, parcel="P1")
        found = state(merge_all(EventHistory(), [read(shipped, asked=5)]))
        assert found.parcels == (ParcelState("P1", "IN_TRANSIT", at(5)),)


class TestCorrections:
    def test_a_stale_webhook_does_not_undo_a_correction_that_was_read(self) -> None:
        history = merge_all(EventHistory(), [read(event("COMPLETED"))])
        merged = merge_report(history, push(event("ERROR", -5), arrives=90))
        assert state(merged.history).order_status == "COMPLETED"
        assert merged.unsettled
        assert [revision.event.status for revision in merged.fresh] == ["ERROR"]  # kept all the same

    def test_a_webhook_published_after_the_read_wins(self) -> None:
        merged = merge_report(merge_all(EventHistory(), [read(event("COMPLETED"), asked=30)]), push(event("ERROR", 31)))
        assert state(merged.history).order_status == "ERROR"
        assert not merged.unsettled

    def test_a_published_time_in_the_future_counts_as_arrival(self) -> None:
        history = merge_all(EventHistory(), [push(event("ERROR", 600), arrives=20), read(event("COMPLETED"), asked=30)])
        assert state(history).order_status == "COMPLETED"

    def test_a_push_without_a_time_never_displaces_and_is_doubtful(self) -> None:
        history = merge_all(EventHistory(), [push(event("COMPLETED"))])
        merged = merge_report(history, push(event("ERROR", None)))
        assert state(merged.history).order_status == "COMPLETED"
        assert merged.unsettled

    def test_unless_a_setting_lets_its_arrival_count(self) -> None:
        history = merge_all(EventHistory(), [push(event("COMPLETED", None), arrives=5, arrival_counts=True)])
        merged = merge_report(history, push(event("ERROR", None), arrives=6, arrival_counts=True))
        assert state(merged.history).order_status == "ERROR"
        assert not merged.unsettled

    def test_two_contents_of_one_moment_are_doubtful_whichever_comes_first(self) -> None:
        reports = [push(event("COMPLETED")), push(event("ERROR"))]
        for first, second in (reports, reports[::-1]):
            assert merge_report(merge_report(EventHistory(), first).history, second).unsettled

    def test_back_to_an_earlier_content(self) -> None:
        history = merge_all(EventHistory(), [read(event("NEW"), asked=1), read(event("ERROR"), asked=2)])
        assert state(merge_report(history, read(event("NEW"), asked=3)).history).order_status == "NEW"


class TestDeletions:
    def test_missing_from_a_full_read(self) -> None:
        history = merge_all(
            EventHistory(), [push(event("NEW")), push(event("COMPLETED", 5, "e-2")), read(event("NEW"))]
        )
        assert state(history).order_status == "NEW"
        assert set(history.revisions) == {"e-1", "e-2"}  # kept

    def test_a_read_that_is_not_full_deletes_nothing(self) -> None:
        result = push(event("NEW"), event("COMPLETED", 5, "e-2"))
        history = merge_all(EventHistory(), [result, read(event("NEW"), full=False)])
        assert state(history).order_status == "COMPLETED"

    def test_a_late_webhook_of_a_deleted_event_does_not_bring_it_back(self) -> None:
        merged = merge_report(
            merge_all(EventHistory(), [read(event("NEW"))]), push(event("COMPLETED", 5, "e-2"), arrives=90)
        )
        assert state(merged.history).order_status == "NEW"
        assert merged.unsettled

    def test_but_an_event_published_since_is_kept(self) -> None:
        merged = merge_report(merge_all(EventHistory(), [read(event("NEW"))]), push(event("COMPLETED", 40, "e-2")))
        assert state(merged.history).order_status == "COMPLETED"


class TestDerived:
    def test_the_last_to_happen_counts_not_the_last_published(self) -> None:
        late = event("IN_TRANSIT", 9, "e-1", kind=EventKind.DETAILED, happened_at=at(1))
        assert (
            derive_state([late, event("COMPLETED", 8, "e-2", kind=EventKind.DETAILED)]).detailed_status == "COMPLETED"
        )

    def test_each_parcel_has_its_own(self) -> None:
        found = derive_state(
            [
                event("", None, "a", kind=EventKind.ANNOUNCED, parcel="P2"),
                event("", None, "b", kind=EventKind.ANNOUNCED, parcel="P1"),
                event("IN_TRANSIT", 3, "c", kind=EventKind.PARCEL, parcel="P1"),
            ]
        )
        assert found.parcels == (ParcelState("P1", "IN_TRANSIT", at(3)), ParcelState("P2"))

    def test_of_nothing(self) -> None:
        assert derive_state([]) == OrderState()
