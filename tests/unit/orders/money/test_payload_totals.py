"""Charges of whole orders, cancelled lines, and the last check on what a payload adds up to."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.messages import MappingOverrides
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.cloudsuite.vendor import VENDOR
from order_relay.vendors.shopatron.payload import HOOKS
from order_relay.vendors.shopatron.transform import ShopatronTransform
from tests.support.payloads import codes, lines, oms_total, only, sent

Make = Callable[..., dict[str, Any]]
Build = Callable[..., Transformer]


def messages(transformer: Transformer, document: dict[str, Any]) -> dict[str, str]:
    return {why.code: why.message for why in only(transformer, document).issues}


# --- charges ---


@pytest.fixture
def surcharged(order_of: Make) -> dict[str, Any]:
    made = order_of(("1", 2, "142.50", "285.00"), ("2", 4, "3.00", "12.00"), surcharge="12.50")
    return made | {"total": "309.50"}


def test_a_surcharge_is_spread_like_freight(plain: Transformer, surcharged: dict[str, Any]) -> None:
    payload = sent(plain, surcharged)
    assert [str(item["itemSpecifics"]["shipping"]) for item in payload["orderItems"]] == ["11.99", "0.51"]
    assert oms_total(payload) == Decimal("309.50")
    assert only(plain, surcharged).total_minor == 30950


def test_a_surcharge_is_spread_like_tax(build: Build, surcharged: dict[str, Any]) -> None:
    payload = sent(build(charges={"surcharge": {"send": "tax"}}), surcharged)
    assert [str(item["itemSpecifics"]["itemTaxOverride"]) for item in payload["orderItems"]] == ["11.99", "0.51"]
    assert oms_total(payload) == Decimal("309.50")


def test_a_surcharge_is_sent_as_an_item(build: Build, surcharged: dict[str, Any]) -> None:
    charge = {"send": "item", "part_number": "FEE-1", "name": "Small order surcharge"}
    payload = sent(build(charges={"surcharge": charge}), surcharged)
    assert lines(payload)[-1] == ("FEE-1", 1, "12.50")
    assert payload["orderItems"][-1]["product"] == {
        "partNumber": "FEE-1",
        "name": "Small order surcharge",
        "retailPrice": Decimal("12.50"),
    }
    assert oms_total(payload) == Decimal("309.50")


def test_any_number_of_charges(build: Build, order_of: Make) -> None:
    rules = [{"target": f"charges.{name}", "path": name, "converter": "money"} for name in ("handling", "credit")]
    transformer = build(
        source={"order": rules, "members": ["handling", "credit"]}, charges={"handling": {"send": "item"}}
    )
    made = order_of((1, 3, None, "10.00"), surcharge="1.00", handling=2, credit="-0.50")
    payload = sent(transformer, made | {"total": "12.50"})
    assert oms_total(payload) == Decimal("12.50")
    assert lines(payload)[-1] == ("handling", 1, "2.00")
    assert codes(transformer, made | {"total": "12.51"}) == {("total_mismatch", "/total")}


def test_charges_are_validated_like_other_amounts(build: Build, order_of: Make) -> None:
    made = order_of((1, 1, "10.00", "10.00"))
    transformer = build()
    assert codes(transformer, made | {"surcharge": "much"}) == {("bad_amount", "/surcharge")}
    assert codes(transformer, made | {"surcharge": "1.005"}) == {("too_many_decimals", "/surcharge")}
    assert codes(transformer, made | {"surcharge": "-10.01", "total": "-0.01"}) == {("discount_too_large", "/discount")}
    with pytest.raises(
        ConfigurationError, match=r"charges.surcharg: .* 'charges.surcharg'; did you mean 'surcharge'\?"
    ):
        build(charges={"surcharg": {"send": "item"}})


cents = st.integers(0, 99_999)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 9), cents), min_size=1, max_size=5),
    st.integers(-500, 500),
    cents,
    cents,
    st.sampled_from(["freight", "tax", "item"]),
    st.sampled_from(["per_line", "per_unit"]),
)
def test_charges_add_up_in_every_way(
    build: Build, order_of: Make, items: list[tuple[int, int]], fee: int, freight: int, tax: int, send: str, unit: str
) -> None:
    subtotal = sum(extended for _, extended in items)
    fee = max(fee, -subtotal)
    made = order_of(
        *((n, quantity, None, f"{Decimal(amount).scaleb(-2)}") for n, (quantity, amount) in enumerate(items, 1)),
        freight=f"{Decimal(freight).scaleb(-2)}",
        tax=f"{Decimal(tax).scaleb(-2)}",
        surcharge=f"{Decimal(fee).scaleb(-2):f}",
    )
    made["total"] = f"{Decimal(subtotal + freight + tax + fee).scaleb(-2):f}"
    payload = sent(build(spread_unit=unit, charges={"surcharge": {"send": send}}), made)
    assert oms_total(payload, per_unit=unit == "per_unit") == Decimal(made["total"])


ADDRESS = {"name": "Shop", "street1": "Dam", "city": "Ede", "country": "NL"}
SHOP_ORDER: dict[str, Any] = {
    "id": 7,
    "reference": "CS7",
    "webshop": 1,
    "state": "confirmed",
    "payment_status": "paid",
    "order_date": "2026-03-04",
    "surcharge": "1.25",
    "order_lines": [{"id": 70, "type": "line", "product": {"key": "A_STUK"}, "quantity": "2", "unit_price": "5.00"}],
    "invoice_address": ADDRESS,
    "shipment_address": ADDRESS,
}


def shop(destination: VendorFormat, **settings: Any) -> Transformer:
    over = MappingOverrides(
        source={
            "order": [{"target": "charges.surcharge", "path": "surcharge", "converter": "money"}],
            "members": ["surcharge"],
        }
    )
    base = {"customer_ip": "203.0.114.7", "manufacturer_id": 1, "catalog_id": 0, "currency": "EUR", "overrides": over}
    chosen = ShopatronTransform.load({**base, **settings})
    return Transformer(VENDOR.format(), destination, chosen, HOOKS)


@pytest.mark.parametrize("send", ["freight", "item"])
def test_charges_of_a_source_that_states_no_total(destination_format: VendorFormat, send: str) -> None:
    transformer = shop(destination_format, charges={"surcharge": {"send": send}})
    assert oms_total(sent(transformer, SHOP_ORDER)) == Decimal("11.25")
    assert only(transformer, SHOP_ORDER).total_minor == 1125


# --- cancelled lines ---


def test_a_cancelled_line_is_left_out_with_a_note_and_a_comment(plain: Transformer, order_of: Make) -> None:
    made = order_of((1, 2, "142.50", "285.00"), (2, 0, "3.00", "0.00"), notes="Ring")
    result = only(plain, made)
    assert [(note.code, note.path) for note in result.notes] == [("cancelled_line", "/items/1")]
    payload = sent(plain, made)
    assert lines(payload) == [("1", 2, "142.50")]
    assert payload["orderComment"] == "ITEM-2: Article 2 (quantity 0)\nRing"


@pytest.mark.parametrize("change", [{"extended_price": None}, {"unit_price": None}, {"quantity": "0.0"}, {"line": 1}])
def test_cancelled_lines_in_other_forms(plain: Transformer, order_of: Make, change: dict[str, Any]) -> None:
    made = order_of((1, 1, "5.00", "5.00"), (2, 0, "3.00", "0.00"))
    made["items"][1] |= change
    assert lines(sent(plain, made)) == [("1", 1, "5.00")]


def test_quantity_zero_with_an_amount_is_refused(plain: Transformer, order_of: Make) -> None:
    made = order_of((1, 1, "5.00", "5.00"), (2, 0, "3.00", "3.00"))
    assert codes(plain, made) == {("quantity_not_positive", "/items/1/quantity")}
    assert "amount of 3.00" in messages(plain, made)["quantity_not_positive"]
    made["items"][1] |= {"extended_price": "x"}
    assert codes(plain, made) == {("bad_amount", "/items/1/extended_price")}


def test_nothing_but_cancelled_lines_is_refused(plain: Transformer, order_of: Make) -> None:
    assert codes(plain, order_of((1, 0, "5.00", "0.00"), (2, None, None, None))) == {("only_cancelled_lines", "/items")}


def test_a_line_of_quantity_without_price_is_noted(plain: Transformer, order_of: Make) -> None:
    made = order_of((1, 1, "5.00", "5.00"), (2, 3, None, None))
    assert [(note.code, note.path) for note in only(plain, made).notes] == [("promotion_with_quantity", "/items/1")]


# --- the last check ---


def test_a_constant_shipping_tax_is_refused_with_the_numbers(build: Build, order: dict[str, Any]) -> None:
    issues = messages(build(constants={"shippingTax": 2}), order)
    assert list(issues) == ["payload_total_mismatch"]
    assert "adds up to 258.50 USD" in issues["payload_total_mismatch"]
    assert "order's total is 256.50 (difference 2.00)" in issues["payload_total_mismatch"]
    assert "items 256.50, shippingTax 2" in issues["payload_total_mismatch"]


ADDING: list[dict[str, Any]] = [
    {"constants": {"orderItems[].itemSpecifics.shipping": 1}},
    {"constants": {"orderItems[].itemSpecifics.itemTaxOverride": Decimal("0.01")}},
    {"constants": {"orderItems[].itemSpecifics.actualPrice": 128}},
    {"constants": {"orderItems[].itemSpecifics.quantity": 1}},
    {"constants": {"orderItems[].itemSpecifics.shippingTax": 1}},
    {"constants": {"orderItems[].itemSpecifics": {"shippingTax": 1}}},
    {"constants": {"shippingTaxRate": 10, "orderItems[].itemSpecifics.shipping": 1}},
    {"destination": {"fields": [{"target": "orderItems[].itemSpecifics.actualPrice", "path": "retail_price"}]}},
    {
        "destination": {"fields": [{"target": "shippingTax", "path": "total_again"}]},
        "source": {"order": [{"target": "total_again", "path": "total", "converter": "money"}]},
    },
]


@pytest.mark.parametrize("change", ADDING, ids=str)
def test_any_change_of_an_amount_is_refused(build: Build, order: dict[str, Any], change: dict[str, Any]) -> None:
    assert "payload_total_mismatch" in messages(build(**change), order)


def test_a_shipping_tax_that_may_be_read_in_two_ways_is_refused(build: Build, order: dict[str, Any]) -> None:
    """The item's own counts only where the order has none, or besides: neither reading may change the total."""
    rule = {"target": "shippingTax", "drop": True}
    own = "orderItems[].itemSpecifics"
    constants = {f"{own}.shippingTax": 1, f"{own}.actualPrice": Decimal("127.75")}
    order_level_absent = build(constants=constants, destination={"fields": [rule]})
    assert only(order_level_absent, order).issues == []
    both = build(constants={**constants, "shippingTax": 0})
    assert "payload_total_mismatch" in messages(both, order)


