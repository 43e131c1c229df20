"""The way into this vendor for wiring: the destination's factory and the connection form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from order_relay.connections import Connection
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.client import ShopatronClient
from order_relay.vendors.shopatron.connection import FORM, read_settings

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "import_order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def destination(connection: Connection, options: Mapping[str, Any] | None = None) -> ShopatronClient:
    """The OMS account of a connection. ``options`` take precedence over the connection's extra fields.

    Raises ``ConfigurationError`` that names the connection and the field that is wrong.
    """
    if options:
        connection = replace(connection, extra={**connection.extra, **options})
    return ShopatronClient(read_settings(connection), VendorFormat.load(SCHEMA, MAPPING))


DESTINATION = destination

__all__ = ["DESTINATION", "FORM", "destination"]
