"""Entry points of this vendor: the destination's factory."""

from __future__ import annotations

from pathlib import Path

from order_relay.connections import Connection
from order_relay.http.sending.session import HttpDestination
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.client import oms_api
from order_relay.vendors.shopatron.connection import OmsSettings, read_settings

FOLDER = Path(__file__).parent
SCHEMA = FOLDER / "import_order.schema.json"
MAPPING = FOLDER / "mapping.yaml"


def destination(connection: Connection) -> HttpDestination[OmsSettings]:
    """The OMS account of a connection. Raises ``ConfigurationError`` that names connection and field."""
    settings = read_settings(connection)
    return HttpDestination(oms_api(settings), settings, VendorFormat.load(SCHEMA, MAPPING))


DESTINATION = destination