def test_a_tax_that_the_oms_would_work_out_is_refused(build: Build, order: dict[str, Any]) -> None:
    assert "tax_not_fixed" in messages(build(constants={"forceItemTaxOverride": False}), order)
    dropped = build(destination={"fields": [{"target": "forceItemTaxOverride", "drop": True}]})
    assert "tax_not_fixed" in messages(dropped, order)


def test_amounts_of_undocumented_effect_need_a_decision(build: Build, order: dict[str, Any]) -> None:
    discounts = {"discounts": [{"code": "SPRING", "amount": "5.00"}]}
    assert list(messages(build(constants=discounts), order)) == ["undocumented_amount"]
    assert sent(build(constants=discounts, discounts_listed="informative"), order)["discounts"]
    assert sent(build(constants={"promotions": [{"code": "25", "amount": 0}]}), order)["promotions"]


def test_wrong_sums_are_reported_with_their_numbers(plain: Transformer, order: dict[str, Any]) -> None:
    issues = messages(plain, order | {"total": "259.00", "subtotal": "285.01"})
    sums = "total is 259.00, but subtotal, discount, freight and tax add up to 256.51 (difference 2.49)"
    assert issues["total_mismatch"] == sums
    also_stated = messages(plain, order | {"surcharge": 1})["total_mismatch"]
    assert also_stated.endswith("freight, tax and surcharge add up to 257.50 (difference -1.00)")
    assert issues["subtotal_mismatch"] == "subtotal is 285.01, but the lines add up to 285.00 (difference 0.01)"
