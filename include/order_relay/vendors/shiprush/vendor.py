"""ShipRush: it calls our endpoint."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.shiprush.connection import ShipRushSettings

VENDOR = Vendor(__package__, "ShipRush feed (served by us)", ShipRushSettings)
