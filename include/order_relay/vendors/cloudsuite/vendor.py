"""The way into this vendor for wiring: the source's factory and the connection form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from order_relay.connections import Connection
from order_relay.orders.judging import VendorFormat
from order_relay.vendors.cloudsuite.client import CloudSuite
from order_relay.vendors.cloudsuite.connection import FORM, read_settings

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def source(connection: Connection, options: Mapping[str, Any] | None = None) -> CloudSuite:
    """The CloudSuite account of a connection. ``options`` take precedence over the connection's extra fields.

    Raises ``WrongSetup`` that names the connection and the field that is wrong.
    """
    if options:
        connection = replace(connection, extra={**connection.extra, **options})
    return CloudSuite(read_settings(connection), VendorFormat.load(SCHEMA, MAPPING))


SOURCE = source

__all__ = ["FORM", "SOURCE", "source"]
