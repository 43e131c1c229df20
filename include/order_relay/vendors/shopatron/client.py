"""The API of the OMS, declared. Source: docs/vendors/shopatron.md."""

from __future__ import annotations

from order_relay.http.auth.credentials import ClientCredentials
from order_relay.http.sending.session import DestinationApi, HttpDestination
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.order_view import payload_traits
from order_relay.vendors.shopatron.outcomes import IMPORT_OUTCOMES, is_throttle
from order_relay.vendors.shopatron.search import order_search
from order_relay.vendors.shopatron.status.order_status import OmsStatusReader


def oms_api(settings: OmsSettings) -> DestinationApi:
    """The API of an account."""
    return DestinationApi(
        name="the OMS",
        import_path="importOrder/",
        credentials=oms_credentials(settings),
        outcomes=IMPORT_OUTCOMES,
        headers={**settings.headers, "API-Key": settings.api_key},
        search=order_search(settings.order_view, (settings.search_from, settings.search_to)),
        expected_traits=payload_traits,
        read_status=OmsStatusReader(
            settings.order_view, settings.order_statuses, settings.shipment_statuses, settings.status_members
        ),
    )


def open_destination(settings: OmsSettings, vendor_format: VendorFormat) -> HttpDestination[OmsSettings]:
    """The OMS account of a connection."""
    return HttpDestination(oms_api(settings), settings, vendor_format)


def oms_credentials(settings: OmsSettings) -> ClientCredentials:
    """API key and client secret. The documented lifetime of a token is about an hour."""
    return ClientCredentials(
        token_url=settings.token_url,
        client_id=settings.api_key,
        client_secret=settings.secret,
        check="token_url, API key and client secret",
        is_throttling=is_throttle,
    )
