"""What becomes of orders at a fulfilment service: polled by time, read by id, and told on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from order_relay.errors import RetryLater, Throttled
from order_relay.ledger import Ledger
from order_relay.ledger.status_reads import Follow
from order_relay.ledger.statuses import Stored
from order_relay.orders.exchange import RunContext
from order_relay.orders.judging import VendorFormat
from order_relay.orders.shipping import Shipment, parcel_key
from order_relay.orders.status_events import Channel
from order_relay.orders.status_records import Reading, StatusPage, StatusShape, read_records
from order_relay.pipeline.status_range import Range
from order_relay.pipeline.status_settings import ByIdSettings, PollSettings, ShipmentSettings


class StatusSource(Protocol):
    """A vendor that tells what becomes of orders."""

    account: str
    """Which account this is, for binding the ledger. No credentials."""

    format: VendorFormat
    """Its JSON Schema, and in its mapping the sections ``record`` and ``csv``."""

    ids_a_call: int
    """At most so many orders in one call of ``by_ids``."""

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        """Pages of the orders that changed since then (UTC). Raises from the groups in ``errors``."""

    def by_ids(self, ids: Sequence[str]) -> StatusPage:
        """Whole histories. Raises ``Throttled`` at once, and as ``changed``."""

    def close(self) -> None:
        """Give up what is held open."""


@dataclass(frozen=True)
class StatusReader:
    """How one account's records are read."""

    shape: StatusShape
    full_polls: bool = False
    arrival_counts: bool = False
    polls_show_histories: bool = True

    def read(self, page: StatusPage, channel: Channel) -> Reading:
        """The records of a page, or of a delivery, as reports."""
        full = channel is Channel.BY_ID or (channel is Channel.POLL and self.full_polls)
        history = channel is Channel.POLL and self.polls_show_histories
        return read_records(
            self.shape,
            page.records,
            channel,
            page.asked_at,
            full=full,
            history=history,
            arrival_counts=self.arrival_counts,
        )


@dataclass(frozen=True)
class Intake:
    """Where one account's statuses go in: who acts, the ledger, and how records are read."""

    ctx: RunContext
    ledger: Ledger
    reader: StatusReader

    @property
    def account(self) -> str:
        """The account's name."""
        return self.ctx.pipeline

    def take(self, page: StatusPage, channel: Channel, late_before: datetime | None = None) -> Stored:
        """Store all that a page or a delivery says, in one transaction."""
        return self.keep(self.reader.read(page, channel), str(channel), late_before)

    def keep(self, found: Reading, origin: str, late_before: datetime | None = None) -> Stored:
        """Store what was read, and why the rest could not be."""
        return self.ledger.store_statuses(
            self.ctx,
            found.reports,
            refused=found.refused,
            origin=origin,
            late_before=late_before,
            final=self.reader.shape.statuses.final,
        )


