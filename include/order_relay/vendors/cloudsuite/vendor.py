"""The way into this vendor for wiring: the source's factory and the connection form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from order_relay.connections import Connection
from order_relay.orders.mapping.eligibility import GO, WITHDRAWN
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite.client import CloudSuiteClient
from order_relay.vendors.cloudsuite.connection import FORM, read_settings
from order_relay.vendors.cloudsuite.write_back import CANCEL, CONFIRMED

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def source(connection: Connection, options: Mapping[str, Any] | None = None) -> CloudSuiteClient:
    """The CloudSuite account of a connection. ``options`` take precedence over the connection's extra fields.

    Raises ``ConfigurationError`` that names the connection and the field that is wrong.
    """
    if options:
        connection = replace(connection, extra={**connection.extra, **options})
    settings = read_settings(connection)
    return CloudSuiteClient(settings, _format(settings.listed_states))


def _format(states: Sequence[str]) -> VendorFormat:
    """The vendor's format; its gate lets orders of these states go on."""
    found = VendorFormat.load(SCHEMA, MAPPING)
    if tuple(states) == (CONFIRMED,):
        return found
    gate = [
        {**rule, "verdicts": {CANCEL: WITHDRAWN, **dict.fromkeys(states, GO)}} if rule["path"] == "state" else rule
        for rule in found.mapping["gate"]
    ]
    return VendorFormat(found.name, found.schema, {**found.mapping, "gate": gate})


SOURCE = source

__all__ = ["FORM", "SOURCE", "source"]
