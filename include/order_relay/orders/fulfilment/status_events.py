"""Status events of a fulfilment service, and the revisions in which their contents were seen.

The service appends events, corrects them under the same id, and drops them. It reports them on several channels, late,
repeatedly and out of order. Each sighting therefore carries the time at which its content
was known to be true:

- A **read** (poll or by id) shows the service's state at the time of the request.
- A **push** (webhook, CSV) shows the state when it was published: its own modification time, at most its arrival. A
  push without such a time counts as older than everything (or, by a setting, as of its arrival).

``event_history`` merges the sightings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from order_relay.orders.json_text import encode

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a push without one: older than everything."""


class EventKind(StrEnum):
    """The subject of an event."""

    ORDER = "order"  # the order's status
    DETAILED = "detailed"  # the order's detailed status
    PARCEL = "parcel"  # one parcel's status
    ANNOUNCED = "announced"  # a parcel exists; derived by us, so it has no status


class Channel(StrEnum):
    """How a report reached us."""

    POLL = "poll"
    BY_ID = "by_id"
    WEBHOOK = "webhook"
    CSV = "csv"

    @property
    def reads(self) -> bool:
        """Whether the report answers a request of ours, so that its content is of the time of the request."""
        return self in (Channel.POLL, Channel.BY_ID)


@dataclass(frozen=True)
class StatusEvent:
    """One event as reported. ``key`` is its id or its ``fallback_key``. Times are UTC.

    ``updated_at``: when the service published it. ``happened_at``: when it happened (both assumed from samples).
    ``location`` and ``detail`` are free text and may contain personal data. ``reported_hash``: the ``content_hash`` of
    the content as reported, since retention may have removed texts.
    """

    key: str
    kind: EventKind
    status: str
    parcel: str = ""
    updated_at: datetime | None = None
    happened_at: datetime | None = None
    location: str = field(default="", repr=False)
    detail: str = field(default="", repr=False)
    reported_hash: str = field(default="", repr=False, compare=False)

    @cached_property
    def content_hash(self) -> str:
        """A hash of the content. Another hash under the same key is a correction."""
        if self.reported_hash:
            return self.reported_hash
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
        """When it happened, else when it was published."""
        return self.happened_at or self.updated_at or NEVER


def fallback_key(order_id: str, kind: EventKind, parcel: str, status: str, at: datetime | None) -> str:
    """The key of an event without an id: a hash of order, kind, parcel, status and time.

    The same entry has the same key on every channel, also if its texts are corrected. A corrected status or time makes
    a new event; the next full read deletes the old one.
    """
    parts = [order_id, kind, parcel, status, _text(at)]
    return f"~{hashlib.sha256(encode(parts)).hexdigest()[:32]}"


@dataclass(frozen=True)
class StatusReport:
    """The events of one order in one record. ``moment`` (UTC): when a read was requested, or when a push arrived.

    ``full``: the record holds the order's whole history. ``history``: a read that shows a history, perhaps not the
    whole one. ``arrival_counts``: a push without a modification time counts as of its arrival. ``events`` are in the
    order of the record; ``first`` is the position of the first one if a record is read in parts.
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
        """Each event of this report as a revision."""
        for position, event in enumerate(self.events, self.first):
            listed = EventPosition(self.moment, position)
            yield EventRevision(event, self.recency(event), listed, self.moment, self.moment)

    def recency(self, event: StatusEvent) -> Recency:
        """The latest time at which the event's content is known to have been true."""
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
    """How new a sighting is. At the same time, a read is newer than a push."""

    at: datetime
    read: bool


@dataclass(frozen=True, order=True)
class EventPosition:
    """Where an event was listed. Positions are comparable within one report only, that is, with the same ``moment``."""

    moment: datetime
    position: int


@dataclass(frozen=True)
class EventRevision:
    """One content of an event: its newest sighting, and the first and last time at which it was reported.

    Revisions are never deleted.
    """

    event: StatusEvent
    recency: Recency
    listed: EventPosition
    first_at: datetime
    last_at: datetime

    @property
    def rank(self) -> tuple[Recency, str]:
        """Orders the revisions of one event, newest last; the hash makes ties deterministic."""
        return self.recency, self.event.content_hash

    @property
    def at(self) -> datetime:
        """When it happened, at most when it was first reported, so that a wrong clock does not win forever."""
        return min(self.event.at, self.first_at)

    @property
    def published_at(self) -> datetime:
        """When the service published it, at most when it was first reported."""
        return min(self.event.updated_at or NEVER, self.first_at)

    @property
    def subject(self) -> tuple[EventKind, str]:
        """What the status is about: kind and parcel."""
        return self.event.kind, self.event.parcel

    def merge_sighting(self, seen: EventRevision) -> EventRevision:
        """This revision with one more sighting of the same content."""
        newest = max(self, seen, key=lambda sighting: (sighting.recency, sighting.listed))
        first_at, last_at = min(self.first_at, seen.first_at), max(self.last_at, seen.last_at)
        return replace(self, recency=newest.recency, listed=newest.listed, first_at=first_at, last_at=last_at)


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""
