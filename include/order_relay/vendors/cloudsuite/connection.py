"""The fields of ``cloudsuite_default``: reading them, and Airflow's connection form."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from pendulum import Timezone

from order_relay.connections import Connection
from order_relay.http.connection_fields import (
    DOWNLOAD,
    MAX_WAIT,
    NETWORK,
    SIZE_LIMIT,
    TIMEOUT,
    ChoiceField,
    FlagField,
    HttpSettings,
    IntegerField,
    NumberField,
    TextField,
    form_extra,
    read_fields,
    read_http_settings,
)
from order_relay.times import find_zone

LIVE_BASE = "https://api.cloudsuite.io"
LIVE_TOKEN_URL = "https://id.cloudsuite.io/realms/CloudSuite/protocol/openid-connect/token"  # noqa: S105 - a URL
"""Source: docs/vendors/cloudsuite.md, "Connect". The vendor's test realm is called CloudSuite-test."""

FACTS = ("time_zone",)
"""Settings that mapping rules may read as ``settings.x``."""

STATES = ("quotation", "confirmed", "processing", "done")
"""States of orders that may be read. Drafts are not orders yet, and cancelled orders are never sent."""

_AUTH = ChoiceField(
    "auth",
    "Authentication",
    "oauth: client credentials; token: the deprecated static token, entered as the password",
    choices=("oauth", "token"),
)
_PAGE_SIZE = IntegerField(
    "page_size", "Page size", "Orders requested per page of the list", default=100, minimum=1, maximum=10_000
)
_PARALLEL = IntegerField(
    "parallel",
    "Concurrent requests",
    "Orders and addresses that are read at the same time",
    default=4,
    minimum=1,
    maximum=64,
)
_DETAIL_TRIES = IntegerField(
    "detail_tries",
    "Tries per order",
    "An order that cannot be read in this many tries is set aside; the others proceed",
    default=3,
    minimum=1,
    maximum=10,
)
_DETAIL_PAUSE = NumberField(
    "detail_pause_s",
    "Pause between tries (s)",
    "The first pause; each further one is four times as long",
    default=0.5,
    maximum=60,
)
_REQUESTS_PER_S = NumberField(
    "requests_per_s",
    "Requests per second",
    "0: limited only by the number of concurrent requests",
    default=0,
    maximum=10_000,
)
_NO_TRAILING_SLASH = FlagField(
    "no_trailing_slash", "No slash at the end of URLs", "The vendor documents both forms; the slash is the safer one"
)
_LINE_NUMBERS = ChoiceField(
    "line_numbers",
    "Write line numbers by",
    "put: the whole order is sent back, as documented; patch: only its lines; off",
    choices=("put", "patch", "off"),
)
_SHIPPED_BY = ChoiceField(
    "shipped_by",
    "Report shipments by",
    "shipment_state=sent, state=done, a DESADV message for each delivery, or not at all",
    choices=("shipment_state", "done", "desadv", "off"),
)
_OFFLINE_SENT = FlagField(
    "offline_sent",
    "Mark offline orders as sent",
    "Orders that were loaded into the shop by an ERP get shipment_state=sent",
)
_DESADV_FORMAT = ChoiceField(
    "desadv_format", "DESADV format", "The vendor's documentation is ambiguous", choices=("xml", "json")
)
_DESADV_SHOP = IntegerField(
    "desadv_shop",
    "DESADV: shop",
    "The shop number in the URL of delivery messages; default: the order's web shop",
    default=0,
    minimum=1,
)
_DESADV_USER = IntegerField(
    "desadv_user",
    "DESADV: user",
    "The user number in the URL of delivery messages; required if shipments are reported by desadv",
    default=0,
    minimum=1,
)
_READING = (_PAGE_SIZE, _PARALLEL, _DETAIL_TRIES, _DETAIL_PAUSE, _REQUESTS_PER_S, MAX_WAIT)
_WRITE_BACK = (_LINE_NUMBERS, _SHIPPED_BY, _OFFLINE_SENT, _DESADV_FORMAT, _DESADV_SHOP)


@dataclass(frozen=True)
class CloudSuiteSettings(HttpSettings):
    """One CloudSuite account. Times are seconds.

    ``max_wait_s``: the longest requested pause that is waited for. ``requests_per_s`` (0: unlimited) and ``parallel``
    apply to the whole client. ``webshops``: the web shops whose orders count; empty: all. ``zone``: the shop's time
    zone (dates carry none); without it, windows are wide enough for every zone. ``detail_tries``: requests for one
    order before it is set aside, ``detail_pause_s`` the first pause between them. ``listed_states``: states of orders
    that are read and may be sent.
    """

    account: str
    token_url: str = ""
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    auth: str = "oauth"
    fingerprint: str = ""
    zone: Timezone | None = None
    webshops: frozenset[str] = frozenset()
    page_size: int = 100
    parallel: int = 4
    listed_states: tuple[str, ...] = ("confirmed",)
    detail_tries: int = 3
    detail_pause_s: float = 0.5
    requests_per_s: float = 0.0
    trailing_slash: bool = True
    max_wait_s: float = 120.0
    line_numbers: str = "put"
    shipped_by: str = "shipment_state"
    offline_sent: bool = False
    desadv_format: str = "xml"
    desadv_shop: int = 0
    desadv_user: int = 0

    @property
    def time_zone(self) -> str:
        """The name of the shop's time zone for mappings; UTC if it is not known."""
        return "UTC" if self.zone is None else self.zone.key


