"""Entry points of this vendor: the source's factory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from order_relay.connections import Connection
from order_relay.orders.mapping.eligibility import GO, WITHDRAWN
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite.client import CloudSuiteClient
from order_relay.vendors.cloudsuite.connection import read_settings
from order_relay.vendors.cloudsuite.write_back import CANCEL, CONFIRMED

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def source(connection: Connection) -> CloudSuiteClient:
    """The CloudSuite account of a connection. Raises ``ConfigurationError`` that names connection and field."""
    settings = read_settings(connection)
    return CloudSuiteClient(settings, _format(settings.listed_states))


def _format(states: Sequence[str]) -> VendorFormat:
    """Schema and mapping of this folder; orders in one of ``states`` are eligible."""
    shipped = VendorFormat.load(SCHEMA, MAPPING)
    if tuple(states) == (CONFIRMED,):
        return shipped
    gate = [
        {**rule, "verdicts": {CANCEL: WITHDRAWN, **dict.fromkeys(states, GO)}} if rule["path"] == "state" else rule
        for rule in shipped.mapping["gate"]
    ]
    return VendorFormat(shipped.name, shipped.schema, {**shipped.mapping, "gate": gate})


SOURCE = source
