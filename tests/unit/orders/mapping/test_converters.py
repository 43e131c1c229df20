from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError, RecordRejectedError
from order_relay.orders.mapping import converters


def code_of(convert: Any, value: Any) -> str:
    with pytest.raises(RecordRejectedError) as caught:
        convert(value)
    return caught.value.issues[0].code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  a b ", "a b"),
        ("", None),
        (" \t", None),
        ("a\x00b", "a b"),
        ("x\r\ny", "x\ny"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        (Decimal("85001.0"), "85001"),
        (85001.0, "85001"),
        (Decimal("1044.00"), "1044"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.0"), "0"),
        (12345678901234567890123, "12345678901234567890123"),
        ("\u200b\u200b", None),
        ("Ünï 👍", "Ünï 👍"),
    ],
)
def test_text(value: Any, expected: str | None) -> None:
    assert converters.text(value) == expected


def test_text_refuses_what_is_none() -> None:
    assert code_of(converters.text, "\ud800x\n") == "not_unicode"
    assert code_of(converters.text, {}) == "wrong_type"
    assert code_of(converters.text, True) == "wrong_type"
    assert code_of(converters.text, Decimal("1E+400")) == "wrong_type"


@pytest.mark.parametrize(("value", "expected"), [("A B", "A B"), (12, "12"), (Decimal("12.0"), "12"), ("007", "007")])
def test_keys_are_never_changed(value: Any, expected: str) -> None:
    assert converters.key(value) == expected


@pytest.mark.parametrize(
    "value", [True, Decimal("1.5"), 10**50, [1], "\udc00", " A", "A ", "  ", "A\u200b", "A\u00a0B"]
)
def test_what_is_no_key(value: Any) -> None:
    assert code_of(converters.key, value) in ("wrong_type", "bad_identity")


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), ("0.00", 0), (2, 2), ("2", 2), ("2.0", 2), (2.0, 2), (Decimal("2.000"), 2)]
)
def test_whole_quantities(value: Any, expected: int) -> None:
    assert converters.quantity(value) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1.5", "fractional_quantity"),
        (Decimal("0.5"), "fractional_quantity"),
        ("-3", "quantity_not_positive"),
        (10**9, "quantity_too_large"),
        ("two", "bad_amount"),
        (True, "bad_amount"),
    ],
)
def test_other_quantities_are_refused(value: Any, code: str) -> None:
    assert code_of(converters.quantity, value) == code


def test_moments_become_utc() -> None:
    read = converters.moment("2018-03-13T15:42:10.5-07:00")
    assert read == datetime(2018, 3, 13, 22, 42, 10, 500_000, tzinfo=UTC)
    assert converters.format_utc(read) == "2018-03-13T22:42:10.500Z"
    for wrong in ("2018-03-13T15:42:10", "2018-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", 5):
        assert code_of(converters.moment, wrong) == "bad_format"


def test_codes() -> None:
    assert converters.currency(" usd ") == "USD"
    assert code_of(converters.currency, "XXQ") == "unknown_currency"
    assert converters.country("gb") == "GB"
    assert code_of(converters.country, "Atlantis") == "unknown_country"


def test_text_map() -> None:
    assert converters.text_map({"a": 1, "b": None, "c": ["x", None, 2], "d": False, "e": []}) == {
        "a": "1",
        "c": "x, 2",
        "d": "false",
    }
    assert converters.text_map({}) is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ada von Lovelace", ("Ada von", "Lovelace")),
        ("Cher", (None, "Cher")),
        ("  ", (None, None)),
        (None, (None, None)),
        ("李小龍", (None, "李小龍")),
        ("A\u3000B", ("A", "B")),
    ],
)
def test_names(name: str | None, parts: tuple[str | None, str | None]) -> None:
    assert converters.split_name(name) == parts


def test_cutting_keeps_characters_whole() -> None:
    assert converters.truncate_text("abcdef", 3) == "abc"
    assert converters.truncate_text("abe\u0301x", 3) == "ab"
    assert converters.truncate_text("ab👩\u200d🔧x", 4) == "ab"
    assert converters.truncate_text("a👍\U0001f3fdx", 2) == "a"
    assert converters.truncate_text("a🇩🇪", 2) == "a"
    assert converters.truncate_text("🇩🇪🇫🇷", 2) == "🇩🇪"
    assert converters.truncate_text("a" + "\u0301" * 500, 100)


@given(st.text(max_size=60), st.integers(1, 50))
def test_a_cut_text_is_a_prefix_within_the_limit(value: str, limit: int) -> None:
    cut = converters.truncate_text(value, limit)
    assert len(cut) <= limit
    assert value.startswith(cut)
    assert bool(cut) or not value
    if len(value) <= limit:
        assert cut == value


def test_unknown_converter_is_wrong_setup() -> None:
    with pytest.raises(ConfigurationError, match="unknown converter 'magic'; available"):
        converters.find_converter("magic", "here")
