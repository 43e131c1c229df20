from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import RecordRejectedError
from order_relay.orders.money.amounts import CURRENCIES, MAX_MINOR, amount, from_minor, per_unit, to_minor


@pytest.mark.parametrize(
    ("value", "expected"),
    [("142.50", "142.50"), (" 7 ", "7"), ("-0.01", "-0.01"), (5, "5"), (Decimal("1E+2"), "1E+2"), (0.1, "0.1")],
)
def test_amounts_are_read_exactly(value: Any, expected: str) -> None:
    assert amount(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1e3",
        "1,50",
        "$5",
        "٣",
        "1.",
        ".5",
        "--1",
        "9" * 16,
        True,
        None,
        [],
        {},
        10**400,
        -(10**3000),
        Decimal("1E+400"),
        Decimal("1E-400"),
        Decimal("NaN"),
        Decimal("Infinity"),
        float("inf"),
        float("nan"),
    ],
)
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(RecordRejectedError) as caught:
        amount(value)
    assert caught.value.issues[0].code == "bad_amount"


@pytest.mark.parametrize(("currency", "minor"), [("USD", 14250), ("KWD", 142500)])
def test_minor_units_follow_the_currency(currency: str, minor: int) -> None:
    assert to_minor(Decimal("142.50"), CURRENCIES[currency]) == minor


def test_more_decimals_than_the_currency_are_refused() -> None:
    assert to_minor(Decimal("142.00"), CURRENCIES["JPY"]) == 142
    for value, currency in (("142.50", "JPY"), ("0.001", "USD"), ("0.0001", "BHD")):
        with pytest.raises(RecordRejectedError) as caught:
            to_minor(Decimal(value), CURRENCIES[currency])
        assert caught.value.issues[0].code == "too_many_decimals"


def test_amounts_have_a_bound() -> None:
    with pytest.raises(RecordRejectedError) as caught:
        to_minor(Decimal(MAX_MINOR), 2)
    assert caught.value.issues[0].code == "amount_too_large"


@given(st.integers(-MAX_MINOR + 1, MAX_MINOR - 1), st.sampled_from([0, 2, 3]))
def test_minor_units_come_back(minor: int, scale: int) -> None:
    assert to_minor(from_minor(minor, scale), scale) == minor
    assert to_minor(amount(f"{from_minor(minor, scale):f}"), scale) == minor


def test_price_for_showing_is_rounded_half_up() -> None:
    assert per_unit(5, 2, 2) == Decimal("0.03")
    assert str(per_unit(100, 1, 2)) == "1.00"
