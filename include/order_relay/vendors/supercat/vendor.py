"""SuperCat eCat: a source."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.supercat.connection import SuperCatSettings

VENDOR = Vendor(__package__, "SuperCat eCat", SuperCatSettings, source="client:SuperCatClient")
