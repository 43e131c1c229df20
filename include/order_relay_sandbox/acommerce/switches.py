"""aCommerce's switches. Each represents undocumented behaviour or a fault."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from order_relay_sandbox.faults import Rule
from order_relay_sandbox.stand_in import Switches

LIST_ANSWERS = ("not_json", "truncated", "object", "other_host", "circle")
"""Malformed pages, see the README."""

Place = Literal["token", "poll", "by_id", "hooks"]


class AcommerceRule(Rule):
    """``at``: name of a route."""

    own_answers = {"poll": LIST_ANSWERS}  # noqa: RUF012 (a declaration)
    delayable = ()

    at: Place = "poll"


class AcommerceSwitches(Switches):
    """Defaults follow the vendor's pages, or the assumptions in the README where these are silent."""

    username: str = "demo-user"
    api_key: str = "demo-api-key"
    channel: str = "demo-channel"
    token_wrapped: bool = True
    token_lifetime_s: float = Field(default=3600.0, gt=0)
    token_calls: int = Field(default=0, ge=0, description="calls per token; 0 = no limit")
    requests_per_s: float = Field(default=0.0, ge=0, description="429 above it; 0 = no limit")
    retry_after: bool = True
    by_id_every_s: float = Field(default=0.0, ge=0, description="minimum interval per order, else 429; 0 = no limit")

    version: Literal[2, 3] = 3
    event_ids: bool = True
    since_inclusive: bool = True
    page_size: int = Field(default=100, ge=1, le=100)
    links: Literal["always", "never"] = Field(default="always", description="the Link header to the next page")
    page_parameter: Literal["page", "offset", "ignored", "refused"] = "page"
    order_of_list: Literal["oldest_change", "newest_change", "by_id"] = "oldest_change"
    changes_while_paging: int = Field(default=0, ge=0, description="orders that change between two pages")
    corrections_republished: bool = True
    corrections_listed: bool = True
    polls_show: Literal["history", "new"] = Field(default="history", description="new: entries published since then")

    signature: Literal["sha256", "sha1", "sha512"] = "sha256"
    faults: tuple[AcommerceRule, ...] = ()
