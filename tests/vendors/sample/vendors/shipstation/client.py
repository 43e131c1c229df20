"""The API of ShipStation (version 1). Facts: quality.yaml."""

from __future__ import annotations

from order_relay.http.auth.credentials import basic_auth
from order_relay.http.sending.outcomes import OutcomeTable, reply_reader
from order_relay.http.sending.search import OrderSearch, PageParameters, order_reader
from order_relay.http.sending.session import DestinationApi, HttpDestination
from order_relay.orders.schema.validator import VendorFormat

from .connection import ShipStationSettings


def open_destination(
    settings: ShipStationSettings, vendor_format: VendorFormat
) -> HttpDestination[ShipStationSettings]:
    """Orders are created, or updated by ``orderKey``."""
    api = DestinationApi(
        name="ShipStation",
        import_path="orders/createorder",
        credentials=basic_auth(settings.login, settings.password),
        outcomes=OutcomeTable(
            read_success=reply_reader("orderId", "orderKey"), pause_headers=("Retry-After", "X-Rate-Limit-Reset")
        ),
        requests_per_minute=settings.requests_per_minute,
        idempotent=True,
        search=OrderSearch(
            path="orders",
            rows="orders",
            read_order=order_reader("orderId", "orderKey", "orderStatus"),
            by_key=lambda keys: {"orderNumber": keys[0]},
            keys_per_search=1,
            matches_prefix=True,
            pages=PageParameters(number="page", size="pageSize", per_page=500),
        ),
    )
    return HttpDestination(api, settings, vendor_format)
