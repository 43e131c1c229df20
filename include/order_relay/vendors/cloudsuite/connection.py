"""The fields of ``cloudsuite_default``: read and checked in one place, and described for Airflow's connection form."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from order_relay.connections import Connection
from order_relay.times import find_zone

LIVE_BASE = "https://api.cloudsuite.io"
LIVE_TOKEN_URL = "https://id.cloudsuite.io/realms/CloudSuite/protocol/openid-connect/token"  # noqa: S105 - an address
"""The vendor's addresses (page "Usage Info"); its test realm is called CloudSuite-test."""

AUTH = ("oauth", "token")
LINE_NUMBERS = ("put", "patch", "off")
SHIPPED_BY = ("shipment_state", "done", "desadv", "off")
DESADV_FORMATS = ("xml", "json")

STATES = ("quotation", "confirmed", "processing", "done")
"""States of orders that may be read. Drafts are not orders yet, and ``cancel`` is never sent."""

SIZE_LIMIT = 32 << 20


@dataclass(frozen=True)
class CloudSuiteSettings:
    """Everything that a connection says about one CloudSuite account. Times are seconds, sizes are bytes.

    ``size_limit_bytes`` bounds one answer after decompression, ``timeout_s`` the longest silence, ``download_s`` a
    whole answer, ``max_wait_s`` a pause that the shop asks for and that is waited out. ``page_size`` is what a list is
    asked for at a time; ``requests_per_s`` (0: no limit) and ``parallel`` are for the whole client. ``webshops`` are
    the shops whose orders count, all where it is empty. ``zone`` is the one of the shop's clock (dates carry none);
    without it an interval is asked for with bounds wide enough for every zone. ``detail_tries`` is how often one order
    is asked for before it is set aside, ``detail_pause_s`` the first pause between two of these tries (then four times
    as long). ``listed_states`` are the states whose orders are read, and may be sent.
    """

    base_url: str
    account: str
    token_url: str = ""
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    auth: str = "oauth"
    fingerprint: str = ""
    zone: ZoneInfo | None = None
    webshops: frozenset[str] = frozenset()
    page_size: int = 100
    parallel: int = 4
    listed_states: tuple[str, ...] = ("confirmed",)
    detail_tries: int = 3
    detail_pause_s: float = 0.5
    requests_per_s: float = 0.0
    trailing_slash: bool = True
    timeout_s: float = 60.0
    download_s: float = 300.0
    max_wait_s: float = 120.0
    size_limit_bytes: int = SIZE_LIMIT
    line_numbers: str = "put"
    shipped_by: str = "shipment_state"
    offline_sent: bool = False
    desadv_format: str = "xml"
    desadv_shop: int = 0
    desadv_user: int = 0
    trust_env: bool = False

    @property
    def time_zone(self) -> str:
        """The name of the shop's zone, as mappings take it; UTC where it is not known."""
        return "UTC" if self.zone is None else self.zone.key


def read_settings(connection: Connection) -> CloudSuiteSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field and never shows its value."""
    auth = connection.choice("auth", AUTH, "oauth")
    oauth = auth == "oauth"
    base_url = connection.base_url()
    shipped_by = connection.choice("shipped_by", SHIPPED_BY, "shipment_state")
    desadv = shipped_by == "desadv"
    return CloudSuiteSettings(
        base_url=base_url,
        account=f"cloudsuite:{base_url}/{_account(connection)}",
        token_url=connection.address("token_url") if oauth else "",
        login=connection.text("login", None if oauth else ""),
        password=_password(connection, auth),
        auth=auth,
        fingerprint=connection.fingerprint(),
        zone=_zone(connection),
        webshops=_webshops(connection),
        listed_states=_states(connection),
        page_size=connection.integer("page_size", minimum=1, maximum=10_000, default=100),
        parallel=connection.integer("parallel", minimum=1, maximum=64, default=4),
        detail_tries=connection.integer("detail_tries", minimum=1, maximum=10, default=3),
        detail_pause_s=connection.number("detail_pause_s", 0.5, maximum=60.0),
        requests_per_s=connection.number("requests_per_s", 0.0, maximum=10_000.0),
        trailing_slash=not connection.flag("no_trailing_slash"),
        timeout_s=connection.number("timeout_s", 60.0, minimum=0.1, maximum=3600.0),
        download_s=connection.number("download_s", 300.0, minimum=0.1, maximum=86_400.0),
        max_wait_s=connection.number("max_wait_s", 120.0, maximum=3600.0),
        size_limit_bytes=connection.integer("size_limit_bytes", minimum=1 << 12, maximum=1 << 32, default=SIZE_LIMIT),
        line_numbers=connection.choice("line_numbers", LINE_NUMBERS, "put"),
        shipped_by=shipped_by,
        offline_sent=connection.flag("offline_sent"),
        desadv_format=connection.choice("desadv_format", DESADV_FORMATS, "xml"),
        desadv_shop=connection.integer("desadv_shop", minimum=1, default=0),
        desadv_user=connection.integer("desadv_user", minimum=1, default=None if desadv else 0),
        trust_env=connection.flag("trust_env"),
    )


def _account(connection: Connection) -> str:
    """What tells accounts on one host apart: a name of the firm's own, or a trace of the client id, not the id."""
    own = connection.text("account", "")
    if own and not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", own):
        raise connection.wrong("account", "is not a short name (letters, digits, dot, dash, underscore)")
    return own or hashlib.sha256(f"{connection.login}".encode()).hexdigest()[:12]


def _password(connection: Connection, auth: str) -> str:
    text = connection.text("password")
    if auth == "token" and not (text.isascii() and text.isprintable() and " " not in text):
        raise connection.wrong("password", "holds characters that a token can not have")
    return text


