"""The fields of ``supercat_default``: reading them, and Airflow's connection form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from order_relay.connections import Connection
from order_relay.http.connection_fields import (
    DOWNLOAD,
    NETWORK,
    SIZE_LIMIT,
    TIMEOUT,
    HttpSettings,
    IntegerField,
    TextField,
    form_extra,
    read_http_settings,
)

LIVE_BASE = "https://supercat.supercatsolutions.com"
"""Source: docs/vendors/supercat.md, "Connect"."""

_ORG = re.compile(r"[A-Za-z0-9_-]{2,9}")
_ORG_FIELD = TextField(
    "org",
    "Organisation",
    "Short name of the organisation, as in every URL of the admin portal",
    more={"minLength": 2, "maxLength": 9, "required": True},
)
_DOWNLOAD = replace(DOWNLOAD, default=900)
_SIZE_LIMIT = replace(SIZE_LIMIT, default=1 << 30, minimum=1 << 16, maximum=1 << 40)
_ORDER_LIMIT = IntegerField(
    "order_limit_bytes",
    "Size limit of one order (bytes)",
    "A larger order is quarantined",
    default=32 << 20,
    minimum=1 << 12,
    maximum=1 << 30,
)


@dataclass(frozen=True)
class SuperCatSettings(HttpSettings):
    """One SuperCat organisation. ``order_limit_bytes`` bounds one order of a response."""

    org: str
    login: str = field(repr=False)
    password: str = field(repr=False)
    fingerprint: str = ""
    order_limit_bytes: int = 32 << 20

    @property
    def account(self) -> str:
        """Identifies the account in the ledger; contains no credentials."""
        return f"supercat:{self.base_url}/{self.org}"

    @property
    def orders_url(self) -> str:
        """Where new orders are read and acknowledged (docs/vendors/supercat.md, "Facts")."""
        return f"{self.base_url}/{self.org}/ext/v2/orders/new_orders"

    def order_url(self, order_id: str) -> str:
        """Where one order is read (docs/vendors/supercat.md, "Facts")."""
        return f"{self.base_url}/{self.org}/ext/v2/orders/{order_id}.json"


def read_settings(connection: Connection) -> SuperCatSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
    org = connection.text("org")
    if not _ORG.fullmatch(org):
        raise connection.wrong("org", "must be the organisation's short name, 2 to 9 letters and digits")
    login = connection.text("login")
    if ":" in login:
        raise connection.wrong("login", "must not contain a colon: Basic authentication does not allow it")
    http = read_http_settings(connection, download=_DOWNLOAD, size_limit=_SIZE_LIMIT)
    return SuperCatSettings(
        **http,
        org=org,
        login=login,
        password=connection.text("password"),
        fingerprint=connection.fingerprint(),
        order_limit_bytes=min(_ORDER_LIMIT.read(connection), http["size_limit_bytes"]),
    )


FORM: dict[str, Any] = {
    "connection_type": "supercat",
    "name": "SuperCat eCat",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL", "login": "Admin user name", "password": "Password"},
    "placeholders": {"host": LIVE_BASE, "login": "an account of admin level", "org": "acme"},
    "extra": form_extra(_ORG_FIELD, TIMEOUT, _DOWNLOAD, _SIZE_LIMIT, _ORDER_LIMIT, *NETWORK),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
