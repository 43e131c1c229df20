"""The OMS's switches. Each represents undocumented behaviour or a fault."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field

from order_relay_sandbox.faults import Rule
from order_relay_sandbox.stand_in import Switches

Place = Literal["import", "search", "order", "shipments", "token", "catalog", "schema"]
OWN_ANSWERS = ("throttle_403", "throttle_429", "bad_key")


class ShopatronRule(Rule):
    """``at``: ``import``, ``search``, ``order`` (get one), ``shipments``, ``token``, ``catalog``, ``schema``.

    ``later`` applies to imports only. ``throttle_403`` is the gateway's answer above the rate limit, ``bad_key`` for
    an unknown key.
    """

    own_answers = dict.fromkeys(get_args(Place), OWN_ANSWERS)
    delayable = ("import",)

    at: Place = "import"


class ShopatronSwitches(Switches):
    """Defaults follow the vendor's pages, or the assumptions in the README where these are silent."""

    api_key: str = "demo-key"
    secret: str = "demo-secret"  # noqa: S105 (a sandbox's well-known secret)
    manufacturer_ids: tuple[int, ...] = (1042,)
    check_manufacturer: bool = True
    requests_per_s: float = Field(default=0.0, ge=0, description="the gateway's limit; 0 = no limit")
    over_rate_answer: Literal["throttle_403", "throttle_429"] = "throttle_403"

    token_lifetime_s: float = Field(default=3600.0, gt=0)
    token_calls: int = Field(default=0, ge=0, description="calls per token; 0 = no limit")
    expired_http: Literal[401, 403] = 401

    duplicates: Literal["reject", "accept", "return_existing"] = "reject"
    duplicate_http: Literal[400, 409, 422] = 400
    success_http: Literal[200, 201] = 200
    success_body: Literal["order", "id_only", "id_and_error"] = "order"
    honour_order_id: bool = False
    charges_per: Literal["line", "unit"] = "line"
    shipping_tax: Literal["order_first", "both"] = Field(
        default="order_first", description="whether the lines' shippingTax counts only if the order has none"
    )
    listed_discounts: Literal["informative", "counted"] = Field(
        default="informative", description="whether amounts in discounts and promotions reduce the total"
    )
    custom_data_keys: Literal["exact", "ignore_case"] = Field(
        default="exact", description="ignore_case: keys that differ only in case are duplicates and refused"
    )
    keep_bodies: bool = True

    unknown_fields: Literal["accept", "reject"] = "accept"
    defaulted_fields_required: bool = True
    min_items: int = Field(default=1, ge=0)
    custom_data_limits: bool = True
    allow_unspecified_ip: bool = True
    payment_types: tuple[str, ...] = ("CC", "CS", "LV", "PP", "EB", "PZ", "NO", "TK")

    search_external_id: Literal["supported", "error", "ignored"] = "supported"
    unknown_parameters: Literal["error", "ignored"] = "error"
    date_from_parameters: tuple[str, ...] = ("startDate", "dateFrom", "fromDate")
    date_to_parameters: tuple[str, ...] = ("endDate", "dateTo", "toDate")
    date_means: Literal["original", "imported"] = "original"
    no_match: Literal["envelope", "empty_body", "not_found"] = "envelope"
    visible_after_s: float = Field(default=0.0, ge=0)
    first_page: Literal[0, 1] = 1
    over_max_per_page: Literal["error", "clamp"] = "error"
    max_terms: int = Field(default=100, ge=1)
    shifting_pages: bool = False
    search_terms: Literal["all", "first", "last", "first_two", "every_second", "short", "ends"] = Field(
        default="all", description="which of several external ids are honoured; short: the first 60 characters of them"
    )
    search_manufacturer: Literal["filters", "ignored"] = "filters"
    search_most_rows: int = Field(default=0, ge=0, description="maximum rows that a search returns and counts; 0 = all")
    search_one_per_id: bool = Field(
        default=False, description="return only one of several orders with the same external id"
    )
    search_order: Literal["newest", "oldest", "shuffled"] = "newest"
    search_total: Literal["exact", "of_page", "too_high"] = "exact"
    search_pages: Literal["honoured", "ignored"] = "honoured"
    search_snapshot: int = Field(
        default=-1, ge=-1, description="number of orders that searches find, oldest first; -1 = all"
    )
    rows_carry_manufacturer: bool = True
    order_carries_manufacturer: bool = True
    rows_carry_total: bool = True
    order_shows: Literal["all", "little"] = Field(
        default="all", description="all: customer, part numbers and custom data as imported (their names are invented)"
    )
    rows_carry_external_id: bool = True
    order_carries_external_id: bool = True
    publishes_schemas: bool = True
    schema_changes: dict[str, Any] = Field(
        default={},
        description="values in chosen places of the published schemas, by file and JSON pointer, such as "
        "importOrder.json#/properties/orderComment/maxLength: 200; null removes what is there",
    )
    cancelled_spelling: str = "CANCELED"
    fulfilment: Literal["none", "ship", "ship_partly", "cancel", "cancel_item", "backorder", "unknown"] = Field(
        default="none", description="what becomes of orders after their import"
    )
    fulfilment_after_s: float = Field(default=0.0, ge=0, description="how long after the import")
    items_carry_state: bool = Field(default=True, description="whether an order's detail shows the state of its items")
    shipment_search: Literal["by_order", "ignored", "error"] = Field(
        default="by_order", description="ignored: the search shows the shipments of all orders"
    )
    shipments_carry_order: bool = True
    shipments_show_tracking: bool = True
    notification_duplicates: int = Field(default=1, ge=0, description="how often a notification is sent again")
    detail_answers: Literal["asked", "other"] = Field(
        default="asked", description="other: get order shows another order than the one asked for"
    )
    faults: tuple[ShopatronRule, ...] = ()
