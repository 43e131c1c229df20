"""SuperCat's switches. Each represents undocumented behaviour or a fault."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from order_relay_sandbox.faults import Rule
from order_relay_sandbox.stand_in import Switches

ENVELOPE_FAULTS = (
    "status_error",
    "status_failure",
    "data_object",
    "data_missing",
    "status_number",
    "not_json",
    "truncated",
    "trailing_text",
    "nan",
    "huge_number",
    "duplicate_keys",
    "duplicate_envelope_keys",
    "deep",
    "latin1",
    "drip",
)
"""Malformed responses of the order list, see the README."""

ENTRY_FAULTS = ("refused", "missing")

DOWNLOAD_FAULTS = ("status_error", "truncated", "one_bad_order")
"""Malformed responses of the order download."""


class SuperCatRule(Rule):
    """``at``: ``list`` (GET), ``acknowledge`` (POST), ``entry`` (one number in a POST), ``single`` (one order),
    ``download`` (the orders of an interval)."""

    own_answers = {"list": ENVELOPE_FAULTS, "entry": ENTRY_FAULTS, "download": DOWNLOAD_FAULTS}  # noqa: RUF012 (a declaration)
    delayable = ()

    at: Literal["list", "acknowledge", "entry", "single", "download"] = "list"

    @model_validator(mode="after")
    def _entry_fits(self) -> Self:
        if self.at == "entry" and self.answer not in ENTRY_FAULTS:
            raise ValueError(f"unknown answer {self.answer!r} for an entry; available: {', '.join(ENTRY_FAULTS)}")
        return self


class SuperCatSwitches(Switches):
    """Defaults follow the vendor's page, or the most likely behaviour where it is silent."""

    org: str = "demo"
    login: str = "demo"
    password: str = "demo-password"  # noqa: S105 (a sandbox's well-known password)
    external_id_prefix: str = ""
    download_login: str = Field(default="demo-api", description="of the order download, which is unverified")
    download_password: str = "demo-api-password"  # noqa: S105 (as above)
    download_as: Literal["asked", "array", "lines"] = "asked"
    download_lists: Literal["all", "received"] = "all"

    partial_acknowledgement_status: Literal["success", "error", "failure"] = "success"
    application_error_http: int = Field(default=200, ge=200, le=599)
    failure_data: Literal["null", "empty_list", "empty_object"] = "null"
    acknowledged_again: Literal["success", "error"] = "success"
    unknown_number: Literal["error", "success", "missing"] = "error"
    id_as: Literal["number", "string"] = "number"
    money_as: Literal["string", "number"] = "string"
    single_order: Literal["bare", "wrapped"] = "bare"
    unauthorized_body: Literal["text", "json"] = "text"
    wrong_org_http: int = Field(default=403, ge=400, le=499)
    lockout_after: int = Field(default=0, ge=0, description="bad logins in a row; 0 = never locks")
    lockout_s: float = Field(default=300.0, ge=0)
    lockout_http: int = Field(default=401, ge=400, le=499)
    gzip: Literal["never", "if_accepted"] = "if_accepted"
    order_of_list: Literal["by_id", "newest_first", "shuffled"] = "by_id"
    list_at_most: int = Field(default=0, ge=0, description="orders per answer; 0 = the whole backlog, as documented")
    faults: tuple[SuperCatRule, ...] = ()
