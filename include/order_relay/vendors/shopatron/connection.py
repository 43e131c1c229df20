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
    read_fields,
)
from order_relay.vendors.shopatron.order_view import ASK, MEMBERS, UNNAMED_ORDERS, OrderView

LIVE_BASE = "https://integration.shopatron.com/api/v2"
LIVE_TOKEN_URL = "https://auth.shopatron.com/oauthserver/oauth2/token"  # noqa: S105 - a URL

FACTS = ("manufacturer_id", "catalog_id", "status_field", "status_values")
"""Settings that mapping rules may read as ``settings.x``."""

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
    "connections",
    "Connections",
    "Concurrent connections to the OMS, for the whole run",
    default=32,
    minimum=1,
    maximum=1000,
)
_REQUESTS_PER_S = NumberField(
    "requests_per_s",
    "Requests per second",
    "For the whole run; 0: limited only by the connections",
    default=0,
    maximum=100_000,
)
_MANUFACTURER_ID = IntegerField("manufacturer_id", "Manufacturer id", "manufacturerID of the account", minimum=1)
_CATALOG_ID = IntegerField("catalog_id", "Catalogue id", "catalogID of the account", minimum=0)
_SEARCH_BY = ChoiceField(
    "search_by",
    "Find orders by",
    "auto: external id first, then date window",
    choices=("auto", "external_id", "window", "none"),
)
_VISIBLE_AFTER = NumberField(
    "visible_after_s",
    "Visible after (s)",
    "How long after an import a search may still not show the order. Wait this long before the first run "
    "after a ledger was restored",
    default=900,
    maximum=7 * 86_400,
)
_UNNAMED_ORDERS = ChoiceField(
    "unnamed_orders",
    "Orders that name no manufacturer",
    "An order that was found names its manufacturer neither in the search result nor in its detail: ask "
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
        **read_fields(
            connection,
            _TIMEOUT,
            _MANUFACTURER_ID,
            _CATALOG_ID,
            _CONNECTIONS,
            _REQUESTS_PER_S,
            _SEARCH_BY,
            _VISIBLE_AFTER,
            _UNNAMED_ORDERS,
            TRUST_ENV,
        ),
        base_url=connection.base_url(),
        token_url=connection.address("token_url"),
        api_key=_header_text(connection, "login"),
        secret=connection.text("password"),
        headers=_headers(connection),
        search_from=_parameter(connection, "search_from", SEARCH_FROM),
        search_to=_parameter(connection, "search_to", SEARCH_TO),
        status_field=connection.text("status_field", "orderStatus"),
        status_values=connection.mapping("status_values"),
        http=connection.http,
        shown_members=_members(connection),
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
        TextField("token_url", "Token URL", f"Live: {LIVE_TOKEN_URL}", more={"required": True}),
        _MANUFACTURER_ID,
        _CATALOG_ID,
        _TIMEOUT,
        _CONNECTIONS,
        _REQUESTS_PER_S,
        TextField(
            "headers", "Additional headers (JSON object)", 'Sent with each request, such as {"x-vol-tenant": "123"}'
        ),
        _SEARCH_BY,
        TextField(
            "search_from",
            "Search parameter: from",
            "Name of the search's start date; the default is assumed",
            more={"default": SEARCH_FROM},
        ),
        TextField(
            "search_to",
            "Search parameter: to",
            "Name of the search's end date; the default is assumed",
            more={"default": SEARCH_TO},
        ),
        _VISIBLE_AFTER,
        _UNNAMED_ORDERS,
        TextField(
            "shown_members",
            "Members of orders (JSON object)",
            'Where orders show the values that are compared with ours, such as {"total": "customerTotal", '
            '"email": ""}. An empty text: not compared',
        ),
        TextField(
            "status_field",
            "Status field",
            "orderStatus; status on the translated platform",
            more={"default": "orderStatus"},
        ),
        TextField("status_values", "Status values (JSON object)", 'Other spellings, such as {"SHIPPED": "FULFILLED"}'),
        *NETWORK,
    ),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
