"""Sums over the items of a payload."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.payload.checks.money_check import column_sum, number, value_at, values_at

_scalars = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=True) | st.text("0.a", max_size=3)
_node = st.recursive(
    _scalars, lambda inner: st.dictionaries(st.sampled_from("ab"), inner) | st.lists(inner, max_size=2)
)


@given(st.lists(_node, max_size=4), st.sampled_from([(), ("a",), ("a", "b")]))
def test_a_column_holds_the_value_of_each_item(items: list[Any], path: tuple[str, ...]) -> None:
    assert [id(value) for value in values_at(items, path)] == [id(value_at(item, path)) for item in items]


@given(st.integers() | st.booleans())
def test_whole_numbers_are_exact(value: int) -> None:
    assert number(value) == (0 if isinstance(value, bool) else Decimal(str(value)))


def test_a_sum_multiplies_each_item_by_its_quantity() -> None:
    items = [{"s": {"price": Decimal("2.50")}}, {"s": None}, {"s": {"price": 3}}]
    assert column_sum(items, ("s", "price"), [Decimal(2), Decimal(1), Decimal(4)]) == 17
