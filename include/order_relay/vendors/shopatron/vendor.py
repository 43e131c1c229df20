"""The Shopatron OMS: a destination."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.shopatron.connection import OmsSettings

VENDOR = Vendor(
    __package__,
    "Shopatron / Kibo OMS",
    OmsSettings,
    destination="client:open_destination",
    schema="import_order.schema.json",
)
