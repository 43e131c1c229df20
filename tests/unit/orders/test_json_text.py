import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.json_text import canonical_hash, decode, encode

numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(10**40), 10**40)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def same(left, right):
    """Equal in value and in the digits written."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@given(values)
def test_values_survive(value):
    text = encode(value)
    assert same(decode(text), value)
    assert same(json.loads(text, parse_float=Decimal), value)


@given(values)
def test_text_has_no_line_break(value):
    assert b"\n" not in encode(value)


def test_fractions_are_exact():
    assert encode(decode(b'{"a":1.10,"b":0.1,"c":1e400,"d":18446744073709551616}')) == (
        b'{"a":1.10,"b":0.1,"c":1E+400,"d":18446744073709551616}'
    )


def test_the_hash_ignores_the_order_of_members_only():
    assert canonical_hash({"a": 1, "b": {"d": 1, "c": 2}}) == canonical_hash({"b": {"c": 2, "d": 1}, "a": 1})
    assert canonical_hash([1, 2]) != canonical_hash([2, 1])
    assert canonical_hash({"a": "1"}) != canonical_hash({"a": 1})


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b'"\xff"', b'"\\ud800"'])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(ValueError, match="not JSON"):
        decode(text)
