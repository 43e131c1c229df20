from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.money.allocation import allocate, split_line

amounts = st.integers(0, 10**13)
weights = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 10**13)), min_size=1, max_size=60)


@given(amounts, weights)
def test_shares_add_up_and_are_the_proportion_rounded(amount: int, weighing: list[int]) -> None:
    shares = allocate(amount, weighing)
    assert sum(shares) == amount
    total = sum(weighing) or len(weighing)
    for share, weight in zip(shares, weighing if sum(weighing) else [1] * len(weighing), strict=True):
        assert abs(share - Fraction(amount * weight, total)) < 1


@given(weights.filter(any), st.data())
def test_a_discount_makes_no_line_negative(weighing: list[int], data: st.DataObject) -> None:
    shares = allocate(data.draw(st.integers(0, sum(weighing))), weighing)
    assert all(0 <= share <= weight for share, weight in zip(shares, weighing, strict=True))


def test_largest_remainders_get_the_remaining_cents_and_ties_favour_the_first() -> None:
    assert allocate(10, [1, 1, 1]) == [4, 3, 3]
    assert allocate(100, [1, 2, 4]) == [14, 29, 57]  # remainders 2/7, 4/7, 1/7
    assert allocate(2, [5, 0, 5]) == [1, 0, 1]


def test_all_zero_weights_count_as_equal() -> None:
    assert allocate(5, [0, 0]) == [3, 2]


def test_nothing_to_spread_over() -> None:
    assert allocate(0, []) == []
    with pytest.raises(ValueError, match="without weights"):
        allocate(1, [])
    with pytest.raises(ValueError, match="negative"):
        allocate(-1, [1])


def test_a_line_that_divides_stays_whole() -> None:
    assert split_line(900, 3, 7, 2) == [(3, 300, 7, 2, 0)]


def test_a_line_that_does_not_divide_becomes_two_a_cent_apart() -> None:
    assert split_line(1000, 3, 0, 0) == [(2, 333, 0, 0, 0), (1, 334, 0, 0, 0)]


@given(amounts, st.integers(1, 10**7), amounts, amounts, st.booleans())
def test_pieces_add_up(net: int, quantity: int, freight: int, tax: int, each_unit: bool) -> None:
    found = split_line(net, quantity, freight, tax, each_unit=each_unit)
    assert sum(piece.quantity for piece in found) == quantity
    assert all(piece.quantity > 0 for piece in found)
    assert sum(piece.quantity * piece.price for piece in found) == net
    assert sum(piece.total(each_unit=each_unit) for piece in found) == net + freight + tax
    assert min(value for piece in found for value in piece) >= 0
    prices = [piece.price for piece in found]
    assert max(prices) - min(prices) <= 1
    assert len(found) <= (4 if each_unit else 2)


@given(amounts, st.integers(1, 100), amounts, amounts)
def test_per_unit_amounts_times_quantity_add_up(net: int, quantity: int, freight: int, tax: int) -> None:
    found = split_line(net, quantity, freight, tax, each_unit=True)
    assert sum(piece.quantity * piece.freight for piece in found) == freight
    assert sum(piece.quantity * piece.tax for piece in found) == tax