def read_settings(connection: Connection) -> CloudSuiteSettings:
    """The settings of a connection. Raises ``ConfigurationError`` that names the field but never its value."""
    auth = _AUTH.read(connection)
    oauth = auth == "oauth"
    http = read_http_settings(connection)
    return CloudSuiteSettings(
        **http,
        **read_fields(connection, _AUTH, *_READING, *_WRITE_BACK),
        account=f"cloudsuite:{http['base_url']}/{_account(connection)}",
        token_url=connection.address("token_url") if oauth else "",
        login=connection.text("login", None if oauth else ""),
        password=_password(connection, auth),
        fingerprint=connection.fingerprint(),
        zone=_zone(connection),
        webshops=_webshops(connection),
        listed_states=_states(connection),
        trailing_slash=not _NO_TRAILING_SLASH.read(connection),
        desadv_user=_desadv_user(connection, required=_SHIPPED_BY.read(connection) == "desadv"),
    )


def _desadv_user(connection: Connection, *, required: bool) -> int:
    user = _DESADV_USER.read(connection)
    if required and not user:
        raise connection.wrong("desadv_user", "is required if shipped_by is desadv")
    return user


def _account(connection: Connection) -> str:
    """Identifies the account on its host: a name set by the user, or a hash of the client id."""
    name = connection.text("account", "")
    if name and not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", name):
        raise connection.wrong("account", "must consist of up to 60 letters, digits, dots, dashes and underscores")
    return name or hashlib.sha256(f"{connection.login}".encode()).hexdigest()[:12]


def _password(connection: Connection, auth: str) -> str:
    text = connection.text("password")
    if auth == "token" and not (text.isascii() and text.isprintable() and " " not in text):
        raise connection.wrong("password", "contains characters that a token cannot have, such as spaces")
    return text


def _zone(connection: Connection) -> Timezone | None:
    name = connection.text("time_zone", "")
    zone = find_zone(name)
    if name and zone is None:
        raise connection.wrong("time_zone", "must be the name of a time zone, such as Europe/Amsterdam")
    return zone


def _states(connection: Connection) -> tuple[str, ...]:
    states = tuple(dict.fromkeys(filter(None, map(str.strip, connection.text("states", "confirmed").split(",")))))
    if not states or not set(states) <= set(STATES):
        raise connection.wrong("states", f"must name one or more of {', '.join(STATES)}, such as confirmed")
    return states


def _webshops(connection: Connection) -> frozenset[str]:
    ids = [part.strip() for part in connection.text("webshops", "").split(",") if part.strip()]
    if not all(re.fullmatch("[0-9]{1,18}", part) for part in ids):
        raise connection.wrong("webshops", "must be a list of web shop ids, such as 1,4")
    return frozenset(ids)


FORM: dict[str, Any] = {
    "connection_type": "cloudsuite",
    "name": "CloudSuite",
    "hidden_fields": ["schema", "port"],
    "relabeling": {"host": "Base URL of the API", "login": "Client id", "password": "Client secret"},
    "placeholders": {"host": LIVE_BASE, "token_url": LIVE_TOKEN_URL},
    "extra": form_extra(
        TextField("token_url", "Token URL", f"Required unless the authentication is token; live: {LIVE_TOKEN_URL}"),
        _AUTH,
        TextField(
            "account",
            "Account name",
            "A name of your own for this account; it stays the same when the client id changes",
            more={"maxLength": 60},
        ),
        TextField(
            "time_zone",
            "Time zone of the shop",
            "Such as Europe/Amsterdam. CloudSuite's dates carry no zone: without it no order is missed, "
            "but times are read as UTC",
        ),
        TextField(
            "states",
            "States",
            "States of the orders to read, separated by commas; CloudSuite recommends confirmed",
            more={"default": "confirmed"},
        ),
        TextField("webshops", "Web shops", "Ids, separated by commas; empty: the orders of all web shops"),
        *_READING,
        _NO_TRAILING_SLASH,
        TIMEOUT,
        DOWNLOAD,
        SIZE_LIMIT,
        *_WRITE_BACK,
        _DESADV_USER,
        *NETWORK,
    ),
}
"""Airflow's connection form. ``extra`` holds a JSON Schema fragment for each extra field."""
