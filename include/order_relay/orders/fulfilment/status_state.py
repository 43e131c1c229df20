"""The state of an order that follows from the events that stand: of each kind the one that happened last.

Times have whole seconds in most of the service's answers, so several events of one second are common. Among those:

1. what the same report lists later happened later, since the service appends to its lists;
2. else what was published later;
3. else a final status goes before one that is not.

Ids never decide: they are opaque.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from order_relay.orders.fulfilment.status_events import (
    NEVER,
    EventHistory,
    EventKind,
    EventPosition,
    EventRevision,
    Recency,
    StatusEvent,
)

_UNBOUNDED = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ParcelState:
    """One parcel: its newest status (empty: announced only) and when it came to be (UTC)."""

    parcel: str
    status: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class OrderState:
    """What follows from the events that stand. Statuses are the service's words in their one spelling."""

    order_status: str = ""
    detailed_status: str = ""
    parcels: tuple[ParcelState, ...] = ()


def state_of(history: EventHistory, final: Collection[str] = ()) -> OrderState:
    """The state that follows from a history. ``final``: statuses that nothing is expected to follow."""
    return _state(history.current(), final)


def derive_state(events: Sequence[StatusEvent], final: Collection[str] = ()) -> OrderState:
    """The state that follows from one record, its events in the order of the record."""
    return _state(
        (
            EventRevision(event, Recency(NEVER, True), EventPosition(NEVER, position), _UNBOUNDED, _UNBOUNDED)
            for position, event in enumerate(events)
        ),
        final,
    )


def _state(standing: Iterable[EventRevision], final: Collection[str]) -> OrderState:
    by_subject: dict[tuple[EventKind, str], list[EventRevision]] = defaultdict(list)
    for revision in standing:
        by_subject[revision.subject].append(revision)
    latest = {subject: _last(revisions, final) for subject, revisions in by_subject.items()}

    def status(kind: EventKind) -> str:
        found = latest.get((kind, ""))
        return found.event.status if found else ""

    parcels = {parcel: ParcelState(parcel) for kind, parcel in latest if kind is EventKind.ANNOUNCED}
    for (kind, parcel), found in latest.items():
        if kind is EventKind.PARCEL:
            parcels[parcel] = ParcelState(parcel, found.event.status, found.at if found.event.at != NEVER else None)
    return OrderState(
        status(EventKind.ORDER), status(EventKind.DETAILED), tuple(sorted(parcels.values(), key=lambda p: p.parcel))
    )


def _last(revisions: Sequence[EventRevision], final: Collection[str]) -> EventRevision:
    """The one that happened last."""
    tied = _latest(revisions)
    if len(tied) == 1:
        return tied[0]
    # What was listed together, last of all: reads go before pushes.
    report = max((revision.stamp.read, revision.place.moment) for revision in tied)
    together = [revision for revision in tied if (revision.stamp.read, revision.place.moment) == report]
    last_listed = max(together, key=lambda revision: (revision.place.position, revision.event.content_hash))
    elsewhere = [revision for revision in tied if revision not in together]
    return max(
        (last_listed, *elsewhere),
        key=lambda revision: (
            revision.published_at.replace(microsecond=0),
            revision.event.status in final,
            revision.event.status,
            revision.event.content_hash,
        ),
    )


def _latest(revisions: Sequence[EventRevision]) -> list[EventRevision]:
    """Those of the latest second; fractions count only where all of them have one."""
    second = max(revision.at for revision in revisions).replace(microsecond=0)
    tied = [revision for revision in revisions if revision.at >= second]
    if all(revision.at.microsecond for revision in tied):
        latest = max(revision.at for revision in tied)
        tied = [revision for revision in tied if revision.at == latest]
    return tied
