"""The history of an order's status events, merged from reports that arrive late, repeatedly and out of order.

The result must not depend on the order of arrival. Among the revisions of an event the newest sighting wins. A **full**
read (a whole history) also proves that an event which it does not show was deleted: an event is current if it was seen
at the last full read or later. A history therefore consists of maxima and minima only, and merging is commutative,
associative and idempotent.

Any other report of a history that lacks a current event deletes nothing, but the order **needs a read** by its id. So
does a push that contradicts the current content, or that arrives late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from order_relay.orders.fulfilment.status_events import EventKind, EventRevision, StatusEvent, StatusReport


@dataclass(frozen=True)
class EventHistory:
    """All revisions of all events of one order, by event key and content hash.

    ``full_at``: the newest read of the whole history. ``shown_at``: the newest read that showed a history.
    """

    revisions: Mapping[str, Mapping[str, EventRevision]] = field(default_factory=dict)
    full_at: datetime | None = None
    shown_at: datetime | None = None

    def newest(self, key: str) -> EventRevision | None:
        """The newest revision of an event, whether it is current or was deleted."""
        return max(self.revisions.get(key, {}).values(), key=lambda revision: revision.rank, default=None)

    def is_current(self, revision: EventRevision) -> bool:
        """Whether the event of this newest revision was not deleted at the last full read."""
        return self.full_at is None or revision.recency.at >= self.full_at

    def current(self) -> list[EventRevision]:
        """The newest revisions of all current events."""
        newest = (self.newest(key) for key in self.revisions)
        return [revision for revision in newest if revision is not None and self.is_current(revision)]

    def missing(self) -> frozenset[str]:
        """Keys of current events that a later history did not show; they may have been deleted."""
        if self.shown_at is None:
            return frozenset()
        return frozenset(revision.event.key for revision in self.current() if revision.recency.at < self.shown_at)


@dataclass(frozen=True)
class MergeResult:
    """A history after a report was merged. ``changed``: new or newer revisions. ``fresh``: revisions not seen before.

    ``unsettled``: keys of events that only a read by id can settle.
    """

    history: EventHistory
    changed: tuple[EventRevision, ...] = ()
    fresh: tuple[EventRevision, ...] = ()
    unsettled: frozenset[str] = frozenset()


def merge_report(history: EventHistory, report: StatusReport) -> MergeResult:
    """Merge a report into a history. Neither the order of reports nor repetition changes the result."""
    revisions = dict(history.revisions)
    changed, fresh = [], []
    for seen in report.sightings():
        event = seen.event
        known = revisions.get(event.key, {})
        before = known.get(event.content_hash)
        now = seen if before is None else before.merge_sighting(seen)
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
    """Events that a push leaves open: those it contradicts, those it should have shown, and those reported before it
    although published later.
    """
    contradicted = {event.key for event in report.events if _contradicts(before, after, event)}
    pushed = {event.key for event in report.events}
    current = [revision for revision in after.current() if revision.event.kind is not EventKind.ANNOUNCED]
    others = [revision for revision in current if revision.event.key not in pushed]
    if not others:
        return frozenset(contradicted)
    earliest: dict[tuple[EventKind, str], datetime] = {}
    for revision in current:
        if revision.event.key in pushed:
            earliest[revision.subject] = min(revision.at, earliest.get(revision.subject, revision.at))
    skipped = {other.event.key for other in others if other.subject in earliest and other.at >= earliest[other.subject]}
    late = {
        new.event.key
        for new in fresh
        if any(other.subject == new.subject and other.last_at > new.published_at for other in others)
    }
    return frozenset(contradicted | skipped | late)


def _contradicts(before: EventHistory, after: EventHistory, event: StatusEvent) -> bool:
    """Whether the content of a push differs from the current one and is not certainly newer."""
    newest = after.newest(event.key)
    if newest is None or newest.event.content_hash != event.content_hash or not after.is_current(newest):
        return True
    former = before.newest(event.key)
    return former is not None and former.event.content_hash != event.content_hash and former.recency == newest.recency
