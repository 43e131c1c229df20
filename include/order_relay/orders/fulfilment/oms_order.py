"""What a destination says about an order after its import, and when to ask it again. Independent of vendors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from order_relay.backoff import backoff
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine


class OmsReading(StrEnum):
    """Our reading of an order's status at the OMS."""

    OPEN = "open"  # nothing shipped or cancelled
    PARTLY_SHIPPED = "partly_shipped"
    SHIPPED = "shipped"  # everything that was not cancelled
    PARTLY_CANCELLED = "partly_cancelled"  # some units cancelled, others not shipped yet
    CANCELLED = "cancelled"  # everything
    REJECTED = "rejected"  # the OMS refuses to fulfil it, for example because of its payment
    UNKNOWN = "unknown"  # a status word without a mapping


FINISHED = frozenset({OmsReading.SHIPPED, OmsReading.CANCELLED})
"""Readings after which an order is not asked about again. A rejected order may be repaired at the OMS."""


@dataclass(frozen=True, slots=True)
class OmsOrder:
    """An order as read from its own detail at the OMS, never from a search.

    * ``received``: the status word, verbatim. ``reading``: what it means.
    * ``cancelled``: the cancelled units of each line, if the OMS lists them.
    * ``shipments``: its parcels. ``incomplete``: the OMS could not list all of them now, so the order is asked about
      again although its status is final.
    """

    received: str
    reading: OmsReading
    cancelled: tuple[ShippedLine, ...] = ()
    shipments: tuple[Shipment, ...] = ()
    incomplete: bool = False

    @property
    def finished(self) -> bool:
        """Whether nothing more is expected."""
        return self.reading in FINISHED and not self.incomplete


@dataclass(frozen=True, slots=True)
class AskingPace:
    """How often an order is asked about: seconds, and days since its import.

    The distance between two questions is ``share`` of the time since its status last changed: fresh orders are asked
    about often, old ones rarely. An order that is not finished after ``most_days`` is asked about no longer.
    """

    first_s: float = 900.0
    share: float = 0.25
    longest_s: float = 604_800.0
    most_days: float = 180.0

    def next(self, now: datetime, imported_at: datetime, changed_at: datetime, misses: int = 0) -> datetime | None:
        """When to ask next (UTC); ``None``: not any more. ``misses``: consecutive questions without an answer."""
        if now - imported_at > timedelta(days=self.most_days):
            return None
        by_age = (now - changed_at).total_seconds() * self.share
        by_misses = backoff(self.first_s, misses, self.longest_s)
        return now + timedelta(seconds=min(max(self.first_s, by_age, by_misses), self.longest_s))
