"""Status events of a fulfilment service, and how what was told about an order becomes one history.

The service appends events, corrects them under the same id, and drops them (page-acommerce.txt). It tells of them by
several channels, late, twice and out of order. What stands must not depend on the order of arrival, so each sighting
carries a moment of its own, and the newest one wins:

- A **read** (poll or by id) shows the service's state: its content was true when it was asked (``as_of``).
- A **push** (webhook, CSV) shows what was true when it was published: its own modification time, never later than its
  arrival. One without such a time counts as older than everything (or, by a setting, as of its arrival).

A **full** read (a whole history) says besides that what it does not show was gone at its ``as_of``: an event stands
where it was seen at the last full read or later. So a history is a set of maxima and minima, and merging is
commutative, associative and idempotent.

Whatever else shows a history without an event that stands deletes nothing, but makes the order **doubtful**: it is to
be read by its id. So does a push that contradicts what stands, or that arrives late.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from order_relay.orders.json_text import encode

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The moment of a push that carries no time: older than everything."""


class EventKind(StrEnum):
    """What an event is about."""

    ORDER = "order"  # the order's status
    DETAILED = "detailed"  # the order's finer status
    PARCEL = "parcel"  # one parcel's status
    ANNOUNCED = "announced"  # that there is a parcel; not an event of the service, so it has no status


class Channel(StrEnum):
    """How we came to know."""

    POLL = "poll"
    BY_ID = "by_id"
    WEBHOOK = "webhook"
    CSV = "csv"

    @property
    def reads(self) -> bool:
        """Whether we asked, so that the content is of the moment of asking."""
        return self in (Channel.POLL, Channel.BY_ID)


@dataclass(frozen=True)
class StatusEvent:
    """One event as it was told. ``key`` is its id or the stand-in key. Times are UTC.

    ``updated_at`` is when the service published it, ``happened_at`` when it happened (both assumed from samples).
    ``location`` and ``detail`` are free text and may name people. ``told_hash``: the ``content_hash`` of the content as
    it was told, since retention may have removed texts of it.
    """

    key: str
    kind: EventKind
    status: str
    parcel: str = ""
    updated_at: datetime | None = None
    happened_at: datetime | None = None
    location: str = field(default="", repr=False)
    detail: str = field(default="", repr=False)
    told_hash: str = field(default="", repr=False, compare=False)

    @cached_property
    def content_hash(self) -> str:
        """The same content gives the same hash; another hash under the same key is a correction."""
        if self.told_hash:
            return self.told_hash
        parts = [
            self.kind,
            self.status,
            self.parcel,
            self.location,
            self.detail,
            _text(self.updated_at),
            _text(self.happened_at),
        ]
        return hashlib.sha256(encode(parts)).hexdigest()[:32]

    @property
    def at(self) -> datetime:
        """When it happened, as far as anybody knows."""
        return self.happened_at or self.updated_at or NEVER


def fallback_key(order_id: str, kind: EventKind, parcel: str, status: str, at: datetime | None) -> str:
    """The key of an event without an id: order, kind, parcel, status and when it happened.

    So the same entry is the same event on every channel, and a corrected text keeps it. A corrected status or time
    makes another event; the former one goes with the next full read.
    """
    parts = [order_id, kind, parcel, status, _text(at)]
    return f"~{hashlib.sha256(encode(parts)).hexdigest()[:32]}"


@dataclass(frozen=True)
class StatusReport:
    """What one record says about one order. ``moment`` (UTC): when a read was asked, or when a push arrived.

    ``full``: the record holds the order's whole history. ``history``: a read that shows a history, though not surely
    the whole one. ``arrival_counts``: a push without a modification time counts as of its arrival. ``events`` are in
    the order of the record; ``first`` is the position of the first one, where a record comes in portions.
    """

    order_id: str
    events: tuple[StatusEvent, ...]
    channel: Channel
    moment: datetime
    full: bool = False
    arrival_counts: bool = False
    history: bool = False
    first: int = 0

    def sightings(self) -> Iterator[EventRevision]:
        """Each event as it was seen here."""
        for position, event in enumerate(self.events, self.first):
            yield EventRevision(
                event, self.stamp(event), EventPosition(self.moment, position), self.moment, self.moment
            )

    def stamp(self, event: StatusEvent) -> Recency:
        """The latest moment at which the event's content is known to have been true."""
        if self.channel.reads:
            return Recency(self.moment, True)
        stated_at = self._newest_update if event.kind is EventKind.ANNOUNCED else event.updated_at
        published = stated_at or (self.moment if self.arrival_counts else NEVER)
        return Recency(min(published, self.moment), False)

    @cached_property
    def _newest_update(self) -> datetime | None:
        return max((event.updated_at for event in self.events if event.updated_at), default=None)


@dataclass(frozen=True, order=True)
class Recency:
    """How new a sighting is. At the same moment what was read counts more than what was pushed."""

    at: datetime
    read: bool


@dataclass(frozen=True, order=True)
class EventPosition:
    """Where an event was listed. Positions can be compared within one report only: that of the same moment."""

    moment: datetime
    position: int


