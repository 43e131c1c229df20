"""The fields of ``shopatron_default``: reading them, and Airflow's connection form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from order_relay.connections import Connection, HttpOptions
from order_relay.http.connection_fields import (
    NETWORK,
    TIMEOUT,
    TRUST_ENV,
    ChoiceField,
    IntegerField,
    NumberField,
    TextField,
    form_extra,
)
from order_relay.vendors.shopatron.order_view import ASK, MEMBERS, UNNAMED_ORDERS, OrderView

LIVE_BASE = "https://integration.shopatron.com/api/v2"
LIVE_TOKEN_URL = "https://auth.shopatron.com/oauthserver/oauth2/token"  # noqa: S105 - a URL

SEARCH_FROM = "startDate"
SEARCH_TO = "endDate"
"""Names of the search's date parameters (docs/vendors/shopatron.md, "Facts")."""

RESERVED_HEADERS = frozenset(
    {"authorization", "api-key", "content-type", "content-length", "host", "transfer-encoding", "accept"}
)


_TIMEOUT = replace(
    TIMEOUT, minimum=1, description="For a whole request, from connecting to the last byte of the response"
)
_CONNECTIONS = IntegerField(
    name="connections",
    title="Connections",
    description="Concurrent connections to the OMS, for the whole run",
    default=32,
    minimum=1,
    maximum=1000,
)
_REQUESTS_PER_S = NumberField(
    name="requests_per_s",
    title="Requests per second",
    description="For the whole run; 0: limited only by the connections",
    default=0,
    maximum=100_000,
)
_MANUFACTURER_ID = IntegerField(
    name="manufacturer_id", title="Manufacturer id", description="manufacturerID of the account", minimum=1
)
_CATALOG_ID = IntegerField(name="catalog_id", title="Catalogue id", description="catalogID of the account", minimum=0)
_SEARCH_BY = ChoiceField(
    name="search_by",
    title="Find orders by",
    description="auto: external id first, then date window",
    choices=("auto", "external_id", "window", "none"),
)
_VISIBLE_AFTER = NumberField(
    name="visible_after_s",
    title="Visible after (s)",
    description="How long after an import a search may still not show the order. Wait this long before the first run "
    "after a ledger was restored",
    default=900,
    maximum=7 * 86_400,
)
_UNNAMED_ORDERS = ChoiceField(
    name="unnamed_orders",
    title="Orders that name no manufacturer",
    description="An order that was found names its manufacturer neither in the search result nor in its detail: ask "
    "an operator, or count it as ours",
    choices=UNNAMED_ORDERS,
)


@dataclass(frozen=True)
class OmsSettings:
    """One OMS account. Times are seconds; limits apply to the whole run. ``timeout_s`` is for a whole request."""

    base_url: str
    token_url: str
    manufacturer_id: int
    catalog_id: int
    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_s: float = 60.0
    connections: int = 32
    requests_per_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    search_by: str = "auto"
    search_from: str = SEARCH_FROM
    search_to: str = SEARCH_TO
    visible_after_s: float = 900.0
    status_field: str = "orderStatus"
    status_values: Mapping[str, str] = field(default_factory=dict)
    trust_env: bool = False
    http: HttpOptions = field(default_factory=HttpOptions)
    shown_members: Mapping[str, str] = field(default_factory=dict)
    unnamed_orders: str = ASK

    @property
    def order_view(self) -> OrderView:
        """How the orders of this account are read."""
        return OrderView(self.manufacturer_id, self.shown_members, self.unnamed_orders)

    @property
    def account(self) -> str:
        """Identifies the account in the ledger; contains no credentials."""
        parts = urlsplit(self.base_url)
        return f"shopatron:{parts.scheme}://{parts.netloc}/{self.manufacturer_id}"


