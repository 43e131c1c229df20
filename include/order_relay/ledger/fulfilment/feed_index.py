"""Which orders were modified in a window of time, for a reader that asks by windows and must never miss a change.

An order is modified by a move, a parcel, its cancellation, or when it can be rendered at last; each leaves a row with
its time, and none is ever taken back. Its *last modified* is that time and ``COMMIT_SLACK``, rounded up to the next
whole
minute: what commits after a reader asked for everything until now still falls into the reader's next window, although
commits take their time and clocks differ. Where a transaction lasts long its rows are stamped anew before it commits
(``keep_stamps_ahead``).

An order's place among a window's pages is given by its first row in the window, which is older than what happens while
the pages are read: places never move up, so no order slips from a page that is still to be read to one that was. An
order that is modified again after the window's end is left out of its page, being due in a later window.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from order_relay.ledger.fulfilment.feed_ids import create_feed_key, feed_key
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.shipment_tables import feed_gap, shipment
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads
from order_relay.ledger.submissions.worklist import WORK_COLUMNS

MINUTE = timedelta(minutes=1)
COMMIT_SLACK = timedelta(seconds=10)
"""So long may pass from a stamp to its commit, or so far may a reader's clock be ahead, and no window misses it."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

_STAMPS = (
    (event.c.submission_id, event.c.at),
    (shipment.c.submission_id, shipment.c.matched_at),
    (submission.c.id, submission.c.cancelled_at),
    (feed_gap.c.submission_id, feed_gap.c.mended_at),
)
"""Where the times of modifications stand: the submission's id, and the time; each time has an index of its own."""


@dataclass(frozen=True, slots=True)
class FeedOrder:
    """An order of a page: its archive place, what a feed says about it, and when it was last modified (UTC).

    ``total_minor``, ``currency`` and ``sent_as`` are those of the newest payload that was made for it.
    """

    work: WorkItem
    modified_at: datetime
    destination_key: str | None
    oms_id: str | None
    shipped: str | None
    cancelled_at: datetime | None
    first_offered_at: datetime
    total_minor: int | None = None
    currency: str = ""
    sent_as: str = ""

    @property
    def cancelled(self) -> bool:
        """Whether the order is not to be shipped although it was imported."""
        return self.cancelled_at is not None

    @property
    def sent_total(self) -> tuple[int, str] | None:
        """The total of the payload that was sent or is to be sent, and its currency; ``None`` where there is none."""
        current = self.work.state == State.READY or self.work.state in AT_DESTINATION
        return (self.total_minor, self.currency) if current and self.total_minor is not None else None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of a window: the orders on it, and how many places all pages have together."""

    places: int
    orders: tuple[FeedOrder, ...]


class FeedIndex(Repository):
    """Orders by the time of their last modification, for feeds."""

    @reads
    def modified_between(
        self,
        tx: Transaction,
        start: datetime,
        end: datetime,
        *,
        entered: State,
        pipelines: Collection[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> FeedPage:
        """The orders last modified from ``start`` to ``end``, both included (``end`` with its whole minute).

        ``entered``: only orders that were in this state at some time, whatever they are now. ``pipelines``: only of
        these. The places are numbered from 0; ``limit`` places from ``offset`` are looked at.
        """
        first, behind = _bounds(start, end)
        touched = sa.union_all(
            *(
                sa.select(number.label("id"), time.label("at")).where(time >= first, time < behind)
                for number, time in _STAMPS
            )
        ).subquery("touched")
        times = (
            sa.select(touched.c.id, sa.func.min(touched.c.at).label("first"), sa.func.max(touched.c.at).label("last"))
            .group_by(touched.c.id)
            .subquery("times")
        )
        was_there = sa.exists().where(
            event.c.submission_id == times.c.id, event.c.to_state == entered, event.c.at < behind
        )
        places = sa.select(times).join(submission, submission.c.id == times.c.id).where(was_there)
        if pipelines is not None:
            places = places.where(submission.c.pipeline.in_(sorted(pipelines)))
        total = tx.run(sa.select(sa.func.count()).select_from(places.subquery())).scalar_one()
        page = places.order_by(times.c.first, times.c.id).limit(limit).offset(offset).subquery("page")
        later = sa.or_(
            *(
                sa.exists(sa.select(number).where(number == page.c.id, time >= behind).correlate(page))
                for number, time in _STAMPS
            )
        )
        rows = tx.run(
            sa.select(submission, page.c.last.label("modified"))
            .join(page, page.c.id == submission.c.id)
            .where(sa.not_(later))
            .order_by(page.c.first, submission.c.id)
        )
        return FeedPage(total, tuple(feed_order(row) for row in rows))

    def key(self) -> str:
        """The key of the ids that this ledger's feeds give out (``feed_ids``), created when first needed."""
        return self._key() or self._create_key()

    @reads
    def _key(self, tx: Transaction) -> str:
        return feed_key(tx)

    @inserts
    def _create_key(self, tx: Transaction) -> str:
        return create_feed_key(tx)


def feed_order(row: sa.Row[tuple[object, ...]]) -> FeedOrder:
    """From the columns of a submission, and the time ``modified``."""
    work = WorkItem(row.id, row.revision, row.state, *(getattr(row, name) for name in WORK_COLUMNS))
    cancelled_at = row.cancelled_at or row.source_cancelled_at
    return FeedOrder(
        work,
        modified_stamp(row.modified),
        row.destination_key,
        row.oms_id,
        row.shipped,
        cancelled_at,
        row.first_offered_at,
        row.total_minor,
        row.currency,
        row.sent_as,
    )


def _bounds(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The times [first, behind) whose stamps are in the window."""
    first = _next_minute(_within(start) - timedelta(microseconds=1)) - MINUTE
    behind = _within(end).replace(second=0, microsecond=0)
    return first - COMMIT_SLACK, behind - COMMIT_SLACK


def _within(time: datetime) -> datetime:
    """The time, or the nearest one that databases and the arithmetic here can hold."""
    return min(max(time, _EARLIEST), _LATEST)


def modified_stamp(time: datetime) -> datetime:
    """When something that happened at ``time`` counts as modified."""
    return _next_minute(time + COMMIT_SLACK)


def _next_minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0) + MINUTE


def restamp_long_transactions(tx: Transaction) -> None:
    """Stamp what this transaction wrote anew if it used up half of the slack; the other half is for its commit."""
    begun = tx.begun
    if begun is None or tx.seconds_since_begun() < COMMIT_SLACK.total_seconds() / 2:
        return
    fresh = tx.renew()
    for number, time in _STAMPS:
        tx.run(number.table.update().where(time == begun).values({time: fresh}))
