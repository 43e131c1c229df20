"""ShipStation: orders are written to it."""

from __future__ import annotations

from order_relay.vendor import Vendor

from .connection import ShipStationSettings

VENDOR = Vendor(__package__, "ShipStation", ShipStationSettings, destination="client:open_destination")