def read_settings(connection: Connection) -> OmsSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
    return OmsSettings(
        base_url=connection.base_url(),
        token_url=connection.address("token_url"),
        manufacturer_id=_MANUFACTURER_ID.read(connection),
        catalog_id=_CATALOG_ID.read(connection),
        api_key=_header_text(connection, "login"),
        secret=connection.text("password"),
        timeout_s=_TIMEOUT.read(connection),
        connections=_CONNECTIONS.read(connection),
        requests_per_s=_REQUESTS_PER_S.read(connection),
        headers=_headers(connection),
        search_by=_SEARCH_BY.read(connection),
        search_from=_parameter(connection, "search_from", SEARCH_FROM),
        search_to=_parameter(connection, "search_to", SEARCH_TO),
        visible_after_s=_VISIBLE_AFTER.read(connection),
        status_field=connection.text("status_field", "orderStatus"),
        status_values=connection.mapping("status_values"),
        trust_env=TRUST_ENV.read(connection),
        http=connection.http,
        shown_members=_members(connection),
        unnamed_orders=_UNNAMED_ORDERS.read(connection),
    )


def _header_text(connection: Connection, name: str) -> str:
    text = connection.text(name)
    if not text.isascii() or not text.isprintable() or ":" in text:
        raise connection.wrong(name, "contains characters that an API key cannot have; check for spaces and colons")
    return text


def _headers(connection: Connection) -> dict[str, str]:
    headers = connection.mapping("headers")
    for name, value in headers.items():
        if name.lower() in RESERVED_HEADERS:
            raise connection.wrong("headers", f"must not set {name}, which is set from other fields")
        if not (name + value).isascii() or not (name + value).isprintable():
            raise connection.wrong("headers", "contains characters that a header cannot have")
    return headers


def _parameter(connection: Connection, name: str, default: str) -> str:
    text = connection.text(name, default)
    if not text.replace("_", "").isalnum() or not text.isascii():
        raise connection.wrong(name, "must be the name of a query parameter: letters, digits and underscores")
    return text


def _members(connection: Connection) -> dict[str, str]:
    members = connection.mapping("shown_members")
    unknown = sorted(members.keys() - MEMBERS.keys())
    if unknown:
        known = ", ".join(MEMBERS)
        raise connection.wrong("shown_members", f"has unknown names ({', '.join(unknown)}); available: {known}")
    return members


FORM: dict[str, Any] = {
    "connection_type": "shopatron",
    "name": "Shopatron / Kibo OMS",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL of the API", "login": "API key", "password": "Client secret"},
    "placeholders": {"host": LIVE_BASE, "token_url": LIVE_TOKEN_URL},
    "extra": form_extra(
        TextField(
            name="token_url",
            title="Token URL",
            description=f"Live: {LIVE_TOKEN_URL}",
            more={"required": True},
        ),
        _MANUFACTURER_ID,
        _CATALOG_ID,
        _TIMEOUT,
        _CONNECTIONS,
        _REQUESTS_PER_S,
        TextField(
            name="headers",
            title="Additional headers (JSON object)",
            description='Sent with each request, such as {"x-vol-tenant": "123"}',
        ),
        _SEARCH_BY,
        TextField(
            name="search_from",
            title="Search parameter: from",
            description="Name of the search's start date; the default is assumed",
            more={"default": SEARCH_FROM},
        ),
        TextField(
            name="search_to",
            title="Search parameter: to",
            description="Name of the search's end date; the default is assumed",
            more={"default": SEARCH_TO},
        ),
        _VISIBLE_AFTER,
        _UNNAMED_ORDERS,
        TextField(
            name="shown_members",
            title="Members of orders (JSON object)",
            description='Where orders show the values that are compared with ours, such as {"total": "customerTotal", '
            '"email": ""}. An empty text: not compared',
        ),
        TextField(
            name="status_field",
            title="Status field",
            description="orderStatus; status on the translated platform",
            more={"default": "orderStatus"},
        ),
        TextField(
            name="status_values",
            title="Status values (JSON object)",
            description='Other spellings, such as {"SHIPPED": "FULFILLED"}',
        ),
        *NETWORK,
    ),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
