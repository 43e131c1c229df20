"""Whatever the channels, the order of arrival, repeats and gaps: the same state as reading the final history once."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from status_histories import START, Shop, push_reports, read_report, shops

from order_relay.orders.status_events import (
    Channel,
    History,
    Kind,
    OrderState,
    ParcelState,
    StatusEvent,
    StatusReport,
    derive,
    merge,
    merge_all,
)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def event(status: str, minutes: float | None = 0, key: str = "e-1", **fields: Any) -> StatusEvent:
    updated = None if minutes is None else at(minutes)
    return StatusEvent(key, fields.pop("kind", Kind.ORDER), status, updated_at=updated, **fields)


def push(*events: StatusEvent, arrives: float = 60, **fields: Any) -> StatusReport:
    return StatusReport("A", events, Channel.WEBHOOK, at(arrives), **fields)


def read(*events: StatusEvent, asked: float = 30, full: bool = True) -> StatusReport:
    return StatusReport("A", events, Channel.BY_ID, at(asked), full)


def state(history: History) -> OrderState:
    return derive(history.standing())


@settings(max_examples=300, deadline=None)
@given(shops(), st.randoms(use_true_random=False))
def test_any_delivery_ends_as_the_final_history_read_once(shop: Shop, rng: random.Random) -> None:
    final = read_report(shop, shop.end)
    told = [*push_reports(shop, rng), *[read_report(shop, moment, rng=rng) for moment in shop.moments(rng)]]
    kept = [report for report in told if rng.random() < 0.7]  # gaps: what never arrives
    sequence = [*kept, *rng.choices(kept, k=len(kept) // 2), final] if kept else [final]
    rng.shuffle(sequence)
    assert state(merge_all(History(), sequence)) == state(merge_all(History(), [final]))


@settings(max_examples=200, deadline=None)
@given(shops(deletions=False), st.randoms(use_true_random=False))
def test_webhooks_alone_suffice_where_nothing_is_deleted_and_none_is_lost(shop: Shop, rng: random.Random) -> None:
    """Corrections are published anew, with a later time; a stale delivery never wins."""
    told = push_reports(shop, rng)
    rng.shuffle(told)
    assert state(merge_all(History(), told)) == state(merge_all(History(), [read_report(shop, shop.end)]))


@settings(max_examples=200, deadline=None)
@given(shops(republished=False), st.randoms(use_true_random=False))
def test_where_corrections_keep_their_time_what_is_not_settled_is_doubtful(shop: Shop, rng: random.Random) -> None:
    """The vendor may not touch the time of what it corrects: then a push can not be judged, and is not silently so."""
    told = push_reports(shop, rng)
    rng.shuffle(told)
    history, doubtful = History(), False
    for report in told:
        merged = merge(history, report)
        history, doubtful = merged.history, doubtful or merged.doubtful
    now = {key: found.event for key in history.revisions if (found := history.newest(key)) is not None}
    wrong = [key for key, event in shop.at(shop.end).items() if key in now and now[key] != event]
    assert doubtful or not wrong


@settings(max_examples=200, deadline=None)
@given(shops(), st.randoms(use_true_random=False))
def test_reports_commute_and_repeat_freely(shop: Shop, rng: random.Random) -> None:
    told = [*push_reports(shop, rng), read_report(shop, shop.end)]
    other = [*told, *told]
    rng.shuffle(other)
    one, two = merge_all(History(), told), merge_all(History(), other)
    assert one.full_at == two.full_at
    assert {k: dict(v) for k, v in one.revisions.items()} == {k: dict(v) for k, v in two.revisions.items()}


class TestCorrections:
    def test_a_stale_webhook_does_not_undo_a_correction_that_was_read(self) -> None:
        history = merge_all(History(), [read(event("COMPLETED"))])
        merged = merge(history, push(event("ERROR", -5), arrives=90))
        assert state(merged.history).order_status == "COMPLETED"
        assert merged.doubtful
        assert [revision.event.status for revision in merged.fresh] == ["ERROR"]  # kept all the same

    def test_a_webhook_published_after_the_read_wins(self) -> None:
        merged = merge(merge_all(History(), [read(event("COMPLETED"), asked=30)]), push(event("ERROR", 31)))
        assert state(merged.history).order_status == "ERROR"
        assert not merged.doubtful

    def test_a_published_time_in_the_future_counts_as_arrival(self) -> None:
        history = merge_all(History(), [push(event("ERROR", 600), arrives=20), read(event("COMPLETED"), asked=30)])
        assert state(history).order_status == "COMPLETED"

    def test_a_push_without_a_time_never_displaces_and_is_doubtful(self) -> None:
        history = merge_all(History(), [push(event("COMPLETED"))])
        merged = merge(history, push(event("ERROR", None)))
        assert state(merged.history).order_status == "COMPLETED"
        assert merged.doubtful

    def test_unless_a_setting_lets_its_arrival_count(self) -> None:
        history = merge_all(History(), [push(event("COMPLETED", None), arrives=5, arrival_counts=True)])
        merged = merge(history, push(event("ERROR", None), arrives=6, arrival_counts=True))
        assert state(merged.history).order_status == "ERROR"
        assert not merged.doubtful

    def test_two_contents_of_one_moment_are_doubtful_whichever_comes_first(self) -> None:
        reports = [push(event("COMPLETED")), push(event("ERROR"))]
        for first, second in (reports, reports[::-1]):
            assert merge(merge(History(), first).history, second).doubtful

    def test_back_to_an_earlier_content(self) -> None:
        history = merge_all(History(), [read(event("NEW"), asked=1), read(event("ERROR"), asked=2)])
        assert state(merge(history, read(event("NEW"), asked=3)).history).order_status == "NEW"


class TestDeletions:
    def test_gone_from_a_full_read(self) -> None:
        history = merge_all(History(), [push(event("NEW")), push(event("COMPLETED", 5, "e-2")), read(event("NEW"))])
        assert state(history).order_status == "NEW"
        assert set(history.revisions) == {"e-1", "e-2"}  # kept

    def test_a_read_that_is_not_full_deletes_nothing(self) -> None:
        told = push(event("NEW"), event("COMPLETED", 5, "e-2"))
        history = merge_all(History(), [told, read(event("NEW"), full=False)])
        assert state(history).order_status == "COMPLETED"

    def test_a_late_webhook_of_a_deleted_event_does_not_bring_it_back(self) -> None:
        merged = merge(merge_all(History(), [read(event("NEW"))]), push(event("COMPLETED", 5, "e-2"), arrives=90))
        assert state(merged.history).order_status == "NEW"
        assert merged.doubtful

    def test_but_an_event_published_since_stands(self) -> None:
        merged = merge(merge_all(History(), [read(event("NEW"))]), push(event("COMPLETED", 40, "e-2")))
        assert state(merged.history).order_status == "COMPLETED"


class TestDerived:
    def test_the_last_to_happen_counts_not_the_last_published(self) -> None:
        late = event("IN_TRANSIT", 9, "e-1", kind=Kind.DETAILED, happened_at=at(1))
        assert derive([late, event("COMPLETED", 8, "e-2", kind=Kind.DETAILED)]).detailed_status == "COMPLETED"

    def test_each_parcel_has_its_own(self) -> None:
        found = derive([
            event("", None, "a", kind=Kind.ANNOUNCED, parcel="P2"),
            event("", None, "b", kind=Kind.ANNOUNCED, parcel="P1"),
            event("IN_TRANSIT", 3, "c", kind=Kind.PARCEL, parcel="P1"),
        ])
        assert found.parcels == (ParcelState("P1", "IN_TRANSIT", at(3)), ParcelState("P2"))

    def test_of_nothing(self) -> None:
        assert derive([]) == OrderState()
