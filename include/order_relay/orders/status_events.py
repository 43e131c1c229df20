"""Status events of a fulfilment service, and how what was told about an order becomes one history.

The service appends events, corrects them under the same id, and drops them (page-acommerce.txt). It tells of them by
several channels, late, twice and out of order. What stands must not depend on the order of arrival, so each sighting
carries a moment of its own, and the newest one wins:

- A **read** (poll or by id) shows the service's state: its content was true when it was asked (``as_of``).
- A **push** (webhook, CSV) shows what was true when it was published: its own modification time, never later than its
  arrival. One without such a time counts as older than everything (or, by a setting, as of its arrival).

A **full** read (a whole history) says besides that what it does not show was gone at its ``as_of``: an event stands
where it was seen at the last full read or later. So a history is a set of maxima, and merging is commutative,
associative and idempotent. What a push leaves unsettled makes the order **doubtful**: it is to be read by its id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from order_relay.orders.json_text import encode

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The moment of a push that carries no time: older than everything."""


class Kind(StrEnum):
    """What an event is about."""

    ORDER = "order"          # the order's status
    DETAILED = "detailed"    # the order's finer status
    PARCEL = "parcel"        # one parcel's status
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
    kind: Kind
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
        parts = [self.kind, self.status, self.parcel, self.location, self.detail, _text(self.updated_at),
                 _text(self.happened_at)]
        return hashlib.sha256(encode(parts)).hexdigest()[:32]

    @property
    def at(self) -> datetime:
        """When it happened, as far as anybody knows."""
        return self.happened_at or self.updated_at or NEVER


def stand_in_key(order_id: str, kind: Kind, parcel: str, status: str, at: datetime | None) -> str:
    """The key of an event without an id: order, kind, parcel, status and when it happened.

    So the same entry is the same event on every channel, and a corrected text keeps it. A corrected status or time
    makes another event; the former one goes with the next full read.
    """
    parts = [order_id, kind, parcel, status, _text(at)]
    return f"~{hashlib.sha256(encode(parts)).hexdigest()[:32]}"


@dataclass(frozen=True)
class StatusReport:
    """What one record says about one order. ``moment`` (UTC): when a read was asked, or when a push arrived.

    ``full``: the record holds the order's whole history. ``arrival_counts``: a push without a modification time counts
    as of its arrival.
    """

    order_id: str
    events: tuple[StatusEvent, ...]
    channel: Channel
    moment: datetime
    full: bool = False
    arrival_counts: bool = False

    def stamp(self, event: StatusEvent) -> Stamp:
        """The latest moment at which the event's content is known to have been true."""
        if self.channel.reads:
            return Stamp(self.moment, True)
        told = self._newest_update if event.kind is Kind.ANNOUNCED else event.updated_at
        published = told or (self.moment if self.arrival_counts else NEVER)
        return Stamp(min(published, self.moment), False)

    @cached_property
    def _newest_update(self) -> datetime | None:
        return max((event.updated_at for event in self.events if event.updated_at), default=None)


@dataclass(frozen=True, order=True)
class Stamp:
    """How new a sighting is. At the same moment what was read counts more than what was pushed."""

    at: datetime
    read: bool


@dataclass(frozen=True)
class Revision:
    """One content of an event, and its newest sighting. Contents are kept for good."""

    event: StatusEvent
    stamp: Stamp

    @property
    def rank(self) -> tuple[Stamp, str]:
        """Who wins among the contents of one event; the hash only makes an undecided case the same everywhere."""
        return self.stamp, self.event.content_hash


@dataclass(frozen=True)
class History:
    """All that is known of one order: every content of every event (key, then hash), and the newest full read."""

    revisions: Mapping[str, Mapping[str, Revision]] = field(default_factory=dict)
    full_at: datetime | None = None

    def newest(self, key: str) -> Revision | None:
        """The content that an event has, whether it stands or was deleted."""
        return max(self.revisions.get(key, {}).values(), key=lambda revision: revision.rank, default=None)

    def stands(self, revision: Revision) -> bool:
        """Whether the event of this newest content was not gone at the last full read."""
        return self.full_at is None or revision.stamp.at >= self.full_at

    def standing(self) -> list[StatusEvent]:
        """The events that stand."""
        newest = (self.newest(key) for key in self.revisions)
        return [revision.event for revision in newest if revision is not None and self.stands(revision)]


@dataclass(frozen=True)
class Merged:
    """A history with a report in it. ``changed``: new or newer revisions; ``fresh``: contents never seen before.

    ``doubtful``: the report was a push that says something else than what stands and is not surely newer.
    """

    history: History
    changed: tuple[Revision, ...] = ()
    fresh: tuple[Revision, ...] = ()
    doubtful: bool = False


def merge(history: History, report: StatusReport) -> Merged:
    """Put a report into a history. Neither the order of reports nor repetition changes what comes out."""
    revisions = dict(history.revisions)
    changed, fresh = [], []
    for event in report.events:
        seen = Revision(event, report.stamp(event))
        known = revisions.get(event.key, {})
        before = known.get(event.content_hash)
        if before is None:
            fresh.append(seen)
        elif seen.stamp <= before.stamp:
            continue
        changed.append(seen)
        revisions[event.key] = {**known, event.content_hash: seen}
    full_at = history.full_at
    if report.full and (full_at is None or report.moment > full_at):
        full_at = report.moment
    merged = History(revisions, full_at)
    doubtful = not report.channel.reads and any(_unsettled(history, merged, report, event) for event in report.events)
    return Merged(merged, tuple(changed), tuple(fresh), doubtful)


def _unsettled(before: History, after: History, report: StatusReport, event: StatusEvent) -> bool:
    newest = after.newest(event.key)
    if newest is None or newest.event.content_hash != event.content_hash or not after.stands(newest):
        return True
    former = before.newest(event.key)
    return former is not None and former.event.content_hash != event.content_hash and former.stamp == newest.stamp


def merge_all(history: History, reports: Iterable[StatusReport]) -> History:
    """Put several reports into a history."""
    for report in reports:
        history = merge(history, report).history
    return history


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


def derive(events: Sequence[StatusEvent]) -> OrderState:
    """Order status and parcel statuses from the events that stand: of each kind the one that happened last.

    Where the service tells no time of happening (order statuses), the one published last.
    """
    latest: dict[tuple[Kind, str], StatusEvent] = {}
    for event in sorted(events, key=_when):
        latest[event.kind, event.parcel] = event

    def status(kind: Kind) -> str:
        found = latest.get((kind, ""))
        return found.status if found else ""

    parcels = {event.parcel: ParcelState(event.parcel) for (kind, _), event in latest.items() if kind is Kind.ANNOUNCED}
    for (kind, parcel), event in latest.items():
        if kind is Kind.PARCEL:
            parcels[parcel] = ParcelState(parcel, event.status, event.happened_at or event.updated_at)
    return OrderState(
        status(Kind.ORDER), status(Kind.DETAILED), tuple(sorted(parcels.values(), key=lambda p: p.parcel))
    )


def _when(event: StatusEvent) -> tuple[datetime, datetime, str, str]:
    return event.at, event.updated_at or NEVER, event.key, event.content_hash


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment else ""
