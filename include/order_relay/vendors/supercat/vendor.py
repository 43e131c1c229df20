"""Entry points of this vendor: the source's factory."""

from __future__ import annotations

from pathlib import Path

from order_relay.connections import Connection
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.client import SuperCatClient
from order_relay.vendors.supercat.connection import read_settings

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def source(connection: Connection) -> SuperCatClient:
    """The SuperCat organisation of a connection. Raises ``ConfigurationError`` that names connection and field."""
    return SuperCatClient(read_settings(connection), VendorFormat.load(SCHEMA, MAPPING))


SOURCE = source
