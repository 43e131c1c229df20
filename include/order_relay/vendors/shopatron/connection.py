"""The fields of ``shopatron_default``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from order_relay.http.connection_settings import (
    NAME,
    ExtraSecret,
    Secret,
    TextMapping,
    Url,
    matching,
)
from order_relay.http.sending.send_settings import (
    Connections,
    SearchBy,
    SendRate,
    SendSettings,
    VisibleAfter,
    WholeTimeout,
)
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.vendors.shopatron.order_view import MEMBERS, OrderView
from order_relay.vendors.shopatron.status import order_status

LIVE_BASE = "https://integration.shopatron.com/api/v2"
LIVE_TOKEN_URL = "https://auth.shopatron.com/oauthserver/oauth2/token"  # noqa: S105 - a URL

RESERVED_HEADERS = frozenset(
    {"authorization", "api-key", "content-type", "content-length", "host", "transfer-encoding", "accept"}
)


def _api_key(text: str) -> str:
    if not text.isascii() or not text.isprintable() or ":" in text:
        raise ValueError("contains characters that an API key cannot have; check for spaces and colons")
    return text


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"must not set {name}, which is set from other fields")
        if not (name + value).isascii() or not (name + value).isprintable():
            raise ValueError("contains characters that a header cannot have")
    return headers


def _checked_names(members: dict[str, str], known: Mapping[str, str]) -> dict[str, str]:
    if unknown := sorted(members.keys() - known.keys()):
        raise ValueError(f"has unknown names ({', '.join(unknown)}); available: {', '.join(known)}")
    return members


def _members(members: dict[str, str]) -> dict[str, str]:
    return _checked_names(members, MEMBERS)


def _status_members(members: dict[str, str]) -> dict[str, str]:
    return _checked_names(members, order_status.MEMBERS)


def _order_statuses(words: dict[str, str]) -> dict[str, str]:
    return order_status.check_words(words, [one for one in OmsReading if one is not OmsReading.UNKNOWN])


def _shipment_statuses(words: dict[str, str]) -> dict[str, str]:
    return order_status.check_words(words, [order_status.OPEN, order_status.LEFT, order_status.VOID])


_Parameter = Annotated[
    str,
    matching(
        "[A-Za-z0-9_]*[A-Za-z0-9][A-Za-z0-9_]*",
        "must be the name of a query parameter: letters, digits and underscores",
    ),
]


class OmsSettings(SendSettings):
    """One OMS account. Times are seconds; limits apply to the whole run. ``timeout_s`` is for a whole request.

    The names of the search's parameters and the members of orders are those of docs/vendors/shopatron.md, "Facts".
    """

    facts: ClassVar = ("manufacturer_id", "catalog_id", "status_field", "status_values")

    base_url: str = Field(validation_alias="host", title="Base URL of the API", examples=[LIVE_BASE])
    api_key: Annotated[Secret, AfterValidator(_api_key)] = Field(validation_alias="login", title="API key")
    secret: Secret = Field(validation_alias="password", title="Client secret")
    token_url: Url = Field(title="Token URL", description=f"Live: {LIVE_TOKEN_URL}", examples=[LIVE_TOKEN_URL])
    manufacturer_id: int = Field(title="Manufacturer id", description="manufacturerID of the account", ge=1)
    catalog_id: int = Field(title="Catalogue id", description="catalogID of the account", ge=0)
    timeout_s: WholeTimeout = 60
    connections: Annotated[Connections, Field(description="Concurrent connections to the OMS, for the whole run")] = 32
    requests_per_s: SendRate = 0
    headers: Annotated[TextMapping, AfterValidator(_headers)] = Field(
        {},
        title="Additional headers (JSON object)",
        description='Sent with each request, such as {"x-vol-tenant": "123"}',
        repr=False,
    )
    search_by: SearchBy = "auto"
    search_from: _Parameter = Field(
        "startDate",
        title="Search parameter: from",
        description="Name of the search's start date; the default is assumed",
    )
    search_to: _Parameter = Field(
        "endDate", title="Search parameter: to", description="Name of the search's end date; the default is assumed"
    )
    visible_after_s: VisibleAfter = 900
    unnamed_orders: Literal["ask", "ours"] = Field(
        "ask",
        title="Orders that name no manufacturer",
        description="An order that was found names its manufacturer neither in the search result nor in its detail: "
        "ask an operator, or count it as ours",
    )
    shown_members: Annotated[TextMapping, AfterValidator(_members)] = Field(
        {},
        title="Members of orders (JSON object)",
        description='Where orders show the values that are compared with ours, such as {"total": "customerTotal", '
        '"email": ""}. An empty text: not compared',
    )
    status_field: str = Field(
        "orderStatus", title="Status field", description="orderStatus; status on the translated platform"
    )
    status_values: TextMapping = Field(
        {},
        title="Status values (JSON object)",
        description='Other spellings, such as {"SHIPPED": "FULFILLED"}',
    )

    order_statuses: Annotated[TextMapping, AfterValidator(_order_statuses)] = Field(
        {},
        title="Readings of order statuses (JSON object)",
        description="What further status words of orders mean: open, partly_shipped, shipped, partly_cancelled, "
        'cancelled or rejected, such as {"PAYMENT ERROR": "rejected"}',
    )
    shipment_statuses: Annotated[TextMapping, AfterValidator(_shipment_statuses)] = Field(
        {},
        title="Readings of shipment statuses (JSON object)",
        description='What further status words of shipments mean: open, shipped or cancelled, such as {"PACKED": '
        '"open"}',
    )
    status_members: Annotated[TextMapping, AfterValidator(_status_members)] = Field(
        {},
        title="Members of statuses (JSON object)",
        description='Where orders and shipments show their status and parcels, such as {"tracking": "trackingNumbers"}',
    )

    notification_secret: ExtraSecret = Field(
        "",
        title="Secret of notifications",
        description="The OMS must send it with each notification; if empty, notifications are refused",
    )
    notification_header: Annotated[str, matching(NAME, "must be the name of a header")] = Field(
        "Authorization",
        title="Header of notifications",
        description="The header with the secret, as it is or as the password of Basic authentication",
    )

    @property
    def order_view(self) -> OrderView:
        """How the orders of this account are read."""
        return OrderView(self.manufacturer_id, self.shown_members, self.unnamed_orders)

    @property
    def account(self) -> str:
        """Identifies the account in the ledger; contains no credentials."""
        parts = urlsplit(self.base_url)
        return f"shopatron:{parts.scheme}://{parts.netloc}/{self.manufacturer_id}"
