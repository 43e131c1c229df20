"""Entry points of this vendor: the status source's factory."""

from __future__ import annotations

from pathlib import Path

from order_relay.connections import Connection
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.acommerce.client import AcommerceClient
from order_relay.vendors.acommerce.connection import read_settings

FOLDER = Path(__file__).parent


def status_format() -> VendorFormat:
    """Schema and mapping of this folder."""
    return VendorFormat.load(FOLDER / "status.schema.json", FOLDER / "mapping.yaml")


def status_source(connection: Connection) -> AcommerceClient:
    """The account of a connection. Raises ``ConfigurationError`` that names connection and field."""
    return AcommerceClient(read_settings(connection), status_format())


STATUS_SOURCE = status_source
