"""Sample Shop: orders are read from it and written to it."""

from __future__ import annotations

from order_relay.vendor import Vendor

from .connection import SampleSettings

VENDOR = Vendor(
    __package__,
    "Sample Shop",
    SampleSettings,
    source="client:open_source",
    destination="client:open_destination",
    import_schema="import.schema.json",
    import_mapping="import.yaml",
)
