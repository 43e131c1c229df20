"""The fields of ``shopatron_default``: read and checked in one place, and described for Airflow's connection form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from order_relay.connections import Connection
from order_relay.vendors.shopatron.order_view import ASK, MEMBERS, UNNAMED_ORDERS, OrderView

SEARCH_METHODS = ("auto", "external_id", "window", "none")

LIVE_BASE = "https://integration.shopatron.com/api/v2"
LIVE_TOKEN_URL = "https://auth.shopatron.com/oauthserver/oauth2/token"  # noqa: S105 - an address, not a secret

SEARCH_FROM = "startDate"
SEARCH_TO = "endDate"
"""Names of the search's date parameters: **assumed** (the vendor's table of them is not public), hence settings."""

RESERVED_HEADERS = frozenset(
    {"authorization", "api-key", "content-type", "content-length", "host", "transfer-encoding", "accept"}
)


@dataclass(frozen=True)
class OmsSettings:
    """Everything that a connection says about one OMS account. Times are seconds; limits are for the whole run."""

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
    shown_members: Mapping[str, str] = field(default_factory=dict)
    unnamed_orders: str = ASK

    @property
    def order_view(self) -> OrderView:
        """How orders of this account show themselves."""
        return OrderView(self.manufacturer_id, self.shown_members, self.unnamed_orders)

    @property
    def account(self) -> str:
        """Which account this is, for binding the ledger; no credentials."""
        parts = urlsplit(self.base_url)
        return f"shopatron:{parts.scheme}://{parts.netloc}/{self.manufacturer_id}"


def read_settings(connection: Connection) -> OmsSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field and never shows its value."""
    return OmsSettings(
        base_url=connection.base_url(),
        token_url=connection.address("token_url"),
        manufacturer_id=connection.integer("manufacturer_id", minimum=1),
        catalog_id=connection.integer("catalog_id", minimum=0),
        api_key=_header_text(connection, "login"),
        secret=connection.text("password"),
        timeout_s=connection.number("timeout_s", 60.0, minimum=1.0, maximum=3600.0),
        connections=connection.integer("connections", minimum=1, maximum=1000, default=32),
        requests_per_s=connection.number("requests_per_s", 0.0, maximum=100_000.0),
        headers=_headers(connection),
        search_by=connection.choice("search_by", SEARCH_METHODS, "auto"),
        search_from=_parameter(connection, "search_from", SEARCH_FROM),
        search_to=_parameter(connection, "search_to", SEARCH_TO),
        visible_after_s=connection.number("visible_after_s", 900.0, maximum=7 * 86_400.0),
        status_field=connection.text("status_field", "orderStatus"),
        status_values=connection.mapping("status_values"),
        trust_env=connection.flag("trust_env"),
        shown_members=_members(connection),
        unnamed_orders=connection.choice("unnamed_orders", UNNAMED_ORDERS, ASK),
    )


def _header_text(connection: Connection, name: str) -> str:
    text = connection.text(name)
    if not text.isascii() or not text.isprintable() or ":" in text:
        raise connection.wrong(name, "holds characters that an API key can not have (spaces around it? a colon?)")
    return text


def _headers(connection: Connection) -> dict[str, str]:
    headers = connection.mapping("headers")
    for name, value in headers.items():
        if name.lower() in RESERVED_HEADERS:
            raise connection.wrong("headers", f"sets {name}, which is set from the other fields")
        if not (name + value).isascii() or not (name + value).isprintable():
            raise connection.wrong("headers", "holds characters that a header can not have")
    return headers


def _parameter(connection: Connection, name: str, default: str) -> str:
    text = connection.text(name, default)
    if not text.replace("_", "").isalnum() or not text.isascii():
        raise connection.wrong(name, "is not the name of a query parameter")
    return text


def _members(connection: Connection) -> dict[str, str]:
    members = connection.mapping("shown_members")
    unknown = sorted(members.keys() - MEMBERS.keys())
    if unknown:
        known = ", ".join(MEMBERS)
        raise connection.wrong("shown_members", f"has unknown names ({', '.join(unknown)}); known: {known}")
    return members


FORM: dict[str, Any] = {
    "connection_type": "shopatron",
    "name": "Shopatron / Kibo OMS",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL of the API", "login": "API key", "password": "Client secret"},
    "placeholders": {"host": LIVE_BASE, "token_url": LIVE_TOKEN_URL},
    "extra": {
        "token_url": {
            "type": "string",
            "title": "Token URL",
            "required": True,
            "description": f"Where tokens are fetched; live: {LIVE_TOKEN_URL}",
        },
        "manufacturer_id": {
            "type": "integer",
            "title": "Manufacturer id",
            "minimum": 1,
            "required": True,
            "description": "manufacturerID of the account",
        },
        "catalog_id": {
            "type": "integer",
            "title": "Catalogue id",
            "minimum": 0,
            "required": True,
            "description": "catalogID of the account",
        },
        "timeout_s": {
            "type": "number",
            "title": "Time-out (s)",
            "minimum": 1,
            "maximum": 3600,
            "default": 60,
            "description": "Whole request, from connecting to the last byte of the answer",
        },
        "connections": {
            "type": "integer",
            "title": "Connections",
            "minimum": 1,
            "maximum": 1000,
            "default": 32,
            "description": "Connections to the OMS at one time, for the whole run",
        },
        "requests_per_s": {
            "type": "number",
            "title": "Requests a second",
            "minimum": 0,
            "default": 0,
            "description": "For the whole run; 0: as fast as the connections allow",
        },
        "headers": {
            "type": "string",
            "title": "Further headers (JSON object)",
            "description": 'Sent with each request, such as {"x-vol-tenant": "123"}',
        },
        "search_by": {
            "type": "string",
            "title": "Find orders by",
            "enum": list(SEARCH_METHODS),
            "default": "auto",
            "description": "auto: external id first, then date window",
        },
        "search_from": {
            "type": "string",
            "title": "Search parameter: from",
            "default": SEARCH_FROM,
            "description": "Name of the search's start date; the default is assumed",
        },
        "search_to": {
            "type": "string",
            "title": "Search parameter: to",
            "default": SEARCH_TO,
            "description": "Name of the search's end date; the default is assumed",
        },
        "visible_after_s": {
            "type": "number",
            "title": "Visible after (s)",
            "minimum": 0,
            "default": 900,
            "description": "How long after an import a search may still not show the order. Wait this "
            "long before the first run after a ledger was restored",
        },
        "unnamed_orders": {
            "type": "string",
            "title": "Orders that name no manufacturer",
            "enum": list(UNNAMED_ORDERS),
            "default": ASK,
            "description": "A found order names its manufacturer neither in the search "
            "result nor in its detail: ask an operator, or count it as ours",
        },
        "shown_members": {
            "type": "string",
            "title": "Members of orders (JSON object)",
            "description": 'Where found orders show what is compared with ours, such as {"total": '
            '"customerTotal", "email": ""}. An empty text: not compared',
        },
        "status_field": {
            "type": "string",
            "title": "Status field",
            "default": "orderStatus",
            "description": "orderStatus; status on the translated platform",
        },
        "status_values": {
            "type": "string",
            "title": "Status values (JSON object)",
            "description": 'Other spellings, such as {"SHIPPED": "FULFILLED"}',
        },
        "trust_env": {
            "type": "boolean",
            "title": "Use proxies of the environment",
            "default": False,
            "description": "HTTP_PROXY and friends are ignored unless this is set",
        },
    },
}
"""What Airflow's connection form shows. ``extra`` holds JSON Schema fragments, one per extra field."""
