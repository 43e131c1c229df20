"""Orders by the time of their modification, for clients that poll by time windows and must never miss a change.

A transition, a parcel, a cancellation, or the end of a gap modifies an order. Each is stored with its time and never
removed. *Last modified* is that time plus ``COMMIT_SLACK``, rounded up to the next whole minute. A change that is
committed after a client has read a window is therefore in the client's next window, although commits take time and
clocks differ. The rows of a long transaction get a new time before the commit (``restamp_long_transactions``).

The first modification within the window determines the position of an order on the pages. It is older than anything
that happens while the pages are read, so no order moves from an unread page to one that was read already. An order
that is modified again after the end of the window is omitted from its page, since it is due in a later window.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from order_relay.ledger.fulfilment.feed_ids import create_feed_key, feed_key
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.shipment_tables import feed_gap, shipment
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads
from order_relay.ledger.submissions.worklist import WORK_COLUMNS

MINUTE = timedelta(minutes=1)
COMMIT_SLACK = timedelta(seconds=10)
"""Maximum time from a time stamp to its commit, plus the advance of a client's clock, that no window misses."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)

_STAMPS = (
    (event.c.submission_id, event.c.at),
    (shipment.c.submission_id, shipment.c.matched_at),
    (submission.c.id, submission.c.cancelled_at),
    (feed_gap.c.submission_id, feed_gap.c.mended_at),
)
"""The columns of modification times: the submission's id and the time. Each time column has its own index."""

OMS_READING = (
    sa.select(oms_status.c.reading)
    .where(oms_status.c.submission_id == submission.c.id)
    .scalar_subquery()
    .label("oms_reading")
)
"""Our reading of the submission's status at its destination."""


@dataclass(frozen=True, slots=True)
class FeedOrder:
    """An order of a page: its place in the archive, its data for feeds, and when it was last modified (UTC).

    ``total_minor`` (minor units), ``currency`` and ``sent_as`` are those of its newest payload. ``cancelled_at``: when
    it was cancelled at the destination. ``undecided_since``: when its source cancelled it, until an operator decides.
    ``oms_reading``: our reading of its status at the destination (``OmsReading``), empty if unknown.
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
    undecided_since: datetime | None = None
    oms_reading: str = ""

    @property
    def cancelled(self) -> bool:
        """Whether the order must not be shipped, as far as is known."""
        return self.cancelled_at is not None or self.undecided_since is not None

    @property
    def sent_total(self) -> tuple[int, str] | None:
        """Total (minor units) and currency of the payload that was or will be sent; ``None`` if there is none."""
        current = self.work.state == State.READY or self.work.state in AT_DESTINATION
        return (self.total_minor, self.currency) if current and self.total_minor is not None else None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of a window: its orders, and the number of positions on all pages."""

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

        ``entered``: only orders that were ever in this state. ``pipelines``: only orders of these. The page has the
        positions from ``offset`` (from 0), at most ``limit``.
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
        was_in_state = sa.exists().where(
            event.c.submission_id == times.c.id, event.c.to_state == entered, event.c.at < behind
        )
        places = sa.select(times).join(submission, submission.c.id == times.c.id).where(was_in_state)
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
            sa.select(submission, page.c.last.label("modified"), OMS_READING)
            .join(page, page.c.id == submission.c.id)
            .where(sa.not_(later))
            .order_by(page.c.first, submission.c.id)
        )
        return FeedPage(total, tuple(feed_order(row) for row in rows))

    def key(self) -> str:
        """The key for the ids that this ledger's feeds issue (``feed_ids``), created on first use."""
        return self._key() or self._create_key()

    @reads
    def _key(self, tx: Transaction) -> str:
        return feed_key(tx)

    @inserts
    def _create_key(self, tx: Transaction) -> str:
        return create_feed_key(tx)


def feed_order(row: sa.Row[tuple[object, ...]]) -> FeedOrder:
    """A feed order from the columns of a submission, the time ``modified`` and ``OMS_READING``."""
    work = WorkItem(row.id, row.revision, row.state, *(getattr(row, name) for name in WORK_COLUMNS))
    kept = row.cancellation_decided_at is not None
    return FeedOrder(
        work,
        modified_stamp(row.modified),
        row.destination_key,
        row.oms_id,
        row.shipped,
        row.cancelled_at,
        row.first_offered_at,
        row.total_minor,
        row.currency,
        row.sent_as,
        None if kept else row.source_cancelled_at,
        row.oms_reading or "",
    )


def _bounds(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The times [first, behind) whose last-modified times are in the window."""
    first = _next_minute(_within(start) - timedelta(microseconds=1)) - MINUTE
    behind = _within(end).replace(second=0, microsecond=0)
    return first - COMMIT_SLACK, behind - COMMIT_SLACK


def _within(time: datetime) -> datetime:
    """The time, or the nearest one that databases and the arithmetic here can hold."""
    return min(max(time, _EARLIEST), _LATEST)


def modified_stamp(time: datetime) -> datetime:
    """The last-modified time of a change at ``time``."""
    return _next_minute(time + COMMIT_SLACK)


def _next_minute(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0) + MINUTE


def restamp_long_transactions(tx: Transaction) -> None:
    """Give the rows of this transaction a new time if it used half of the slack; the rest is for its commit."""
    begun = tx.begun
    if begun is None or tx.seconds_since_begun() < COMMIT_SLACK.total_seconds() / 2:
        return
    fresh = tx.renew()
    for number, time in _STAMPS:
        tx.run(number.table.update().where(time == begun).values({time: fresh}))