def poll(  # noqa: PLR0917 - one run of it
    intake: Intake,
    source: StatusSource,
    settings: PollSettings,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Stored:
    """Store everything that changed since the last settled point; then the point moves.

    Each page is stored as it comes, so that a poll that fails loses nothing. A list of several pages shifts while
    orders change, so it is read again until a pass brings nothing that was published before the first request. With
    ``since`` (a backfill, or a range that was asked for) the point stays, and only what changed before ``until`` is
    stored. Raises ``RetryLater`` where it never comes to rest, and as
    ``StatusSource.changed``.
    """
    begin = since or _begin(intake, settings, now)
    total, first_asked = Stored(), None
    for _ in range(settings.most_passes):
        within = Range(begin, until) if since is not None and until is not None else None
        stored, pages, asked = _one_pass(intake, source, begin, first_asked, within)
        total += stored
        settled = pages <= 1 or (first_asked is not None and not stored.late) or settings.most_passes == 1
        first_asked = first_asked or asked
        if settled:
            if since is None and first_asked is not None:
                intake.ledger.settle_window(intake.account, first_asked)
            return total
    raise RetryLater(
        f"{intake.account}: the list did not come to rest in {settings.most_passes} passes; all of it is stored, and "
        "the next poll begins where this one did"
    )


def _begin(intake: Intake, settings: PollSettings, now: datetime) -> datetime:
    point = intake.ledger.status_read_to(intake.account)
    if point is None:
        return now - timedelta(days=settings.first_days)
    return point - timedelta(seconds=settings.overlap_s)


def _one_pass(
    intake: Intake, source: StatusSource, since: datetime, late_before: datetime | None, within: Range | None
) -> tuple[Stored, int, datetime | None]:
    """Counts, how many pages there were, and when the first was asked for."""
    total, pages, asked = Stored(), 0, None
    for page in source.changed(since):
        asked = asked or page.asked_at
        pages += 1
        found = intake.reader.read(page, Channel.POLL)
        kept = within.within(found) if within else found
        total += intake.keep(kept, str(Channel.POLL), late_before)
        if within and within.is_past(found):
            break
    return total, pages, asked


def read_due(intake: Intake, source: StatusSource, settings: ByIdSettings) -> Stored:
    """Read by id what is doubtful or overdue, a few orders a call. Where the vendor throttles, the rest waits.

    An order that the vendor does not show, or that cannot be read, stays doubtful and is asked for again.
    """
    ledger, account = intake.ledger, intake.account
    ledger.settle_statuses(account, intake.reader.shape.statuses.final, settings.final_days * 86400.0)
    due = ledger.due_reads(account, settings.overdue_after_s, settings.most)
    total = Stored()
    for start in range(0, len(due), source.ids_a_call):
        asked = due[start : start + source.ids_a_call]
        try:
            page = source.by_ids(asked)
        except Throttled as error:
            wait_s = max(settings.first_wait_s, error.wait_s or 0.0)
            ledger.reads_done(account, asked, wait_s, settings.longest_wait_s, answered=False)
            break
        found = intake.reader.read(page, Channel.BY_ID)
        total += intake.keep(found, str(Channel.BY_ID))
        shown = {report.order_id for report in found.reports if report.full}
        for numbers, answered in ((shown & {*asked}, True), ({*asked} - shown, False)):
            ledger.reads_done(account, numbers, settings.first_wait_s, settings.longest_wait_s, answered=answered)
    return total


def follow_up(
    intake: Intake, settings: ShipmentSettings, origin: str, record: Callable[[Shipment], object]
) -> dict[str, int]:
    """Record shipped parcels of our orders as shipments; where one that was recorded is not shipped any more, a person
    is asked, and nothing is undone.
    """
    counts = {"followed": 0, "shipments": 0, "asked": 0}
    while due := intake.ledger.statuses_to_follow(intake.account):
        done = [order for order in due if _follow(intake, settings, origin, record, order, counts)]
        if not done:  # each was changed meanwhile: the next run sees to it
            break
    return counts


def _follow(  # noqa: PLR0917 - one step of the above
    intake: Intake,
    settings: ShipmentSettings,
    origin: str,
    record: Callable[[Shipment], object],
    order: Follow,
    counts: dict[str, int],
) -> bool:
    left = {parcel: at for parcel, status, at in order.parcels if status in intake.reader.shape.statuses.shipped}
    wanted = settings.record and (settings.when == "each" or len(left) == len(order.parcels))
    new = [parcel for parcel in left if wanted and parcel not in order.told]
    for parcel in new:
        record(_shipment(order, parcel, left[parcel], origin))
    gone = sorted(set(order.told) - set(left))
    asks = f"told as shipped, and the vendor took it back: parcel {', '.join(gone)}" if gone else order.asks
    if not intake.ledger.follow_status(intake.account, order, {*order.told, *new} - {*gone}, asks):
        return False
    counts["followed"] += 1
    counts["shipments"] += len(new)
    counts["asked"] += bool(gone)
    return True


def _shipment(order: Follow, parcel: str, at: datetime | None, origin: str) -> Shipment:
    return Shipment(
        origin,
        parcel_key(order.order_number, parcel, otherwise=parcel.encode()),
        (order.order_number,),
        tracking_number=parcel,
        shipped_at=at,
        submission_id=order.submission_id,
        sure=True,
    )
