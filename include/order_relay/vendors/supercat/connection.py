"""The fields of ``supercat_default``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from order_relay.http.connection_settings import (
    BasicLogin,
    Download,
    ExtraSecret,
    FieldError,
    HttpSettings,
    Secret,
    TextMapping,
    Timeout,
    matching,
)
from order_relay.orders.fulfilment.oms_order import OmsReading

LIVE_BASE = "https://supercat.supercatsolutions.com"
"""Source: docs/vendors/supercat.md, "Connect"."""

MAX_CARRIER = 5
"""Characters of a carrier's code in the portal's files. Unverified (docs/vendors/supercat.md, "Order status")."""

_ORG = matching("[A-Za-z0-9_-]{2,9}", "must be the organisation's short name, 2 to 9 letters and digits")


def _portal_statuses(words: Mapping[str, str]) -> Mapping[str, str]:
    if wrong := sorted(set(words) - set(OmsReading)):
        raise ValueError(f"unknown status {', '.join(wrong)[:60]}; known: {', '.join(OmsReading)}")
    return words


def _portal_carriers(codes: Mapping[str, str]) -> Mapping[str, str]:
    if any(not 0 < len(code) <= MAX_CARRIER for code in codes.values()):
        raise ValueError(f"codes must have 1 to {MAX_CARRIER} characters")
    return codes


class SuperCatSettings(HttpSettings):
    """One SuperCat organisation. ``order_limit_bytes`` bounds one order of a response."""

    base_url: str = Field(validation_alias="host", title="Base URL", examples=[LIVE_BASE])
    login: BasicLogin = Field(title="Admin user name", examples=["an account of admin level"])
    password: Secret = Field(title="Password")
    org: Annotated[str, _ORG] = Field(
        title="Organisation",
        description="Short name of the organisation, as in every URL of the admin portal",
        examples=["acme"],
        json_schema_extra={"minLength": 2, "maxLength": 9},
    )
    timeout_s: Timeout = 60
    download_s: Download = 900
    size_limit_bytes: int = Field(
        1 << 30,
        title="Size limit (bytes)",
        description="A larger response (after decompression) is refused",
        ge=1 << 16,
        le=1 << 40,
    )
    order_limit_bytes: int = Field(
        32 << 20,
        title="Size limit of one order (bytes)",
        description="A larger order is quarantined",
        ge=1 << 12,
        le=1 << 30,
    )
    download: Literal["off", "stdjson", "stdjsonv2", "default"] = Field(
        "off",
        title="Order download by time",
        description="Unverified: format of a second download, which also returns received orders; off: never used",
    )
    download_login: BasicLogin = Field(
        "",
        title="User name of the order download",
        description="Unverified: the organisation's own API credentials, which are not the admin account",
    )
    download_password: ExtraSecret = Field(
        "",
        title="Password of the order download",
        description="Unverified: belongs to that user name",
    )

    portal_invoice_number: Literal["order_number", "oms_id"] = Field(
        "order_number",
        title="Portal: invoice number",
        description="Unverified: the invoice number beside a tracking number",
    )
    portal_statuses: Annotated[TextMapping, AfterValidator(_portal_statuses)] = Field(
        {},
        title="Portal: status words (JSON object)",
        description='Unverified: other words for open, partly_shipped, shipped and so on: {"open": "Received"}',
    )
    portal_carriers: Annotated[TextMapping, AfterValidator(_portal_carriers)] = Field(
        {},
        title="Portal: carriers (JSON object)",
        description='Codes of at most 5 characters for further carriers, such as {"Old Dominion": "ODFL"}',
    )
    portal_encoding: Literal["utf-8", "windows-1252"] = Field(
        "utf-8", title="Portal: encoding", description="Unverified: encoding of the portal's files"
    )
    portal_complete: Literal["true_false", "yes_no", "1_0"] = Field(
        "true_false", title="Portal: form of Complete", description="Unverified: how yes and no are written"
    )
    portal_origin: str = Field(
        "SuperCat", title="Portal: order origin", description="Unverified: the word in the column OrderOrigin"
    )

    @model_validator(mode="after")
    def _download_has_credentials(self) -> Self:
        for name in ("download_login", "download_password"):
            if self.download != "off" and not getattr(self, name):
                raise FieldError(name, "is missing: the order download has credentials of its own")
        return self

    @property
    def order_limit(self) -> int:
        """Limit of one order in bytes; not more than the whole response's."""
        return min(self.order_limit_bytes, self.size_limit_bytes)

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

    @property
    def download_url(self) -> str:
        """Where orders are read by time of submission. Unverified (docs/vendors/supercat.md, "Order download")."""
        return f"{self.base_url}/{self.org}/orders.json"
