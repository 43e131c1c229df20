"""The fields of ``supercat_default``: read and checked in one place, and described for Airflow's connection form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from order_relay.connections import Connection

LIVE_BASE = "https://supercat.supercatsolutions.com"
"""The vendor's address (page-supercat.txt)."""

SIZE_LIMIT = 1 << 30
ORDER_LIMIT = 32 << 20

_ORG = re.compile(r"[A-Za-z0-9_-]{2,9}")


@dataclass(frozen=True)
class SuperCatSettings:
    """Everything that a connection says about one SuperCat organisation. Times are seconds, sizes are bytes.

    ``size_limit_bytes`` bounds a whole answer after decompression, ``order_limit_bytes`` one order of it;
    ``timeout_s`` the longest silence, ``download_s`` a whole answer.
    """

    base_url: str
    org: str
    login: str = field(repr=False)
    password: str = field(repr=False)
    fingerprint: str = ""
    timeout_s: float = 60.0
    download_s: float = 900.0
    size_limit_bytes: int = SIZE_LIMIT
    order_limit_bytes: int = ORDER_LIMIT
    trust_env: bool = False

    @property
    def account(self) -> str:
        """Which account this is, for binding the ledger; no credentials."""
        return f"supercat:{self.base_url}/{self.org}"

    @property
    def orders_url(self) -> str:
        """Where all new orders are read and acknowledged (page-supercat.txt, "Downloading Orders")."""
        return f"{self.base_url}/{self.org}/ext/v2/orders/new_orders"

    def order_url(self, order_id: str) -> str:
        """Where one order is read by its id (page-supercat.txt, "Tips & Tricks")."""
        return f"{self.base_url}/{self.org}/ext/v2/orders/{order_id}.json"


def read_settings(connection: Connection) -> SuperCatSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field and never shows its value."""
    org = connection.text("org")
    if not _ORG.fullmatch(org):
        raise connection.wrong("org", "is not an organisation's short name (2 to 9 letters and digits)")
    login = connection.text("login")
    if ":" in login:
        raise connection.wrong("login", "holds a colon, which Basic authentication does not allow")
    size = connection.integer("size_limit_bytes", minimum=1 << 16, maximum=1 << 40, default=SIZE_LIMIT)
    order = connection.integer("order_limit_bytes", minimum=1 << 12, maximum=1 << 30, default=ORDER_LIMIT)
    return SuperCatSettings(
        base_url=connection.base_url(),
        org=org,
        login=login,
        password=connection.text("password"),
        fingerprint=connection.fingerprint(),
        timeout_s=connection.number("timeout_s", 60.0, minimum=0.1, maximum=3600.0),
        download_s=connection.number("download_s", 900.0, minimum=0.1, maximum=86_400.0),
        size_limit_bytes=size,
        order_limit_bytes=min(order, size),
        trust_env=connection.flag("trust_env"),
    )


FORM: dict[str, Any] = {
    "connection_type": "supercat",
    "name": "SuperCat eCat",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL", "login": "Admin user name", "password": "Password"},
    "placeholders": {"host": LIVE_BASE, "login": "a user of admin level", "org": "acme"},
    "extra": {
        "org": {
            "type": "string",
            "title": "Organisation",
            "minLength": 2,
            "maxLength": 9,
            "required": True,
            "description": "Short name of the organisation, as in every URL of the admin portal",
        },
        "timeout_s": {
            "type": "number",
            "title": "Time-out (s)",
            "minimum": 0.1,
            "maximum": 3600,
            "default": 60,
            "description": "The longest silence that is waited for, not the whole download",
        },
        "download_s": {
            "type": "number",
            "title": "Time for a whole answer (s)",
            "minimum": 0.1,
            "maximum": 86400,
            "default": 900,
            "description": "A download that trickles on for longer is given up",
        },
        "size_limit_bytes": {
            "type": "integer",
            "title": "Size limit (bytes)",
            "minimum": 1 << 16,
            "default": SIZE_LIMIT,
            "description": "A larger answer, counted after decompression, is refused",
        },
        "order_limit_bytes": {
            "type": "integer",
            "title": "Size limit of one order (bytes)",
            "minimum": 1 << 12,
            "default": ORDER_LIMIT,
            "description": "An answer with a larger order is refused",
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
