"""The orders to report to a source's sales portal: those that changed in a window, as the ledger knows them.

Windows are those of the feeds (``ledger.fulfilment.feed_index``): whole minutes that are over, so that no change is
missed and an order has one state for each time of its last change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.fulfilment.feed_index import FeedOrder, FeedPage
from order_relay.ledger.schema.records import SILENT
from order_relay.ledger.schema.states import State
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.orders.fulfilment.portal_orders import PortalLine, PortalOrder
from order_relay.orders.fulfilment.shipment_progress import ShippedLine, units_left
from order_relay.pipeline.archive import ArchivedOrder, OrderArchive
from order_relay.pipeline.fulfilment.write_back import PIECES_COLUMN, source_units

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class ChangedOrders:
    """The orders that last changed in a window, and its end (UTC, a whole minute).

    ``places``: how many changed in it, with those that changed again later, which belong to a later window.
    """

    places: int
    orders: Sequence[FeedOrder]
    end: datetime


def find_changes(
    ledger: Ledger, pipeline: str, start: datetime, now: datetime, most: int | None, *, whole: bool = False
) -> ChangedOrders:
    """The imported orders of a pipeline that changed after ``start``, a whole minute, and before the minute of ``now``.

    With more than ``most`` orders the window ends earlier, but never within a minute; ``None``: they are only counted.
    ``whole``: it must not end earlier, so that ``ConfigurationError`` is raised instead.
    """
    end = now.replace(second=0, microsecond=0)
    first = start.replace(second=0, microsecond=0) + MINUTE
    if first > end:
        return ChangedOrders(0, (), start)

    def changed(until: datetime, limit: int = 1) -> FeedPage:
        return ledger.feed_index.modified_between(
            first, until, entered=State.IMPORTED, pipelines=[pipeline], limit=limit
        )

    places = changed(end).places
    if most is None or not places:
        return ChangedOrders(places, (), end)
    if places > most:
        if whole:
            raise ConfigurationError(
                f"{places} orders changed since {start:%Y-%m-%d %H:%M}Z, more than portal_files.most_orders ({most}); "
                "raise it, lower portal_files.days, or let the portal remove the files that it has taken"
            )
        end = _shorter(first, end, lambda until: changed(until).places, most)
        places = changed(end).places
    found = changed(end, places).orders
    reported = [one for one in found if one.work.state == State.IMPORTED and one.work.history != SILENT]
    return ChangedOrders(places, reported, end)


def _shorter(first: datetime, end: datetime, count: Callable[[datetime], int], most: int) -> datetime:
    """The latest end of a window with at most ``most`` orders; else that of the first minute with any."""
    fits, too_many, any_fit = first - MINUTE, end, False
    while too_many - fits > MINUTE:
        middle = fits + (too_many - fits) // MINUTE // 2 * MINUTE
        number = count(middle)
        if number > most:
            too_many = middle
        else:
            fits, any_fit = middle, number > 0
    return fits if any_fit else too_many


def read_portal_orders(
    ledger: Ledger, archive: OrderArchive, changed: ChangedOrders
) -> tuple[list[PortalOrder], Counter[str]]:
    """The orders as reported to the portal, and how many archived ones cannot be read, by reason."""
    archived = archive.read(order.work for order in changed.orders)
    parcels = ledger.shipments.counted_lines([order.work.id for order in changed.orders])
    found: list[PortalOrder] = []
    unreadable: Counter[str] = Counter()
    for order in changed.orders:
        content = archived[order.work.id]
        if content.problem:
            unreadable[content.problem] += 1
            continue
        lines = list(_lines(content, parcels.get(order.work.id, []), everything=order.sent_as == "SHIPPED"))
        found.append(PortalOrder(order.work.order_number, _reading(order), order.modified_at, content.order, lines))
    return found, unreadable


def _reading(order: FeedOrder) -> OmsReading:
    """What became of an order. Parcels that were recorded here count before what the destination last said."""
    if order.cancelled or order.sent_as == "CANCELLED":
        return OmsReading.CANCELLED
    if order.shipped == "shipped" or order.sent_as == "SHIPPED":
        return OmsReading.SHIPPED
    known = OmsReading(order.oms_reading) if order.oms_reading else OmsReading.OPEN
    if order.shipped == "partly" and known in (OmsReading.OPEN, OmsReading.UNKNOWN):
        return OmsReading.PARTLY_SHIPPED
    return known


def _lines(order: ArchivedOrder, parcels: Sequence[Sequence[ShippedLine]], *, everything: bool) -> Iterator[PortalLine]:
    ordered = order.ordered()
    left = None if ordered is None else units_left(ordered, [()] if everything else parcels)[0]
    for position, line in enumerate(order.lines):
        if ordered is None or left is None:
            yield PortalLine(line, None, None)
            continue
        units = ordered[position].quantity
        yield PortalLine(line, _units(units, line), _units(units - left[position], line))


def _units(pieces: int, line: Mapping[str, Any]) -> Decimal:
    return source_units(pieces, line.get(PIECES_COLUMN)) or Decimal(pieces)
