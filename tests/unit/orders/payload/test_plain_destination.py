"""A destination without any Python of its own: decimals, unsplit items, tax and freight at the order."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from tests.support.payloads import codes, only, sent

Make = Callable[..., dict[str, Any]]
Build = Callable[..., Transformer]

ITEM = {
    "lineItemKey": {"type": "string"},
    "sku": {"type": ["string", "null"]},
    "name": {"type": "string"},
    "quantity": {"type": "integer", "minimum": 1},
    "unitPrice": {"type": "number"},
    "lineTotal": {"type": "number"},
    "taxAmount": {"type": "number"},
    "discountAmount": {"type": "number"},
    "shippingAmount": {"type": "number"},
    "adjustment": {"type": "boolean"},
    "options": {
        "type": "array",
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "value": {"type": "string"}}},
    },
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["orderKey", "items"],
    "properties": {
        "orderKey": {"type": "string"},
        "orderTotal": {"type": "number"},
        "taxAmount": {"type": "number"},
        "shippingAmount": {"type": "number"},
        "discountAmount": {"type": "number"},
        "currency": {"type": "string"},
        "subtotal": {"type": "number"},
        "surcharge": {"type": "number"},
        "items": {"type": "array", "items": {"type": "object", "properties": ITEM, "additionalProperties": False}},
    },
    "additionalProperties": False,
}
MAPPING: dict[str, Any] = {
    "items": "items",
    "key": "orderKey",
    "amounts": {"discount": {"send": "item", "part_number": "DISCOUNT", "name": "Order discount"}},
    "checks": {
        "same": {"orderKey": "destination_key"},
        "unique": ["lineItemKey"],
        "money": {
            "item_price": "unitPrice",
            "item_quantity": "quantity",
            "order_charges": ["taxAmount", "shippingAmount"],
            "total": "orderTotal",
        },
    },
    "fields": [
        {"target": "orderKey", "path": "destination_key"},
        {"target": "orderTotal", "path": "total"},
        {"target": "taxAmount", "path": "tax"},
        {"target": "shippingAmount", "path": "freight"},
        {"target": "items[].lineItemKey", "path": "external_item_id"},
        {"target": "items[].sku", "path": "item_number"},
        {"target": "items[].name", "path": "item_name"},
        {"target": "items[].quantity", "path": "item_quantity"},
        {"target": "items[].unitPrice", "path": "actual_price"},
        {"target": "items[].adjustment", "path": "item_kind", "table": "adjustment", "default": False},
        {"target": "items[].options", "path": "options", "to_list": ["name", "value"]},
    ],
    "tables": {"adjustment": {"discount": True}},
}
LINE_AMOUNTS = {
    "lines": {
        "fields": [
            {"target": "discount", "path": "discount", "converter": "money"},
            {"target": "tax", "path": "tax", "converter": "money"},
        ]
    },
    "members": ["items[].discount", "items[].tax"],
}


@pytest.fixture(scope="session")
def plain_build(source_format: VendorFormat) -> Build:
    """A transformer to the plain destination; ``amounts``, ``money`` and ``fields`` change its mapping."""

    def make(
        amounts: Any = None, money: Any = None, fields: list[dict[str, Any]] | None = None, **changes: Any
    ) -> Transformer:
        mapping = copy.deepcopy(MAPPING)
        if amounts is not None:
            mapping["amounts"] = amounts
        if money is not None:
            mapping["checks"]["money"] = money
        over = MappingOverrides(source=changes.pop("source", {}), destination={"fields": fields or []})
        chosen = TransformSettings.load({**changes, "overrides": over}, file="my.yaml")
        return Transformer(source_format, VendorFormat("plainoms", SCHEMA, mapping), chosen)

    return make


def items(payload: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(item["lineItemKey"], item["quantity"], str(item["unitPrice"])) for item in payload["items"]]


def test_amounts_are_decimals_and_lines_stay_whole(plain_build: Build, order_of: Make) -> None:
    made = order_of((1, 3, "2.50", "7.50"), (2, 8, "0.125", "1.00"), discount="-1.10", freight="4.99", tax="0.61")
    payload = sent(plain_build(), made)
    assert items(payload) == [("1", 3, "2.50"), ("2", 8, "0.125"), ("DISCOUNT", 1, "-1.10")]
    amounts = [str(payload[name]) for name in ("orderTotal", "taxAmount", "shippingAmount")]
    assert amounts == [made["total"], "0.61", "4.99"]
    assert [item["adjustment"] for item in payload["items"]] == [False, False, True]
    assert payload["items"][-1]["name"] == "Order discount"


def test_options_are_a_list(plain_build: Build, order: dict[str, Any]) -> None:
    assert sent(plain_build(), order)["items"][0]["options"] == [{"name": "finish", "value": "brass"}]


def test_a_line_is_split_only_if_its_price_is_not_exact(plain_build: Build, order_of: Make) -> None:
    made = order_of((1, 3, "3.3333", "10.00"), (2, 2, "5.00", "10.00"))
    assert items(sent(plain_build(), made)) == [("1/1", 2, "3.33"), ("1/2", 1, "3.34"), ("2", 2, "5.00")]
    amount = {"item_amount": "lineTotal", "order_charges": ["taxAmount", "shippingAmount"]}
    whole = plain_build({"split": "never"}, amount, [{"target": "items[].lineTotal", "path": "item_amount"}])
    payload = sent(whole, made)
    assert items(payload) == [("1", 3, "3.3333"), ("2", 2, "5.00")]
    assert [str(item["lineTotal"]) for item in payload["items"]] == ["10.00", "10.00"]
    assert "payload_total_mismatch" in {code for code, _ in codes(plain_build({"split": "never"}), made)}


def test_amounts_of_lines_are_added_to_those_of_the_order(plain_build: Build, order_of: Make) -> None:
    made = order_of((1, 2, "10.00", "20.00"), (2, 1, "5.00", "5.00"), discount="-1.00", tax="0.30")
    made["items"][0] |= {"discount": "-4.00", "tax": "1.20"}
    made |= {"subtotal": "21.00", "total": "21.50"}
    transformer = plain_build(source=LINE_AMOUNTS)
    payload = sent(transformer, made)
    assert items(payload)[-1] == ("DISCOUNT", 1, "-5.00")
    assert str(payload["taxAmount"]) == "1.50"
    assert only(transformer, made).total_minor == 2150


def test_amounts_of_lines_are_validated(plain_build: Build, order_of: Make) -> None:
    transformer = plain_build(source=LINE_AMOUNTS)

    def found(**line: Any) -> set[tuple[str, str]]:
        made = order_of((1, 1, "5.00", "5.00"))
        made["items"][0] |= line
        return {(code, place) for code, place in codes(transformer, made) if "mismatch" not in code}

    assert found(discount="1.00") == {("discount_positive", "/items/0/discount")}
    assert found(discount="-5.01") == {("discount_too_large", "/items/0/discount")}
    assert found(tax="-0.01") == {("negative_amount", "/items/0/tax")}
    assert found(tax="much") == {("bad_amount", "/items/0/tax")}
    made = order_of((1, 1, "5.00", "5.00"))
    made["items"][0]["tax"] = "0.50"
    assert codes(transformer, made) == {("total_mismatch", "/total")}
    (issue,) = only(transformer, made).issues
    assert "freight, tax and taxes of lines add up to 5.50 (difference -0.50)" in issue.message


def test_charges_go_where_freight_and_tax_go(plain_build: Build, order_of: Make) -> None:
    made = order_of((1, 1, "5.00", "5.00"), freight="2.00", surcharge="1.50") | {"total": "8.50"}
    assert str(sent(plain_build(), made)["shippingAmount"]) == "3.50"
    assert str(sent(plain_build(charges={"surcharge": {"send": "tax"}}), made)["taxAmount"]) == "1.50"
    as_item = sent(plain_build(charges={"surcharge": {"send": "item"}}), made)
    assert items(as_item) == [("1", 1, "5.00"), ("surcharge", 1, "1.50")]
    raw = plain_build(fields=[{"target": "surcharge", "path": "charges.surcharge"}])
    assert str(sent(raw, made)["surcharge"]) == "1.50"


SPREAD = [
    {"target": "items[].taxAmount", "path": "item_tax"},
    {"target": "items[].shippingAmount", "path": "item_freight"},
    {"target": "items[].discountAmount", "path": "item_discount"},
    {"target": "taxAmount", "drop": True},
    {"target": "shippingAmount", "drop": True},
]
SPREAD_MONEY = {
    "item_price": "unitPrice",
    "item_quantity": "quantity",
    "item_charges": ["taxAmount", "shippingAmount", "discountAmount"],
}
cents = st.integers(0, 9_999)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(1, 9), cents, st.integers(0, 100), cents), min_size=1, max_size=5),
    st.integers(0, 100),
    cents,
    cents,
    st.integers(-500, 500),
    st.sampled_from(["inexact", "minor"]),
    st.sampled_from(["per_line", "per_unit"]),
    st.sampled_from(["price", "spread", "item"]),
    st.sampled_from(["spread", "item"]),
)
def test_every_way_adds_up(
    plain_build: Build,
    order_of: Make,
    made_lines: list[tuple[int, int, int, int]],
    off: int,
    freight: int,
    tax: int,
    fee: int,
    split: str,
    per: str,
    discount_as: str,
    others_as: str,
) -> None:
    """Whatever the destination declares, its items add up to the order's total, to the cent."""

    def text(minor: int) -> str:
        return f"{Decimal(minor).scaleb(-2):f}"

    made = order_of(*((n, quantity, None, text(amount)) for n, (quantity, amount, _, _) in enumerate(made_lines, 1)))
    nets = []
    for item, (_, amount, share, line_tax) in zip(made["items"], made_lines, strict=True):
        item |= {"discount": text(-amount * share // 100), "tax": text(line_tax)}
        nets.append(amount + (-amount * share // 100))
    subtotal = sum(nets)
    discount = subtotal * off // 100
    fee = max(fee, discount - subtotal)
    total = subtotal - discount + freight + tax + fee + sum(line_tax for *_, line_tax in made_lines)
    made |= {"subtotal": text(subtotal), "discount": text(-discount), "freight": text(freight), "tax": text(tax)}
    made |= {"surcharge": text(fee), "total": text(total)}
    amounts = {"split": split, "per": per, "discount": discount_as, "freight": others_as, "tax": others_as}
    payload = sent(plain_build(amounts, SPREAD_MONEY, SPREAD, source=LINE_AMOUNTS), made)
    added = Decimal(0)
    for item in payload["items"]:
        times = item["quantity"] if per == "per_unit" else 1
        charged = item["taxAmount"] + item["shippingAmount"] + item["discountAmount"]
        added += item["quantity"] * item["unitPrice"] + times * charged
    assert added == Decimal(made["total"])
    assert all(item["discountAmount"] <= 0 for item in payload["items"])


def test_amounts_in_minor_units_never_reach_a_mapping(plain_build: Build, order_of: Make) -> None:
    fields = [
        {"target": "subtotal", "path": "subtotal"},
        {"target": "discountAmount", "path": "discount"},
        {"target": "items[].lineTotal", "path": "extended"},
        {"target": "items[].taxAmount", "path": "tax"},
    ]
    made = order_of((1, 2, "10.00", "20.00"), discount="-1.00")
    payload = sent(plain_build({"discount": "price"}, fields=fields), made)
    assert (str(payload["subtotal"]), str(payload["discountAmount"])) == ("20.00", "-1.00")
    assert (str(payload["items"][0]["lineTotal"]), str(payload["items"][0]["taxAmount"])) == ("20.00", "0.00")


def test_yen_and_dinars_have_their_own_decimals(plain_build: Build, order_of: Make) -> None:
    yen = order_of((1, 3, None, "1000"), tax="80", currency="JPY")
    assert items(sent(plain_build(), yen)) == [("1/1", 2, "333"), ("1/2", 1, "334")]
    dinars = order_of((1, 1, "1.234", "1.234"), freight="0.005", currency="KWD")
    assert json.loads(only(plain_build(), dinars).payload or b"", parse_float=str)["orderTotal"] == "1.239"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"amounts": {"splitt": "never"}}, "my.yaml: mapping of plainoms: amounts: must be an object; allowed: split"),
    ({"amounts": {"split": "often"}}, r"amounts\.split: must be one of inexact, minor, never"),
    ({"amounts": {"freight": "price"}}, r"amounts\.freight\.send: must be one of order, spread, item"),
    ({"amounts": {"tax": {"send": "item", "sku": "T"}}}, r"amounts\.tax: allowed: name, part_number, send"),
    ({"amounts": {"per": {"setting": "keyprefix"}}}, r"amounts\.per: unknown setting 'keyprefix'; did you mean"),
    ({"amounts": {"split": "never", "per": "per_unit"}}, r"amounts\.split: never cannot be combined"),
    ({"money": {"item_price": "unitPrice"}}, r"checks\.money: needs item_price and item_quantity, or item_amount"),
    ({"money": {"item_amount": "lineTotal", "tax": ["x"]}}, r"checks\.money: .* allowed: item_price"),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_a_wrong_declaration_is_named(plain_build: Build, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        plain_build(**change)


def test_a_destination_must_have_its_amounts_checked(source_format: VendorFormat) -> None:
    mapping = copy.deepcopy(MAPPING)
    del mapping["checks"]["money"]
    with pytest.raises(ConfigurationError, match="checks: money is missing"):
        Transformer(source_format, VendorFormat("plainoms", SCHEMA, mapping), TransformSettings())


def test_a_rule_that_changes_an_amount_is_refused_with_the_numbers(plain_build: Build, order_of: Make) -> None:
    made = order_of((1, 1, "5.00", "5.00"), freight="1.00")
    twice = plain_build(fields=[{"target": "taxAmount", "path": "freight"}])
    (issue,) = only(twice, made).issues
    assert "adds up to 7.00 USD, but the order's total is 6.00 (difference 1.00)" in issue.message
    total = plain_build(fields=[{"target": "orderTotal", "path": "subtotal"}])
    (issue,) = only(total, made).issues
    assert (issue.code, issue.pointer) == ("payload_total_mismatch", "/subtotal")
