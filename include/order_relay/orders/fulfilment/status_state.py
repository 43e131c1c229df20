"""The state of an order: the latest current event of each kind.

Most responses give times in whole seconds, so several events in one second are common. Among those:

1. the one that the same report lists later is later, since the service appends to its lists;
2. else the one published later;
3. else a final status wins over another one.

Ids are opaque and never decide.

An event that is dated later than its arrival counts as of its arrival (``EventRevision.at``). If several arrive in
another order than they are dated, the dates count: the clock that set them is wrong, but their sequence is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from order_relay.orders.fulfilment.status_events import NEVER, EventKind, EventRevision

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A clock that is ahead by more is wrong, and its dates are not compared with those of clocks that are nearly right."""


@dataclass(frozen=True)
class ParcelState:
    """One parcel: its newest status (empty: only announced) and since when (UTC)."""

    parcel: str
    status: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class OrderState:
    """The state that follows from the current events. Statuses are the service's, in normalized spelling."""

    order_status: str = ""
    detailed_status: str = ""
    parcels: tuple[ParcelState, ...] = ()


def state_of(current: Iterable[EventRevision], final: Collection[str] = ()) -> OrderState:
    """The state that follows from current events. ``final``: statuses after which no other is expected."""
    by_subject: dict[tuple[EventKind, str], list[EventRevision]] = defaultdict(list)
    for revision in current:
        by_subject[revision.subject].append(revision)
    latest = {subject: _last(revisions, final) for subject, revisions in by_subject.items()}

    def status(kind: EventKind) -> str:
        revision = latest.get((kind, ""))
        return revision.event.status if revision else ""

    parcels = {parcel: ParcelState(parcel) for kind, parcel in latest if kind is EventKind.ANNOUNCED}
    for (kind, parcel), last in latest.items():
        if kind is EventKind.PARCEL:
            parcels[parcel] = ParcelState(parcel, last.event.status, last.at if last.event.at != NEVER else None)
    return OrderState(
        status(EventKind.ORDER), status(EventKind.DETAILED), tuple(sorted(parcels.values(), key=lambda p: p.parcel))
    )


def _last(revisions: Sequence[EventRevision], final: Collection[str]) -> EventRevision:
    """The revision that happened last."""
    tied = _latest([*_never_overtaken(revisions)])
    if len(tied) == 1:
        return tied[0]
    # Revisions of the newest report are compared by position; reads win over pushes.
    report = max((revision.recency.read, revision.listed.moment) for revision in tied)
    together = [revision for revision in tied if (revision.recency.read, revision.listed.moment) == report]
    last_listed = max(together, key=lambda revision: (revision.listed.position, revision.event.content_hash))
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


def _never_overtaken(revisions: Sequence[EventRevision]) -> Iterator[EventRevision]:
    """Without the events dated in the future that arrived no earlier than one with a later date of the same clock."""
    of_clock: dict[int, list[EventRevision]] = defaultdict(list)
    for revision in revisions:
        of_clock[_clock(revision)].append(revision)
    yield from of_clock.pop(0, ())
    for ahead in of_clock.values():
        earliest = datetime.max.replace(tzinfo=UTC)  # the first arrival of what is dated later
        for _, group in groupby(sorted(ahead, key=_date, reverse=True), key=_date):
            together = list(group)
            yield from (revision for revision in together if revision.first_at < earliest)
            earliest = min(earliest, *(revision.first_at for revision in together))


def _clock(revision: EventRevision) -> int:
    """0: the event is not dated in the future. 1: by at most the tolerance. 2: by more."""
    ahead = revision.event.at - revision.first_at
    return (ahead > timedelta(0)) + (ahead > CLOCK_TOLERANCE)


def _date(revision: EventRevision) -> datetime:
    return revision.event.at.replace(microsecond=0)


def _latest(revisions: Sequence[EventRevision]) -> list[EventRevision]:
    """The revisions of the latest second. Fractions of a second count only if all of them have one."""
    second = max(revision.at for revision in revisions).replace(microsecond=0)
    tied = [revision for revision in revisions if revision.at >= second]
    if all(revision.at.microsecond for revision in tied):
        latest = max(revision.at for revision in tied)
        tied = [revision for revision in tied if revision.at == latest]
    return tied
