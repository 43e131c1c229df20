"""The way into this vendor for wiring: the source's factory and the connection form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from order_relay.connections import Connection
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.supercat.client import SuperCatClient
from order_relay.vendors.supercat.connection import FORM, read_settings

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def source(connection: Connection, options: Mapping[str, Any] | None = None) -> SuperCatClient:
    """The SuperCat organisation of a connection. ``options`` take precedence over the connection's extra fields.

    Raises ``ConfigurationError`` that names the connection and the field that is wrong.
    """
    if options:
        connection = replace(connection, extra={**connection.extra, **options})
    return SuperCatClient(read_settings(connection), VendorFormat.load(SCHEMA, MAPPING))


SOURCE = source

__all__ = ["FORM", "SOURCE", "source"]
