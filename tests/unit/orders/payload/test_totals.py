"""Quantities in pieces, and sums that a source does not state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from order_relay.orders.mapping.canonical import CanonicalOrders, CanonicalReader
from order_relay.orders.mapping.mapping_rules import merge_tables, parse_rules
from order_relay.orders.money.totals import check_totals

ORDER: list[dict[str, Any]] = [
    {"target": "order_number", "path": "no"},
    {"target": "currency", "value": "EUR"},
    *({"target": name, "value": 0} for name in ("discount", "freight", "tax")),
]
LINES: list[dict[str, Any]] = [
    {"target": "item_number", "path": "key"},
    {"target": "quantity", "path": "quantity", "converter": "number"},
    {"target": "pieces_per_unit", "path": "key", "extract": "_(.+)$", "table": "unit", "converter": "number"},
    {"target": "unit_price", "path": "price", "converter": "money"},
]


def evaluated(*lines: tuple[str, str, str], stated: str = "") -> tuple[CanonicalOrders, Any]:
    rules: list[dict[str, Any]] = (
        [*ORDER, {"target": "total", "path": "total", "converter": "money"}] if stated else ORDER
    )
    tables = merge_tables({"unit": {"KG": 1000, "DOOS": "12", "HALF": 0.5}})
    reader = CanonicalReader(parse_rules(rules, tables, {}, "order"), parse_rules(LINES, tables, {}, "lines"), "lines")
    document: dict[str, Any] = {
        "no": "1",
        "lines": [
            {"key": key, "quantity": Decimal(quantity), "price": Decimal(price)} for key, quantity, price in lines
        ],
    }
    canonical = reader.read([document | ({"total": stated} if stated else {})])
    return canonical, check_totals(canonical, reader)


def test_units_become_pieces_and_keep_their_amount() -> None:
    canonical, items = evaluated(("A_KG", "1.5", "24.75"), ("B_DOOS", "2", "10.00"), ("C_STUK", "3", "1.00"))
    assert canonical.issues == [[]]
    assert items["quantity"].tolist() == [1500, 24, 3]
    assert items["extended"].tolist() == [3713, 2000, 300]
    assert items["unit_price"].tolist() == [None, None, Decimal("1.00")]
    assert canonical.orders["total"].tolist() == [6013]


def test_fractions_of_a_piece_are_refused() -> None:
    for line in (("A", "1.5", "1.00"), ("A_STUK", "0.5", "1.00"), ("A_KG", "0.0005", "1.00"), ("A_HALF", "3", "1.00")):
        canonical, _ = evaluated(line)
        assert [(why.code, why.pointer) for why in canonical.issues[0]] == [
            ("fractional_quantity", "/lines/0/quantity")
        ]


def test_missing_sums_are_computed_and_stated_ones_validated() -> None:
    lines = (("A", "2", "1.25"), ("B", "1", "0.0425"))
    canonical, _ = evaluated(*lines)
    assert list(canonical.orders.loc[0, ["subtotal", "total"]]) == [254, 254]
    assert [type(value) for value in canonical.orders.loc[0, ["subtotal", "total"]]] == [int, int]
    assert [why.code for why in evaluated(*lines, stated="2.54")[0].issues[0]] == []
    assert [why.code for why in evaluated(*lines, stated="2.55")[0].issues[0]] == ["total_mismatch"]
