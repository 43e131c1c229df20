"""From documents to canonical frames, and whether their numbers add up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.canonical import CanonicalOrders, CanonicalReader
from order_relay.orders.mapping.mapping_rules import merge_tables, parse_rules
from order_relay.orders.money.totals import check_totals, rounded_price
from order_relay.orders.schema.validator import VendorFormat

Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def reader(source_format: VendorFormat) -> CanonicalReader:
    mapping, settings = source_format.mapping, {"currency": "USD"}
    tables = merge_tables(mapping["tables"])
    return CanonicalReader(
        parse_rules(mapping["order"], tables, settings, "order"),
        parse_rules(mapping["lines"]["fields"], tables, settings, "lines"),
        mapping["lines"]["each"],
    )


def evaluated(reader: CanonicalReader, *documents: dict[str, Any]) -> tuple[CanonicalOrders, Any]:
    canonical = reader.read(documents)
    return canonical, check_totals(canonical, reader)


def codes(reader: CanonicalReader, document: dict[str, Any]) -> set[tuple[str, str]]:
    canonical, _ = evaluated(reader, document)
    return {(why.code, why.pointer) for why in canonical.issues[0]}


def test_frames_hold_money_in_minor_units(reader: CanonicalReader, order: dict[str, Any]) -> None:
    canonical, items = evaluated(reader, order, order | {"currency": "KWD"}, order | {"currency": None})
    assert canonical.issues == [[], [], []]
    assert canonical.orders["total"].tolist() == [25650, 256500, 25650]
    assert canonical.orders["discount"].tolist()[0] == -2850
    assert canonical.orders["ship_country"].tolist()[0] == "GB"
    assert items["extended"].tolist() == [28500, 285000, 28500]
    assert items["unit_price"].tolist()[0] == Decimal("142.50")
    assert str(items["extended"].dtype) == str(items["quantity"].dtype) == "int64"


def test_numbers_may_be_json_numbers(reader: CanonicalReader, order: dict[str, Any]) -> None:
    order |= {name: Decimal(order[name]) for name in ("subtotal", "discount", "freight", "tax", "total")}
    order["items"][0] |= {"unit_price": Decimal("142.5"), "extended_price": 285, "quantity": Decimal("2.0")}
    assert codes(reader, order) == set()


def test_absent_discount_freight_and_tax_are_zero(reader: CanonicalReader, order_of: Make) -> None:
    made = order_of((1, 1, "5.00", "5.00"))
    for name in ("discount", "tax"):
        made[name] = None
    del made["freight"]
    assert codes(reader, made) == set()


WRONG: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    ({"total": "256.51"}, {("total_mismatch", "/total")}),
    ({"subtotal": "284.99", "total": "256.49"}, {("subtotal_mismatch", "/subtotal")}),
    ({"subtotal": "284.99"}, {("subtotal_mismatch", "/subtotal"), ("total_mismatch", "/total")}),
    ({"discount": "28.50", "total": "313.50"}, {("discount_positive", "/discount")}),
    ({"discount": "-285.01", "total": "-0.01"}, {("discount_too_large", "/discount")}),
    ({"freight": "-1.00", "total": "255.50"}, {("negative_amount", "/freight")}),
    ({"tax": "-1.00", "total": "255.50"}, {("negative_amount", "/tax")}),
    ({"total": "256.505"}, {("too_many_decimals", "/total")}),
    ({"total": None}, {("missing_field", "/total")}),
    ({"currency": "JPY"}, {("too_many_decimals", "/discount"), ("too_many_decimals", "/total")}),
    ({"currency": "XXQ"}, {("unknown_currency", "/currency")}),
    ({"items": []}, {("no_items", "/items")}),
    ({"items": None}, {("no_items", "/items")}),
    ({"submitted_at": None}, {("missing_field", "/submitted_at")}),
]


@pytest.mark.parametrize(("change", "expected"), WRONG, ids=[",".join(change) for change, _ in WRONG])
def test_orders_that_do_not_add_up(
    reader: CanonicalReader, order: dict[str, Any], change: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert codes(reader, order | change) == expected


WRONG_LINES: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    ({"quantity": "1.5"}, {("fractional_quantity", "/items/0/quantity")}),
    ({"quantity": 0}, {("quantity_not_positive", "/items/0/quantity")}),
    ({"quantity": -2}, {("quantity_not_positive", "/items/0/quantity")}),
    ({"quantity": None}, {("missing_field", "/items/0/quantity")}),
    ({"item_number": None}, {("missing_field", "/items/0/item_number")}),
    ({"unit_price": "140.00"}, {("price_mismatch", "/items/0/extended_price")}),
    (
        {"unit_price": "-142.50"},
        {("price_mismatch", "/items/0/extended_price"), ("negative_amount", "/items/0/unit_price")},
    ),
    ({"extended_price": "285.001"}, {("too_many_decimals", "/items/0/extended_price")}),
    (
        {"quantity": "x", "item_number": None},
        {("bad_amount", "/items/0/quantity"), ("missing_field", "/items/0/item_number")},
    ),
    ({"unit_price": None, "extended_price": None}, {("only_promotions", "/items")}),
]


@pytest.mark.parametrize(("change", "expected"), WRONG_LINES, ids=[",".join(change) for change, _ in WRONG_LINES])
def test_lines_that_are_refused(
    reader: CanonicalReader, order: dict[str, Any], change: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    order["items"][0] |= change
    assert codes(reader, order) == expected


@pytest.mark.parametrize(
    ("unit", "quantity", "extended", "fine"),
    [
        ("0.335", 3, "1.01", True),
        ("0.335", 3, "1.02", True),
        ("0.335", 3, "1.03", False),
        ("0.125", 8, "1.00", True),
        ("1.00", 2, "2.01", True),
        ("1.00", 2, "2.02", False),
        ("1.00", 1, "1.01", False),
        ("0.004", 1, "0.00", True),
    ],
)
def test_extended_price_rules_within_half_a_cent_a_unit(
    reader: CanonicalReader, order_of: Make, unit: str, quantity: int, extended: str, fine: bool
) -> None:
    found = codes(reader, order_of((1, quantity, unit, extended)))
    assert found == (set() if fine else {("price_mismatch", "/items/0/extended_price")})


def test_a_price_may_be_known_by_one_of_its_two_forms(reader: CanonicalReader, order_of: Make) -> None:
    only_extended = order_of((1, 2, None, "3.00"))
    only_unit = order_of((1, 2, "1.50", "3.00"))
    only_unit["items"][0]["extended_price"] = None
    canonical, items = evaluated(reader, only_extended, only_unit)
    assert canonical.issues == [[], []]
    assert items["extended"].tolist() == [300, 300]


def test_zero_is_an_item_and_a_promotion_is_not(reader: CanonicalReader, order_of: Make) -> None:
    made = order_of((1, 2, "0.00", "0.00"), (2, "no matter", None, None), (3, 1, "1.00", "1.00"))
    canonical, items = evaluated(reader, made)
    assert canonical.issues == [[]]
    assert items["line"].tolist() == ["1", "3"]
    assert canonical.lines["promotion"].tolist() == [False, True, False]


def test_an_unreadable_price_makes_no_promotion(reader: CanonicalReader, order_of: Make) -> None:
    made = order_of((1, 1, "1.00", "1.00"))
    made["items"][0] |= {"unit_price": None, "extended_price": "free"}
    assert codes(reader, made) == {("bad_amount", "/items/0/extended_price")}


def test_line_numbers_name_one_item_each(reader: CanonicalReader, order_of: Make) -> None:
    made = order_of((4, 1, "1.00", "1.00"), (4, 1, "1.00", "1.00"))
    assert codes(reader, made) == {("repeated_line", "/items/1/line")}
    made["items"][0]["line"] = made["items"][1]["line"] = None
    assert evaluated(reader, made)[1]["line"].tolist() == ["1", "2"]


def test_every_error_is_reported(reader: CanonicalReader, order: dict[str, Any]) -> None:
    order |= {"total": "x", "submitted_at": "yesterday"}
    order["ship_to"]["country"] = "Atlantis"
    order["items"][0]["quantity"] = "0.5"
    assert codes(reader, order) == {
        ("bad_amount", "/total"),
        ("bad_format", "/submitted_at"),
        ("unknown_country", "/ship_to/country"),
        ("fractional_quantity", "/items/0/quantity"),
    }


def test_messages_carry_no_value(reader: CanonicalReader, order: dict[str, Any]) -> None:
    order["ship_to"]["country"] = "Secretland"
    order["items"][0]["item_number"] = {"SECRET": "SECRET"}
    canonical, _ = evaluated(reader, order)
    assert len(canonical.issues[0]) == 2
    assert "secret" not in repr(canonical.issues).lower()


def test_a_mapping_without_identity_is_wrong_setup() -> None:
    with pytest.raises(ConfigurationError, match="'order_number'"):
        CanonicalReader([], [], "items")


@pytest.mark.parametrize(
    ("unit", "scale", "shown"), [("142.5", 2, "142.50"), ("0.125", 2, "0.125"), ("1E+2", 0, "100"), ("5", 3, "5.000")]
)
def test_shown_prices_have_the_currencys_decimals(unit: str, scale: int, shown: str) -> None:
    assert str(rounded_price(Decimal(unit), scale)) == shown
