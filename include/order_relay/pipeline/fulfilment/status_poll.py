"""Statuses from a fulfilment service: polls changes, reads orders by id, and records shipped parcels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from order_relay.errors import ThrottledError, TransientError
from order_relay.iteration import batched
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.status_merge import StoredStatuses
from order_relay.ledger.fulfilment.status_queries import FollowUp
from order_relay.orders.fulfilment.shipment_progress import Shipment, shipment_key
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import ParsedRecords, StatusMapping, StatusPage, parse_records
from order_relay.orders.messages import RunContext
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.fulfilment.status_range import ChangeRange
from order_relay.pipeline.settings.status_account import ByIdSettings, PollSettings, ShipmentSettings


class StatusSource(Protocol):
    """A vendor that reports the status of orders."""

    account: str
    """The account's name, to bind the ledger. No credentials."""

    format: VendorFormat
    """Its JSON Schema, and a mapping with the sections ``record`` and ``csv``."""

    max_ids_per_call: int
    """Maximum orders in one call of ``by_ids``."""

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        """Pages of the orders that changed since then (UTC). Raises the exceptions of ``errors``."""

    def by_ids(self, ids: Sequence[str]) -> StatusPage:
        """Complete histories. Raises like ``changed``, and ``ThrottledError`` without waiting."""

    def close(self) -> None:
        """Close open connections."""


@dataclass(frozen=True)
class StatusReader:
    """Reads the records of one account."""

    shape: StatusMapping
    full_polls: bool = False
    arrival_counts: bool = False
    polls_show_histories: bool = True

    def read(self, page: StatusPage, channel: Channel) -> ParsedRecords:
        """The records of a page or delivery as status reports."""
        full = channel is Channel.BY_ID or (channel is Channel.POLL and self.full_polls)
        history = channel is Channel.POLL and self.polls_show_histories
        return parse_records(
            self.shape,
            page.records,
            channel,
            page.asked_at,
            full=full,
            history=history,
            arrival_counts=self.arrival_counts,
        )


@dataclass(frozen=True)
class StatusIntake:
    """Stores the statuses of one account."""

    ctx: RunContext
    ledger: Ledger
    reader: StatusReader

    @property
    def account(self) -> str:
        """The account's name."""
        return self.ctx.pipeline

    def take(self, page: StatusPage, channel: Channel, late_before: datetime | None = None) -> StoredStatuses:
        """Store the records of a page or delivery in one transaction."""
        return self.keep(self.reader.read(page, channel), str(channel), late_before)

    def keep(self, found: ParsedRecords, origin: str, late_before: datetime | None = None) -> StoredStatuses:
        """Store parsed records, and why others were refused."""
        return self.ledger.status_history.store(
            self.ctx,
            found.reports,
            refused=found.rejected,
            origin=origin,
            late_before=late_before,
            final=self.reader.shape.statuses.final,
        )


