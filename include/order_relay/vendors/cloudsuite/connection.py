"""The fields of ``cloudsuite_default``."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal, Self

from pendulum import Timezone
from pydantic import BeforeValidator, Field, model_validator

from order_relay.http.connection_settings import (
    Download,
    FieldError,
    MaxWait,
    Secret,
    SizeLimit,
    Timeout,
    Url,
    matching,
    split_names,
)
from order_relay.http.reading.read_settings import Parallel, Pause, ReadRate, ReadSettings, Tries
from order_relay.times import find_zone

LIVE_BASE = "https://api.cloudsuite.io"
LIVE_TOKEN_URL = "https://id.cloudsuite.io/realms/CloudSuite/protocol/openid-connect/token"  # noqa: S105 - a URL
"""Source: docs/vendors/cloudsuite.md, "Connect". The vendor's test realm is called CloudSuite-test."""

STATES = ("quotation", "confirmed", "processing", "done")
"""States of orders that may be read. Drafts are not orders yet, and cancelled orders are never sent."""

HISTORY_STATES = ("confirmed", "processing", "done", "cancel")
"""States of orders that a history import may read."""

_ACCOUNT = matching("[A-Za-z0-9_.-]{1,60}", "must consist of up to 60 letters, digits, dots, dashes and underscores")


def _zone(name: Any) -> Timezone | None:
    zone = find_zone(name) if isinstance(name, str) else None
    if zone is None:
        raise ValueError("must be the name of a time zone, such as Europe/Amsterdam")
    return zone


def _states(text: Any, known: tuple[str, ...] = STATES) -> tuple[str, ...]:
    states = tuple(dict.fromkeys(split_names(text)))
    if not states or not set(states) <= set(known):
        raise ValueError(f"must name one or more of {', '.join(known)}, such as {known[0]}")
    return states


def _history_states(text: Any) -> tuple[str, ...]:
    return _states(text, HISTORY_STATES)


def _webshops(text: Any) -> frozenset[str]:
    ids = frozenset(split_names(text))
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in ids):
        raise ValueError("must be a list of web shop ids, such as 1,4")
    return ids


class CloudSuiteSettings(ReadSettings):
    """One CloudSuite account. Times are seconds.

    ``webshops``: whose orders count; empty: all.
    ``zone``: the shop's time zone (dates carry none); without it, windows are wide enough for every zone.
    ``listed_states``: states of orders that are read and may be sent; ``history_states``: by a history import.
    """

    facts: ClassVar = ("time_zone",)

    base_url: str = Field(validation_alias="host", title="Base URL of the API", examples=[LIVE_BASE])
    login: Secret = Field("", title="Client id")
    password: Secret = Field(title="Client secret")
    token_url: Url = Field(
        "",
        title="Token URL",
        description=f"Required unless the authentication is token; live: {LIVE_TOKEN_URL}",
        examples=[LIVE_TOKEN_URL],
    )
    auth: Literal["oauth", "token"] = Field(
        "oauth",
        title="Authentication",
        description="oauth: client credentials; token: the deprecated static token, entered as the password",
    )
    account_name: Annotated[str, _ACCOUNT] = Field(
        "",
        validation_alias="account",
        title="Account name",
        description="A name of your own for this account; it stays the same when the client id changes",
        json_schema_extra={"maxLength": 60},
    )
    zone: Annotated[Timezone | None, BeforeValidator(_zone)] = Field(
        None,
        validation_alias="time_zone",
        title="Time zone of the shop",
        description="Such as Europe/Amsterdam. CloudSuite's dates carry no zone: without it no order is missed, "
        "but times are read as UTC",
    )
    listed_states: Annotated[tuple[str, ...], BeforeValidator(_states)] = Field(
        ("confirmed",),
        validation_alias="states",
        title="States",
        description="States of the orders to read, separated by commas; CloudSuite recommends confirmed",
        json_schema_extra={"default": "confirmed"},
    )
    history_states: Annotated[tuple[str, ...], BeforeValidator(_history_states)] = Field(
        ("processing", "done", "cancel"),
        title="States, history import",
        description="States of the orders that a history import reads, separated by commas: confirmed, processing, "
        "done, cancel",
        json_schema_extra={"default": "processing,done,cancel"},
    )
    webshops: Annotated[frozenset[str], BeforeValidator(_webshops)] = Field(
        frozenset(), title="Web shops", description="Ids, separated by commas; empty: the orders of all web shops"
    )
    page_size: int = Field(100, title="Page size", description="Orders requested per page of the list", ge=1, le=10_000)
    parallel: Annotated[Parallel, Field(description="Orders and addresses that are read at the same time")] = 4
    detail_tries: Tries = 3
    detail_pause_s: Pause = 0.5
    requests_per_s: ReadRate = 0
    max_wait_s: MaxWait = 120
    no_trailing_slash: bool = Field(
        False,
        title="No slash at the end of URLs",
        description="The vendor documents both forms; the slash is the safer one",
    )
    timeout_s: Timeout = 60
    download_s: Download = 300
    size_limit_bytes: SizeLimit = 32 << 20
    line_numbers: Literal["put", "patch", "off"] = Field(
        "put",
        title="Write line numbers by",
        description="put: the whole order is sent back, as documented; patch: only its lines; off",
    )
    shipped_by: Literal["shipment_state", "done", "desadv", "off"] = Field(
        "shipment_state",
        title="Report shipments by",
        description="shipment_state=sent, state=done, a DESADV message for each delivery, or not at all",
    )
    report_cancelled: bool = Field(
        False,
        title="Report orders cancelled in the OMS",
        description="Such an order gets state=cancel, unless a part of it was shipped. Assumed: the shop takes it",
    )
    offline_sent: bool = Field(
        False,
        title="Mark offline orders as sent",
        description="Orders that were loaded into the shop by an ERP get shipment_state=sent",
    )
    desadv_format: Literal["xml", "json"] = Field(
        "xml", title="DESADV format", description="The vendor's documentation is ambiguous"
    )
    desadv_shop: int | None = Field(
        None,
        title="DESADV: shop",
        description="The shop number in the URL of delivery messages; default: the order's web shop",
        ge=1,
    )
    desadv_user: int | None = Field(
        None,
        title="DESADV: user",
        description="The user number in the URL of delivery messages; required if shipments are reported by desadv",
        ge=1,
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.auth == "oauth":
            for name in ("token_url", "login"):
                if not getattr(self, name):
                    raise FieldError(name, "is missing")
        elif not (self.password.isascii() and self.password.isprintable() and " " not in self.password):
            raise FieldError("password", "contains characters that a token cannot have, such as spaces")
        if self.shipped_by == "desadv" and not self.desadv_user:
            raise FieldError("desadv_user", "is required if shipped_by is desadv")
        return self

    @property
    def account(self) -> str:
        """Identifies the account in the ledger: a name set by the user, or a hash of the client id."""
        name = self.account_name or hashlib.sha256(self.login.encode()).hexdigest()[:12]
        return f"cloudsuite:{self.base_url}/{name}"

    @property
    def time_zone(self) -> str:
        """The name of the shop's time zone for mappings; UTC if it is not known."""
        return "UTC" if self.zone is None else self.zone.key
