"""The API of the OMS, declared, and how responses to ``importOrder`` are read. Source: docs/vendors/shopatron.md."""

from __future__ import annotations

import re
from collections.abc import Mapping

from order_relay.http.auth.credentials import ClientCredentials
from order_relay.http.sending.outcomes import KEPT_BYTES, OutcomeTable, read_number_id, reply_reader
from order_relay.http.sending.session import DestinationApi, HttpDestination
from order_relay.http.throttle import is_throttling
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.order_view import payload_traits
from order_relay.vendors.shopatron.search import order_search
from order_relay.vendors.shopatron.status.order_status import OmsStatusReader

_THROTTLE_CODE = re.compile(r"OVER_(QPS|RATE|LIMIT)", re.IGNORECASE)
_OMS_CODE = re.compile(rb'"(?:code|errorCode|statusCode)"\s*:\s*"?(5\d{3})\b')


def is_throttle(status: int, headers: Mapping[str, str]) -> bool:
    """429, or a 403 of the gateway with ``X-Mashery-Error-Code`` over a rate or with ``Retry-After``."""
    over_rate = status == 403 and _THROTTLE_CODE.search(headers.get("X-Mashery-Error-Code", ""))
    return bool(over_rate) or is_throttling(status, headers)


def oms_code(body: bytes) -> str:
    """The OMS's error code (5xxx) in the body, or empty. It is shown to operators; no decision depends on it."""
    found = _OMS_CODE.search(body[:KEPT_BYTES])
    return found.group(1).decode() if found else ""


IMPORT_OUTCOMES = OutcomeTable(
    is_throttling=is_throttle,
    read_success=reply_reader("orderID", "externalOrderID", read_id=read_number_id),
    error_code=oms_code,
)


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
