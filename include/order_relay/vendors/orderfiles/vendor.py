"""Orders in files: a source that only history imports read."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.orderfiles.connection import OrderFileSettings

VENDOR = Vendor(__package__, "Order files", OrderFileSettings, source="client:OrderFiles", reads_files=True)
