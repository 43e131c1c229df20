"""The fields of ``acommerce_default``: read and checked in one place, and described for Airflow's connection form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection

LIVE_BASE = "https://fulfillment.api.acommerce.asia"
LIVE_COMMON = "https://api.acommerce.asia"
"""The vendor's addresses (pages "Service Overview", "Authentication"): fulfilment, and the services all share."""

ALGORITHMS = ("sha256", "sha1", "sha512")
SIZE_LIMIT = 64 << 20
PAGING = ("page", "offset", "link")
PAGE_SIZE = 100
"""The documented maximum of one request."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class AcommerceSettings:
    """Everything that a connection says about one aCommerce account. Times are seconds, sizes are bytes.

    ``scope`` is ``channel/ID`` or ``partner/ID``. ``headers`` and ``query`` go with each request for statuses: how an
    account chooses version 3 or 2 is not published. ``max_wait_s``: a pause that the vendor asks for and that is waited
    out. ``paging``: how the page after a full one of ``page_size`` orders is asked for where no ``Link`` leads to it:
    by the number of the ``page`` or the ``offset`` of its first order in ``page_parameter``, or not at all (``link``).
    ``signature`` is the digest of webhooks' signatures (assumed HMAC; the algorithm is not published).
    """

    base_url: str
    auth_url: str
    scope: str
    login: str = field(repr=False)
    api_key: str = field(repr=False)
    hook_secret: str = field(default="", repr=False)
    signature: str = "sha256"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    download_s: float = 300.0
    max_wait_s: float = 120.0
    size_limit_bytes: int = SIZE_LIMIT
    trust_env: bool = False
    paging: str = "page"
    page_parameter: str = "page"
    page_size: int = PAGE_SIZE

    @property
    def account(self) -> str:
        """Which account this is, for binding the ledger; no credentials."""
        return f"acommerce:{self.base_url}/{self.scope}"


def read_settings(connection: Connection) -> AcommerceSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field and never shows its value."""
    return AcommerceSettings(
        base_url=connection.base_url(),
        auth_url=(connection.address("auth_url") if connection.text("auth_url", "") else LIVE_COMMON).rstrip("/"),
        scope=_scope(connection),
        login=connection.text("login"),
        api_key=connection.text("password"),
        hook_secret=connection.text("hook_secret", ""),
        signature=connection.choice("signature", ALGORITHMS, "sha256"),
        headers=connection.mapping("headers"),
        query=connection.mapping("query"),
        timeout_s=connection.number("timeout_s", 60.0, minimum=0.1, maximum=3600.0),
        download_s=connection.number("download_s", 300.0, minimum=0.1, maximum=86_400.0),
        max_wait_s=connection.number("max_wait_s", 120.0, maximum=3600.0),
        size_limit_bytes=connection.integer("size_limit_bytes", minimum=1 << 12, maximum=1 << 32, default=SIZE_LIMIT),
        trust_env=connection.flag("trust_env"),
        paging=connection.choice("paging", PAGING, "page"),
        page_parameter=_parameter(connection),
        page_size=connection.integer("page_size", minimum=1, maximum=10_000, default=PAGE_SIZE),
    )


def _parameter(connection: Connection) -> str:
    name = connection.text("page_parameter", "") or ("offset" if connection.text("paging", "") == "offset" else "page")
    if not _NAME.fullmatch(name):
        raise connection.wrong("page_parameter", "must be a name of letters, digits, dots, dashes and underscores")
    return name


def _scope(connection: Connection) -> str:
    given = {name: connection.text(name, "") for name in ("channel", "partner")}
    chosen = {name: text for name, text in given.items() if text}
    if len(chosen) != 1:
        raise connection.wrong("channel", "give either channel or partner, and only one of them")
    name, text = chosen.popitem()
    if not _NAME.fullmatch(text):
        raise connection.wrong(name, "is no id (letters, digits, dot, dash, underscore)")
    return f"{name}/{text}"


FORM: dict[str, Any] = {
    "connection_type": "acommerce",
    "name": "aCommerce",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Fulfilment API", "login": "User name", "password": "API key"},
    "placeholders": {"host": LIVE_BASE, "auth_url": LIVE_COMMON},
    "extra": {
        "channel": {"type": "string", "title": "Channel id", "description": "Either this or the partner id"},
        "partner": {"type": "string", "title": "Partner id", "description": "Either this or the channel id"},
        "auth_url": {
            "type": "string",
            "title": "Address of the common services",
            "default": LIVE_COMMON,
            "description": "Tokens and webhooks",
        },
        "hook_secret": {
            "type": "string",
            "title": "Webhook secret",
            "format": "password",
            "description": "Signs what the vendor sends; without it webhooks are refused",
        },
        "signature": {
            "type": "string",
            "title": "Digest of the signature",
            "enum": list(ALGORITHMS),
            "default": "sha256",
            "description": "HMAC; which one the vendor uses is not published",
        },
        "headers": {
            "type": "string",
            "title": "Further headers (JSON object)",
            "description": "Sent with each request for statuses",
        },
        "query": {
            "type": "string",
            "title": "Further query parameters (JSON object)",
            "description": "Sent with each first request for statuses",
        },
        "paging": {
            "type": "string",
            "title": "Paging without links",
            "enum": list(PAGING),
            "default": "page",
            "description": "How the page after a full one is asked for where the answer links to none; link: "
            "such a page is the last one",
        },
        "page_parameter": {"type": "string", "title": "Page parameter", "description": "Default: page, or offset"},
        "page_size": {
            "type": "integer",
            "title": "Orders in a full page",
            "minimum": 1,
            "maximum": 10000,
            "default": PAGE_SIZE,
            "description": "A page with fewer orders is the last one",
        },
        "timeout_s": {
            "type": "number",
            "title": "Time-out (s)",
            "minimum": 0.1,
            "maximum": 3600,
            "default": 60,
            "description": "The longest silence that is waited for",
        },
        "max_wait_s": {
            "type": "number",
            "title": "Longest pause (s)",
            "minimum": 0,
            "maximum": 3600,
            "default": 120,
            "description": "A pause that the vendor asks for is waited out up to this; else the task ends",
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