def _zone(connection: Connection) -> ZoneInfo | None:
    name = connection.text("time_zone", "")
    zone = find_zone(name)
    if name and zone is None:
        raise connection.wrong("time_zone", "is not the name of a time zone, such as Europe/Amsterdam")
    return zone


def _states(connection: Connection) -> tuple[str, ...]:
    states = tuple(dict.fromkeys(filter(None, map(str.strip, connection.text("states", "confirmed").split(",")))))
    if not states or not set(states) <= set(STATES):
        raise connection.wrong("states", f"must name one or more of {', '.join(STATES)}, such as confirmed")
    return states


def _webshops(connection: Connection) -> frozenset[str]:
    ids = [part.strip() for part in connection.text("webshops", "").split(",") if part.strip()]
    if not all(re.fullmatch("[0-9]{1,18}", part) for part in ids):
        raise connection.wrong("webshops", "is not a list of webshops' ids, such as 1,4")
    return frozenset(ids)


FORM: dict[str, Any] = {
    "connection_type": "cloudsuite",
    "name": "CloudSuite",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL of the API", "login": "Client id", "password": "Client secret"},
    "placeholders": {"host": LIVE_BASE, "token_url": LIVE_TOKEN_URL},
    "extra": {
        "token_url": {
            "type": "string",
            "title": "Token URL",
            "description": f"Where tokens are fetched, unless auth is token; live: {LIVE_TOKEN_URL}",
        },
        "auth": {
            "type": "string",
            "title": "Scheme",
            "enum": list(AUTH),
            "default": "oauth",
            "description": "oauth, or token: the old static token, which then stands in the password",
        },
        "account": {
            "type": "string",
            "title": "Account's name",
            "maxLength": 60,
            "description": "A name of your own for this account, kept when the client id changes",
        },
        "time_zone": {
            "type": "string",
            "title": "Time zone of the shop",
            "description": "Such as Europe/Amsterdam. CloudSuite's dates carry no zone: without it no order "
            "is missed, but times are read as UTC",
        },
        "states": {
            "type": "string",
            "title": "States",
            "default": "confirmed",
            "description": "States whose orders are read, separated by commas; CloudSuite recommends confirmed",
        },
        "webshops": {
            "type": "string",
            "title": "Webshops",
            "description": "Ids, separated by commas; empty: the orders of all webshops",
        },
        "page_size": {
            "type": "integer",
            "title": "Page size",
            "minimum": 1,
            "maximum": 10000,
            "default": 100,
            "description": "Orders that a list is asked for at a time",
        },
        "parallel": {
            "type": "integer",
            "title": "Requests at one time",
            "minimum": 1,
            "maximum": 64,
            "default": 4,
            "description": "Details and addresses that are read at the same time",
        },
        "detail_tries": {
            "type": "integer",
            "title": "Tries per order",
            "minimum": 1,
            "maximum": 10,
            "default": 3,
            "description": "An order that cannot be read after these is set aside; the others proceed",
        },
        "detail_pause_s": {
            "type": "number",
            "title": "Pause between tries (s)",
            "minimum": 0,
            "maximum": 60,
            "default": 0.5,
            "description": "The first pause; each further one is four times as long",
        },
        "requests_per_s": {
            "type": "number",
            "title": "Requests a second",
            "minimum": 0,
            "default": 0,
            "description": "0: as fast as the requests at one time allow",
        },
        "max_wait_s": {
            "type": "number",
            "title": "Longest pause (s)",
            "minimum": 0,
            "maximum": 3600,
            "default": 120,
            "description": "A pause that the shop asks for is waited out so long, then left to a retry",
        },
        "no_trailing_slash": {
            "type": "boolean",
            "title": "No slash at the end of addresses",
            "default": False,
            "description": "The vendor's pages write both; with it is the safer one",
        },
        "timeout_s": {
            "type": "number",
            "title": "Time-out (s)",
            "minimum": 0.1,
            "maximum": 3600,
            "default": 60,
            "description": "The longest silence that is waited for",
        },
        "download_s": {
            "type": "number",
            "title": "Time for a whole answer (s)",
            "minimum": 0.1,
            "maximum": 86400,
            "default": 300,
            "description": "An answer that trickles on for longer is given up",
        },
        "size_limit_bytes": {
            "type": "integer",
            "title": "Size limit (bytes)",
            "minimum": 1 << 12,
            "default": SIZE_LIMIT,
            "description": "A larger answer, counted after decompression, is refused",
        },
        "line_numbers": {
            "type": "string",
            "title": "Line numbers by",
            "enum": list(LINE_NUMBERS),
            "default": "put",
            "description": "put: the whole order is sent back, as documented; patch: only its lines; off",
        },
        "shipped_by": {
            "type": "string",
            "title": "Shipped is told by",
            "enum": list(SHIPPED_BY),
            "default": "shipment_state",
            "description": "shipment_state=sent, state=done, a DESADV message, or not at all",
        },
        "offline_sent": {
            "type": "boolean",
            "title": "Mark offline orders as sent",
            "default": False,
            "description": "Orders that were loaded into the shop afterwards get shipment_state=sent",
        },
        "desadv_format": {
            "type": "string",
            "title": "DESADV as",
            "enum": list(DESADV_FORMATS),
            "default": "xml",
            "description": "The vendor's page does not settle it",
        },
        "desadv_shop": {
            "type": "integer",
            "title": "DESADV: shop",
            "minimum": 1,
            "description": "The shop's number in their address; default: the order's webshop",
        },
        "desadv_user": {
            "type": "integer",
            "title": "DESADV: user",
            "minimum": 1,
            "description": "The user's number in their address",
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
