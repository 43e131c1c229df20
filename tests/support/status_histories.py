"""Random histories of status events at a service: what it would show at any moment, and what it would push."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from order_relay.orders.fulfilment.event_history import EventHistory, merge_report
from order_relay.orders.fulfilment.status_events import (
    NEVER,
    Channel,
    EventKind,
    EventPosition,
    EventRevision,
    Recency,
    StatusEvent,
    StatusReport,
    fallback_key,
)
from order_relay.orders.fulfilment.status_state import OrderState, state_of

START = datetime(2026, 5, 1, 8, tzinfo=UTC)
ORDER = "WEB-1"
_STATUSES = ("NEW", "IN_PROGRESS", "IN_TRANSIT", "COMPLETED", "CANCELED", "SOMETHING_ELSE")


def derive_state(events: Sequence[StatusEvent], final: Collection[str] = ()) -> OrderState:
    """The state of a single record. ``events`` are in the order of the record."""
    latest = datetime.max.replace(tzinfo=UTC)
    revisions = (
        EventRevision(event, Recency(NEVER, True), EventPosition(NEVER, position), latest, latest)
        for position, event in enumerate(events)
    )
    return state_of(revisions, final)


def merge_all(history: EventHistory, reports: Iterable[StatusReport]) -> EventHistory:
    """Merge several reports into a history."""
    for report in reports:
        history = merge_report(history, report).history
    return history


@dataclass(frozen=True)
class Change:
    """At ``minute`` the event of this key gets this content, or is deleted (``None``)."""

    minute: int
    key: str
    event: StatusEvent | None


@dataclass(frozen=True)
class Shop:
    """The whole history of one order, change by change."""

    changes: tuple[Change, ...]

    @property
    def end(self) -> datetime:
        return START + timedelta(minutes=max((change.minute for change in self.changes), default=0) + 1)

    def at(self, moment: datetime) -> dict[str, StatusEvent]:
        """What the service shows at a moment."""
        shown: dict[str, StatusEvent] = {}
        for change in self.changes:
            if START + timedelta(minutes=change.minute) <= moment:
                if change.event is None:
                    shown.pop(change.key, None)
                else:
                    shown[change.key] = change.event
        return shown

    def moments(self, rng: random.Random) -> list[datetime]:
        """Some moments at which somebody asks."""
        span = (self.end - START).total_seconds()
        return [START + timedelta(seconds=rng.uniform(0, span)) for _ in range(rng.randrange(4))]


@st.composite
def shops(draw: st.DrawFn, *, deletions: bool = True, republished: bool = True) -> Shop:
    """Histories with corrections and, where wanted, deletions and later returns; several events may have happened in
    one second. ``republished``: a correction is published with a time of its own; else it keeps the former one."""
    keys = draw(st.integers(1, 5))
    changes: list[Change] = []
    shown: dict[str, StatusEvent] = {}
    for minute in range(1, draw(st.integers(1, 14)) + 1):
        key = f"e-{draw(st.integers(1, keys))}"
        if deletions and key in shown and draw(st.integers(0, 3)) == 0:
            changes.append(Change(minute, key, None))
            del shown[key]
            continue
        moment = START + timedelta(minutes=minute)
        former = shown.get(key)
        updated = moment if republished or former is None else former.updated_at
        kind = draw(st.sampled_from((EventKind.ORDER, EventKind.DETAILED, EventKind.PARCEL)))
        parcel = f"P{draw(st.integers(1, 2))}" if kind is EventKind.PARCEL else ""
        if former is not None and not deletions:  # an event that leaves its parcel would take the parcel with it
            kind, parcel = former.kind, former.parcel
        happened = None if kind is EventKind.ORDER else moment - timedelta(minutes=draw(st.integers(0, 30)))
        shown[key] = StatusEvent(key, kind, draw(st.sampled_from(_STATUSES)), parcel, updated, happened)
        changes.append(Change(minute, key, shown[key]))
    return Shop(tuple(changes))


def push_reports(shop: Shop, rng: random.Random) -> list[StatusReport]:
    """A webhook or a CSV row for each change that is no deletion, arriving some time after."""
    reports = []
    for change in shop.changes:
        if change.event is not None:
            arrives = START + timedelta(minutes=change.minute + rng.choice((0, 1, 5, 600)))
            channel = rng.choice((Channel.WEBHOOK, Channel.CSV))
            reports.append(StatusReport(ORDER, (*_announced(change.event), change.event), channel, arrives))
    return reports


def read_report(shop: Shop, moment: datetime, rng: random.Random | None = None) -> StatusReport:
    """What a read shows: a full one, or (with ``rng``, by chance) one that is not known to be full."""
    shown = shop.at(moment).values()
    full = rng is None or rng.random() < 0.5
    announced = {event.key: event for shown_event in shown for event in _announced(shown_event)}
    channel = Channel.BY_ID if full else Channel.POLL
    return StatusReport(ORDER, (*announced.values(), *shown), channel, moment, full, history=True)


def file_report(shop: Shop, moment: datetime, arrives: datetime) -> StatusReport:
    """A file with all that the service showed at a moment."""
    shown = shop.at(moment).values()
    announced = {event.key: event for shown_event in shown for event in _announced(shown_event)}
    return StatusReport(ORDER, (*announced.values(), *shown), Channel.CSV, arrives)


def _announced(event: StatusEvent) -> list[StatusEvent]:
    """The record also contains the parcel of a parcel event."""
    if event.kind is not EventKind.PARCEL:
        return []
    return [
        replace(
            event,
            key=fallback_key(ORDER, EventKind.ANNOUNCED, event.parcel, "", None),
            kind=EventKind.ANNOUNCED,
            status="",
            updated_at=None,
            happened_at=None,
        )
    ]