def poll_changes(  # noqa: PLR0917 - one run of it
    intake: StatusIntake,
    source: StatusSource,
    settings: PollSettings,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> StoredStatuses:
    """Store all changes since the watermark, then advance it.

    Each page is stored when it arrives, so a failed poll loses nothing. A list of several pages shifts while orders
    change, so it is read again until a pass contains nothing published before the first request. With ``since`` (a
    backfill or a requested range) the watermark stays, and only changes before ``until`` are stored. Raises
    ``TransientError`` if the list keeps shifting, and what the source raises.
    """
    begin = since or _poll_start(intake, settings, now)
    total, first_asked = StoredStatuses(), None
    for _ in range(settings.most_passes):
        within = ChangeRange(begin, until) if since is not None and until is not None else None
        stored, pages, asked = _run_pass(intake, source, begin, first_asked, within)
        total += stored
        settled = pages <= 1 or (first_asked is not None and not stored.late) or settings.most_passes == 1
        first_asked = first_asked or asked
        if settled:
            if since is None and first_asked is not None:
                intake.ledger.status_reads.advance_watermark(intake.account, first_asked)
            return total
    raise TransientError(
        f"{intake.account}: the list of changes kept shifting in {settings.most_passes} passes. Everything read is "
        "stored; the next poll starts at the same point"
    )


def _poll_start(intake: StatusIntake, settings: PollSettings, now: datetime) -> datetime:
    point = intake.ledger.status_reads.watermark(intake.account)
    if point is None:
        return now - timedelta(days=settings.first_days)
    return point - timedelta(seconds=settings.overlap_s)


def _run_pass(
    intake: StatusIntake,
    source: StatusSource,
    since: datetime,
    late_before: datetime | None,
    within: ChangeRange | None,
) -> tuple[StoredStatuses, int, datetime | None]:
    """Returns counts, the number of pages, and the time of the first request."""
    total, pages, asked = StoredStatuses(), 0, None
    for page in source.changed(since):
        asked = asked or page.asked_at
        pages += 1
        found = intake.reader.read(page, Channel.POLL)
        kept = within.within(found) if within else found
        total += intake.keep(kept, str(Channel.POLL), late_before)
        if within and within.is_past(found):
            break
    return total, pages, asked


def read_due(intake: StatusIntake, source: StatusSource, settings: ByIdSettings) -> StoredStatuses:
    """Read orders with uncertain or overdue statuses by id, several per call. Stops when the vendor throttles.

    An order that the vendor does not return, or that cannot be read, is requested again later.
    """
    ledger, account = intake.ledger, intake.account
    ledger.status_reads.settle_final(account, intake.reader.shape.statuses.final, settings.final_days * 86400.0)
    due = ledger.status_reads.due(account, settings.overdue_after_s, settings.most)
    total = StoredStatuses()
    for asked in batched(due, source.max_ids_per_call):
        try:
            page = source.by_ids(asked)
        except ThrottledError as error:
            wait_s = max(settings.first_wait_s, error.wait_s or 0.0)
            ledger.status_reads.record(account, asked, wait_s, settings.longest_wait_s, answered=False)
            break
        found = intake.reader.read(page, Channel.BY_ID)
        total += intake.keep(found, str(Channel.BY_ID))
        shown = {report.order_id for report in found.reports if report.full}
        for numbers, answered in ((shown & {*asked}, True), ({*asked} - shown, False)):
            ledger.status_reads.record(
                account, numbers, settings.first_wait_s, settings.longest_wait_s, answered=answered
            )
    return total


def record_shipments(
    intake: StatusIntake, settings: ShipmentSettings, origin: str, record: Callable[[Shipment], object]
) -> dict[str, int]:
    """Record shipped parcels of our orders as shipments.

    If the vendor withdraws a recorded parcel, an operator is asked and nothing is undone.
    """
    counts = {"followed": 0, "shipments": 0, "asked": 0}
    while due := intake.ledger.statuses.due_follow_ups(intake.account):
        done = [order for order in due if _record_order(intake, settings, origin, record, order, counts)]
        if not done:  # each has changed meanwhile: the next run processes it
            break
    return counts


def _record_order(  # noqa: PLR0917 - one step of the above
    intake: StatusIntake,
    settings: ShipmentSettings,
    origin: str,
    record: Callable[[Shipment], object],
    order: FollowUp,
    counts: dict[str, int],
) -> bool:
    left = {parcel: at for parcel, status, at in order.parcels if status in intake.reader.shape.statuses.shipped}
    wanted = settings.record and (settings.when == "each" or len(left) == len(order.parcels))
    new = [parcel for parcel in left if wanted and parcel not in order.shipped]
    for parcel in new:
        record(_shipment(order, parcel, left[parcel], origin))
    withdrawn = sorted(set(order.shipped) - set(left))
    question = order.asks
    if withdrawn:
        question = f"recorded as shipped, but the vendor withdrew it: parcel {', '.join(withdrawn)}"
    if not intake.ledger.statuses.record_follow_up(
        intake.account, order, {*order.shipped, *new} - {*withdrawn}, question
    ):
        return False
    counts["followed"] += 1
    counts["shipments"] += len(new)
    counts["asked"] += bool(withdrawn)
    return True


def _shipment(order: FollowUp, parcel: str, at: datetime | None, origin: str) -> Shipment:
    return Shipment(
        origin,
        shipment_key(order.order_number, parcel, otherwise=parcel.encode()),
        (order.order_number,),
        tracking_number=parcel,
        shipped_at=at,
        submission_id=order.submission_id,
        sure=True,
    )
