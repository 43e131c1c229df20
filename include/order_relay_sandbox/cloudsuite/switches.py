"""CloudSuite's switches. Each represents undocumented behaviour or a fault."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from order_relay_sandbox.faults import Rule
from order_relay_sandbox.stand_in import Switches

LIST_ANSWERS = ("not_json", "truncated", "no_results", "results_object", "entry_without_id", "count_text")
"""Malformed lists, see the README."""

Place = Literal["token", "list", "detail", "address", "patch", "put", "post", "delivery", "status"]


class CloudSuiteRule(Rule):
    """``at``: name of a route. At routes that write, ``done`` and ``none`` decide whether the change is stored."""

    own_answers = {"list": LIST_ANSWERS}  # noqa: RUF012 (a declaration)
    delayable = ()

    at: Place = "list"


class CloudSuiteSwitches(Switches):
    """Defaults follow the vendor's pages, or the assumptions in the README where these are silent."""

    client_id: str = "demo-client"
    client_secret: str = "demo-client-secret"  # noqa: S105 (a sandbox's well-known secret)
    realm: str = "CloudSuite"
    static_token: str = ""
    scope_required: bool = True
    token_lifetime_s: float = Field(default=300.0, gt=0)
    token_calls: int = Field(default=0, ge=0, description="calls per token; 0 = no limit")
    requests_per_s: float = Field(default=0.0, ge=0, description="429 above it; 0 = no limit")

    now: datetime | None = Field(default=None, description="the shop's clock at the start; by default the real one")
    time_zone: str = "UTC"
    spread_h: float = Field(default=24.0, gt=0, description="generated orders were confirmed in these hours before now")

    settled_after_h: float = Field(
        default=0.0,
        ge=0,
        description="generated orders that were confirmed earlier are done (90 %), processing or cancelled; 0 = none",
    )

    page_size: int = Field(default=20, ge=1)
    max_page_size: int = Field(default=100, ge=1)
    over_max_page: Literal["clamp", "error"] = "clamp"
    order_of_list: Literal["by_id", "newest_first"] = "by_id"
    next_host: str = ""
    leaving_while_paging: int = Field(default=0, ge=0)
    arriving_while_paging: int = Field(default=0, ge=0)
    unknown_parameters: Literal["ignored", "error"] = "ignored"
    webshop_parameter: str = "webshop"
    cancelled_after_reading: int = Field(default=0, ge=0, description="orders cancelled once their detail was read")
    cancelled_after_take_over: int = Field(default=0, ge=0, description="orders cancelled once set to processing")
    without_slash: Literal["redirect", "answer", "not_found"] = "redirect"

    addresses_as: Literal["object", "id"] = "object"
    numbers_as: Literal["number", "string"] = "number"
    extra_members: bool = False

    write_reply: Literal["object", "empty"] = "object"
    transitions: Literal["free", "forward"] = "free"
    combined_patch: bool = True
    patch_lines: Literal["refused", "ignored", "merged", "replaced"] = "refused"
    put_omitted: Literal["cleared", "kept"] = "cleared"
    put_line_ids: Literal["kept", "renewed"] = "kept"
    written_addresses: Literal["id", "id_or_object"] = "id"
    unknown_members: Literal["ignored", "error"] = "ignored"
    shipment_states: tuple[str, ...] = ("sent",)

    desadv: Literal["xml", "json", "both"] = "both"
    delivery_marks_sent: bool = True

    payable: tuple[str, ...] = ("paid", "closed_success", "account")
    none_payable_webshops: tuple[int, ...] = ()
    faults: tuple[CloudSuiteRule, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError) as wrong:
            raise ValueError(f"unknown time_zone {name!r}; use an IANA name such as Europe/Amsterdam") from wrong
        return name

    @field_validator("now")
    @classmethod
    def _with_zone(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("now must have a time zone, as in 2026-03-04T12:00:00Z")
        return moment