@dataclass(frozen=True)
class EventRevision:
    """One content of an event, its newest sighting, and the first and last moment at which anything reported it.

    Contents are kept for good.
    """

    event: StatusEvent
    stamp: Recency
    place: EventPosition
    first_at: datetime
    last_at: datetime

    @property
    def rank(self) -> tuple[Recency, str]:
        """Who wins among the contents of one event; the hash only makes an undecided case the same everywhere."""
        return self.stamp, self.event.content_hash

    @property
    def at(self) -> datetime:
        """When it happened: never later than we first knew of it, so that a wrong clock does not win for ever."""
        return min(self.event.at, self.first_at)

    @property
    def published_at(self) -> datetime:
        """When the service published it, by the same rule."""
        return min(self.event.updated_at or NEVER, self.first_at)

    @property
    def subject(self) -> tuple[EventKind, str]:
        """What it is a status of."""
        return self.event.kind, self.event.parcel

    def joined(self, seen: EventRevision) -> EventRevision:
        """The same content with a further sighting."""
        newest = max(self, seen, key=lambda sighting: (sighting.stamp, sighting.place))
        first_at, last_at = min(self.first_at, seen.first_at), max(self.last_at, seen.last_at)
        return replace(self, stamp=newest.stamp, place=newest.place, first_at=first_at, last_at=last_at)


@dataclass(frozen=True)
class EventHistory:
    """All that is known of one order: every content of every event (key, then hash).

    ``full_at``: the newest read of the whole history. ``shown_at``: the newest read that showed a history.
    """

    revisions: Mapping[str, Mapping[str, EventRevision]] = field(default_factory=dict)
    full_at: datetime | None = None
    shown_at: datetime | None = None

    def newest(self, key: str) -> EventRevision | None:
        """The content that an event has, whether it stands or was deleted."""
        return max(self.revisions.get(key, {}).values(), key=lambda revision: revision.rank, default=None)

    def is_current(self, revision: EventRevision) -> bool:
        """Whether the event of this newest content was not gone at the last full read."""
        return self.full_at is None or revision.stamp.at >= self.full_at

    def current(self) -> list[EventRevision]:
        """The events that stand, each with its newest content."""
        newest = (self.newest(key) for key in self.revisions)
        return [revision for revision in newest if revision is not None and self.is_current(revision)]

    def missing(self) -> frozenset[str]:
        """The keys of events that stand although a later history did not show them: perhaps they were deleted."""
        if self.shown_at is None:
            return frozenset()
        return frozenset(revision.event.key for revision in self.current() if revision.stamp.at < self.shown_at)


@dataclass(frozen=True)
class MergeResult:
    """A history with a report in it. ``changed``: new or newer revisions; ``fresh``: contents never seen before.

    ``unsettled``: the events that only a read by id can settle.
    """

    history: EventHistory
    changed: tuple[EventRevision, ...] = ()
    fresh: tuple[EventRevision, ...] = ()
    unsettled: frozenset[str] = frozenset()

    @property
    def needs_read(self) -> bool:
        """Whether the order is to be read by its id."""
        return bool(self.unsettled)


def merge_report(history: EventHistory, report: StatusReport) -> MergeResult:
    """Put a report into a history. Neither the order of reports nor repetition changes what comes out."""
    revisions = dict(history.revisions)
    changed, fresh = [], []
    for seen in report.sightings():
        event = seen.event
        known = revisions.get(event.key, {})
        before = known.get(event.content_hash)
        now = seen if before is None else before.joined(seen)
        if before is None:
            fresh.append(now)
        elif now == before:
            continue
        changed.append(now)
        revisions[event.key] = {**known, event.content_hash: now}
    merged = EventHistory(
        revisions,
        _latest_of(history.full_at, report.moment if report.full else None),
        _latest_of(history.shown_at, report.moment if report.full or report.history else None),
    )
    unsettled = (
        merged.missing()
        if report.channel.reads
        else merged.missing() | _unsettled_events(history, merged, report, fresh)
    )
    return MergeResult(merged, tuple(changed), tuple(fresh), unsettled)


def _latest_of(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _unsettled_events(
    before: EventHistory, after: EventHistory, report: StatusReport, fresh: Iterable[EventRevision]
) -> frozenset[str]:
    """What a push leaves open: contents that it contradicts, and events that it should have shown, or that should have
    been shown before.
    """
    contradicted = {event.key for event in report.events if _contradicts(before, after, event)}
    pushed = {event.key for event in report.events}
    standing = [revision for revision in after.current() if revision.event.kind is not EventKind.ANNOUNCED]
    others = [revision for revision in standing if revision.event.key not in pushed]
    if not others:
        return frozenset(contradicted)
    begin: dict[tuple[EventKind, str], datetime] = {}
    for revision in standing:
        if revision.event.key in pushed:
            begin[revision.subject] = min(revision.at, begin.get(revision.subject, revision.at))
    skipped = {other.event.key for other in others if other.subject in begin and other.at >= begin[other.subject]}
    late = {
        new.event.key
        for new in fresh
        if any(other.subject == new.subject and other.last_at > new.published_at for other in others)
    }
    return frozenset(contradicted | skipped | late)


def _contradicts(before: EventHistory, after: EventHistory, event: StatusEvent) -> bool:
    """Whether a push says something else than what stands and is not surely newer."""
    newest = after.newest(event.key)
    if newest is None or newest.event.content_hash != event.content_hash or not after.is_current(newest):
        return True
    former = before.newest(event.key)
    return former is not None and former.event.content_hash != event.content_hash and former.stamp == newest.stamp


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""
