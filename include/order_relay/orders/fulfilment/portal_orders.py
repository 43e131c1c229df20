"""Orders and parcels as reported to a source's sales portal in files. Independent of vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_relay.orders.fulfilment.oms_order import FINISHED, OmsReading


@dataclass(frozen=True, slots=True)
class PortalLine:
    """One line of an order: columns of the canonical line, and the quantities ordered and shipped, in the source's
    units (``None`` if unreadable)."""

    line: Mapping[str, Any] = field(repr=False)
    ordered: Decimal | None
    shipped: Decimal | None


@dataclass(frozen=True, slots=True)
class PortalOrder:
    """An order as reported to the portal. ``order``: columns of the canonical order; personal data.

    ``modified_at``: when it last changed (UTC).
    """

    order_number: str
    reading: OmsReading
    modified_at: datetime
    order: Mapping[str, Any] = field(repr=False)
    lines: Sequence[PortalLine] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether nothing more is expected: everything was shipped or cancelled."""
        return self.reading in FINISHED


@dataclass(frozen=True, slots=True)
class PortalParcel:
    """A parcel with a tracking number. ``oms_id``: the order's id at the destination."""

    order_number: str
    oms_id: str
    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class PortalFile:
    """A file for the portal. ``left_out``: how many orders or parcels it cannot name, by reason (no order data)."""

    name: str
    data: bytes = field(repr=False)
    rows: int
    left_out: Mapping[str, int]
