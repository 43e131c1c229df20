"""The fields of ``acommerce_default``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from order_relay.http.connection_settings import (
    Download,
    ExtraSecret,
    FieldError,
    HttpSettings,
    MaxWait,
    Name,
    Secret,
    SizeLimit,
    TextMapping,
    Timeout,
    Url,
)

LIVE_BASE = "https://fulfillment.api.acommerce.asia"
LIVE_COMMON = "https://api.acommerce.asia"
"""Fulfilment, and the services common to all accounts (docs/vendors/acommerce.md, "Facts", addresses)."""

PAGE_SIZE = 100
"""The documented maximum (docs/vendors/acommerce.md, "Facts", pages)."""


def _page_parameter(values: dict[str, Any]) -> str:
    return "offset" if values.get("paging") == "offset" else "page"


class AcommerceSettings(HttpSettings):
    """One aCommerce account.

    ``headers`` and ``query`` are sent with each status request: how an account chooses version 3 or 2 is not published.
    ``paging`` is how the page after a full one of ``page_size`` orders is requested without a ``Link``: by the number
    of the ``page`` or the ``offset`` of its first order in ``page_parameter``, or not at all (``link``).
    """

    base_url: str = Field(validation_alias="host", title="Fulfilment API", examples=[LIVE_BASE])
    login: Secret = Field(title="User name")
    api_key: Secret = Field(validation_alias="password", title="API key")
    channel: Name = Field("", title="Channel id", description="Give either this or the partner id")
    partner: Name = Field("", title="Partner id", description="Give either this or the channel id")
    auth_url: Annotated[Url, AfterValidator(lambda url: url.rstrip("/"))] = Field(
        LIVE_COMMON,
        title="URL of the common services",
        description="For tokens and webhooks",
        examples=[LIVE_COMMON],
    )
    hook_secret: ExtraSecret = Field(
        "",
        title="Webhook secret",
        description="Key of the signatures of webhook deliveries; if empty, deliveries are refused",
    )
    signature: Literal["sha256", "sha1", "sha512"] = Field(
        "sha256",
        title="Digest of the signature",
        description="Digest of the HMAC in webhook signatures; the vendor does not publish which one it uses",
    )
    headers: TextMapping = Field(
        {},
        title="Additional headers (JSON object)",
        description="Sent with each status request",
        repr=False,
    )
    query: TextMapping = Field(
        {},
        title="Additional query parameters (JSON object)",
        description="Sent with the first request for each list of statuses",
    )
    paging: Literal["page", "offset", "link"] = Field(
        "page",
        title="Paging without links",
        description="How the page after a full one is requested if the response has no link; link: a full page without "
        "a link is the last one",
    )
    page_parameter: Name = Field(
        default_factory=_page_parameter, title="Page parameter", description="Default: page, or offset"
    )
    page_size: int = Field(
        PAGE_SIZE,
        title="Orders in a full page",
        description="A page with fewer orders is the last one",
        ge=1,
        le=10_000,
    )
    timeout_s: Timeout = 60
    download_s: Download = 300
    max_wait_s: MaxWait = 120
    size_limit_bytes: SizeLimit = 64 << 20

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if bool(self.channel) == bool(self.partner):
            raise FieldError("channel", "give either channel or partner, not both")
        return self

    @property
    def scope(self) -> str:
        """``channel/ID`` or ``partner/ID``."""
        return f"channel/{self.channel}" if self.channel else f"partner/{self.partner}"

    @property
    def account(self) -> str:
        """Identifies the account in the ledger; contains no credentials."""
        return f"acommerce:{self.base_url}/{self.scope}"
