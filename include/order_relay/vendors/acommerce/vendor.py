"""aCommerce: a status source, which also calls our endpoint."""

from __future__ import annotations

from order_relay.vendor import Vendor
from order_relay.vendors.acommerce.connection import AcommerceSettings

VENDOR = Vendor(
    __package__, "aCommerce", AcommerceSettings, status_source="client:AcommerceClient", schema="status.schema.json"
)
