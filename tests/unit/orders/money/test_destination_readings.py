"""Whatever the OMS does where its pages are silent, a payload that passes the last check keeps the order's total."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from order_relay.orders.payload.transformer import Transformer
from order_relay_sandbox import Scenario, shipped
from order_relay_sandbox.shopatron.checks import problems
from order_relay_sandbox.shopatron.store import total_of
from order_relay_sandbox.shopatron.switches import ShopatronSwitches
from tests.support.payloads import only

Build = Callable[..., Transformer]
OWN = "orderItems[].itemSpecifics"

WAYS = [
    ShopatronSwitches(
        shipping_tax=tax,
        listed_discounts=listed,
        custom_data_keys=keys,
        manufacturer_ids=(1,),
        allow_unspecified_ip=True,
    )
    for tax, listed, keys in product(("order_first", "both"), ("informative", "counted"), ("exact", "ignore_case"))
]

CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "shipping tax of the order": {"constants": {"shippingTax": 1}},
    "shipping tax of the items": {"constants": {f"{OWN}.shippingTax": 1}},
    "shipping tax of the items, for less": {
        "constants": {f"{OWN}.shippingTax": 1, f"{OWN}.actualPrice": Decimal("127.75")}
    },
    "discounts": {"constants": {"discounts": [{"code": "SPRING", "amount": "5.00"}]}},
    "promotions": {"constants": {"promotions": [{"code": "SPRING", "amount": 5}]}},
    "promotions without amounts": {"constants": {"promotions": [{"code": "SPRING", "amount": 0}]}},
}


def passes(transformer: Transformer, document: dict[str, Any]) -> dict[str, Any] | None:
    """The payload, where the last check lets it go."""
    result = only(transformer, document)
    return None if result.payload is None else json.loads(result.payload, parse_float=Decimal)


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_what_passes_keeps_its_total_under_every_switch(
    build: Build, order: dict[str, Any], change: dict[str, Any]
) -> None:
    payload = passes(build(**change), order)
    totals = {total_of(payload, switches) for switches in WAYS} if payload is not None else set()
    assert totals <= {25650}, "the order's total"


def test_the_check_refuses_what_only_some_switches_would_change(build: Build, order: dict[str, Any]) -> None:
    refused = [name for name, change in CHANGES.items() if passes(build(**change), order) is None]
    assert refused == [
        "shipping tax of the order",
        "shipping tax of the items",
        "shipping tax of the items, for less",
        "discounts",
        "promotions",
    ]


def test_discounts_for_information_change_a_total_that_counts_them(build: Build, order: dict[str, Any]) -> None:
    """Why the setting ``discounts_listed`` is an operator's decision."""
    payload = passes(build(**CHANGES["discounts"], discounts_listed="informative"), order)
    assert payload is not None
    assert {total_of(payload, switches) for switches in WAYS} == {25650, 25150}


@pytest.mark.parametrize(
    "fields",
    [
        {"Dock": "7", "dock": "8"},
        {"TERMS": "cash"},
        {"customerpo": "1", "CustomerPO": "2"},
        {"Straße": "1", "STRASSE": "2"},
    ],
    ids=str,
)
def test_no_custom_data_key_is_refused_under_any_switch(
    plain: Transformer, order: dict[str, Any], fields: dict[str, str]
) -> None:
    payload = passes(plain, order | {"custom_fields": fields})
    assert payload is not None
    assert set(fields.values()) <= set(payload["customOrderData"].values()), "nothing is lost"
    for switches in WAYS:
        assert [why for why in problems(payload, switches) if why.field.startswith("customOrderData")] == []


@pytest.mark.parametrize(
    ("scenario", "switch", "value"),
    [
        ("shopatron-shipping-tax-added", "shipping_tax", "both"),
        ("shopatron-discounts-counted", "listed_discounts", "counted"),
        ("shopatron-custom-keys-ignore-case", "custom_data_keys", "ignore_case"),
    ],
)
def test_each_switch_has_a_scenario(scenario: str, switch: str, value: str) -> None:
    assert getattr(Scenario.load(shipped()[scenario]).shopatron, switch) == value


def test_the_switches_do_what_they_say() -> None:
    item = {"itemSpecifics": {"actualPrice": 1, "quantity": 2, "shippingTax": 1}}
    body = {"orderItems": [item, item], "shippingTax": 3, "discounts": [{"amount": "0.50"}]}
    assert total_of(body, ShopatronSwitches()) == 700
    assert total_of(body, ShopatronSwitches(shipping_tax="both")) == 900
    assert total_of(body, ShopatronSwitches(shipping_tax="both", charges_per="unit")) == 1100
    assert total_of(body, ShopatronSwitches(listed_discounts="counted")) == 650
    twice = {"customOrderData": {"Dock": "7", "dock": "8"}}
    found = [why.field for why in problems(twice, ShopatronSwitches(custom_data_keys="ignore_case"))]
    assert "customOrderData" in found
    assert "customOrderData" not in [why.field for why in problems(twice, ShopatronSwitches())]
