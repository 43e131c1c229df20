"""The fields of ``acommerce_default``: reading them, and Airflow's connection form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from order_relay.connections import Connection
from order_relay.http.connection_fields import (
    DOWNLOAD,
    MAX_WAIT,
    NETWORK,
    SIZE_LIMIT,
    TIMEOUT,
    ChoiceField,
    HttpSettings,
    IntegerField,
    TextField,
    form_extra,
    read_fields,
    read_http_settings,
)

LIVE_BASE = "https://fulfillment.api.acommerce.asia"
LIVE_COMMON = "https://api.acommerce.asia"
"""Fulfilment, and the services common to all accounts (docs/vendors/acommerce.md, "Facts", addresses)."""

PAGE_SIZE = 100
"""The documented maximum (docs/vendors/acommerce.md, "Facts", pages)."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")

_SIGNATURE = ChoiceField(
    "signature",
    "Digest of the signature",
    "Digest of the HMAC in webhook signatures; the vendor does not publish which one it uses",
    choices=("sha256", "sha1", "sha512"),
)
_PAGING = ChoiceField(
    "paging",
    "Paging without links",
    "How the page after a full one is requested if the response has no link; link: a full page without "
    "a link is the last one",
    choices=("page", "offset", "link"),
)
_PAGE_SIZE = IntegerField(
    "page_size",
    "Orders in a full page",
    "A page with fewer orders is the last one",
    default=PAGE_SIZE,
    minimum=1,
    maximum=10_000,
)
_SIZE_LIMIT = replace(SIZE_LIMIT, default=64 << 20)


@dataclass(frozen=True)
class AcommerceSettings(HttpSettings):
    """One aCommerce account. ``max_wait_s``: the longest requested pause that is waited for.

    ``scope`` is ``channel/ID`` or ``partner/ID``. ``headers`` and ``query`` are sent with each status request: how an
    account chooses version 3 or 2 is not published. ``paging`` is how the page after a full one of ``page_size``
    orders is requested without a ``Link``: by the number of the ``page`` or the ``offset`` of its first order in
    ``page_parameter``, or not at all (``link``).
    """

    auth_url: str
    scope: str
    login: str = field(repr=False)
    api_key: str = field(repr=False)
    hook_secret: str = field(default="", repr=False)
    signature: str = "sha256"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    max_wait_s: float = 120.0
    paging: str = "page"
    page_parameter: str = "page"
    page_size: int = PAGE_SIZE

    @property
    def account(self) -> str:
        """Identifies the account in the ledger; contains no credentials."""
        return f"acommerce:{self.base_url}/{self.scope}"


def read_settings(connection: Connection) -> AcommerceSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
    return AcommerceSettings(
        **read_http_settings(connection, size_limit=_SIZE_LIMIT),
        **read_fields(connection, _SIGNATURE, MAX_WAIT, _PAGING, _PAGE_SIZE),
        auth_url=(connection.address("auth_url") if connection.text("auth_url", "") else LIVE_COMMON).rstrip("/"),
        scope=_scope(connection),
        login=connection.text("login"),
        api_key=connection.text("password"),
        hook_secret=connection.text("hook_secret", ""),
        headers=connection.mapping("headers"),
        query=connection.mapping("query"),
        page_parameter=_page_parameter(connection),
    )


def _page_parameter(connection: Connection) -> str:
    name = connection.text("page_parameter", "") or ("offset" if connection.text("paging", "") == "offset" else "page")
    if not _NAME.fullmatch(name):
        raise connection.wrong("page_parameter", "must consist of letters, digits, dots, dashes and underscores")
    return name


def _scope(connection: Connection) -> str:
    ids = {name: connection.text(name, "") for name in ("channel", "partner")}
    given = {name: text for name, text in ids.items() if text}
    if len(given) != 1:
        raise connection.wrong("channel", "give either channel or partner, not both")
    name, text = given.popitem()
    if not _NAME.fullmatch(text):
        raise connection.wrong(name, "must consist of letters, digits, dots, dashes and underscores")
    return f"{name}/{text}"


FORM: dict[str, Any] = {
    "connection_type": "acommerce",
    "name": "aCommerce",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Fulfilment API", "login": "User name", "password": "API key"},
    "placeholders": {"host": LIVE_BASE, "auth_url": LIVE_COMMON},
    "extra": form_extra(
        TextField("channel", "Channel id", "Give either this or the partner id"),
        TextField("partner", "Partner id", "Give either this or the channel id"),
        TextField("auth_url", "URL of the common services", "For tokens and webhooks", more={"default": LIVE_COMMON}),
        TextField(
            "hook_secret",
            "Webhook secret",
            "Key of the signatures of webhook deliveries; if empty, deliveries are refused",
            more={"format": "password"},
        ),
        _SIGNATURE,
        TextField("headers", "Additional headers (JSON object)", "Sent with each status request"),
        TextField(
            "query",
            "Additional query parameters (JSON object)",
            "Sent with the first request for each list of statuses",
        ),
        _PAGING,
        TextField("page_parameter", "Page parameter", "Default: page, or offset"),
        _PAGE_SIZE,
        TIMEOUT,
        DOWNLOAD,
        MAX_WAIT,
        _SIZE_LIMIT,
        *NETWORK,
    ),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
