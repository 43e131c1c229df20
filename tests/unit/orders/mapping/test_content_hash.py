"""What counts as a change of an order: only what is read."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.mapping.content_hash import ContentPaths, paths_version, settled_hash

CONTENTS = ContentPaths(
    read=("id", "items.qty", "items.sku", "payment.method", "custom"),
    eligibility=("state",),
    volatile=("touched",),
)


def order(**more: Any) -> dict[str, Any]:
    items = [{"sku": "A", "qty": 2, "picked": True}, {"sku": "B", "qty": Decimal("1.50")}]
    payment = {"method": "card", "seen": 3}
    return {"id": 1, "items": items, "payment": payment, "custom": {"a": 1}, "state": "open"} | more


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(order())
    node: Any = document
    *names, last = path.split(".")
    for name in names:
        node = node[int(name)] if isinstance(node, list) else node[name]
    node[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("updated_at", "2026-01-01"),
        ("payment.seen", 4),
        ("items.0.picked", False),
        ("touched", 1),
        ("payment.note", "x"),
        ("custom.b", ""),
        ("custom.b", None),
        ("items.1.qty", Decimal("1.5")),
        ("id", Decimal("1.0")),
    ],
)
def test_unread_fields_and_formatting_are_not_changes(path: str, value: Any) -> None:
    assert CONTENTS.fingerprint(changed(path, value)) == CONTENTS.fingerprint(order())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 2),
        ("items.0.qty", 3),
        ("items.1.sku", "C"),
        ("payment.method", "cash"),
        ("custom.b", "x"),
        ("items", []),
        ("payment", None),
        ("payment", "cash"),
    ],
)
def test_any_field_that_is_read_is_a_change(path: str, value: Any) -> None:
    before, now = CONTENTS.fingerprint(order()), CONTENTS.fingerprint(changed(path, value))
    assert settled_hash(now) != settled_hash(before)


def test_eligibility_counts_until_an_order_is_settled() -> None:
    before, now = CONTENTS.fingerprint(order()), CONTENTS.fingerprint(order(state="paid"))
    assert now != before
    assert settled_hash(now) == settled_hash(before)


def test_a_fingerprint_names_its_reading_and_a_reading_can_be_kept() -> None:
    other = ContentPaths(("id",))
    assert paths_version(CONTENTS.fingerprint(order())) == CONTENTS.paths_version != other.paths_version
    assert ContentPaths.from_text(CONTENTS.as_text()).fingerprint(order()) == CONTENTS.fingerprint(order())
    assert paths_version("0" * 64) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.decimals(allow_nan=False, places=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abcd"), json_values), json_values)
def test_any_document_has_a_fingerprint_and_unread_members_do_not_matter(document: dict[str, Any], value: Any) -> None:
    contents = ContentPaths(("a.b", "b", "c.a"))
    assert contents.fingerprint(document | {"d": value}) == contents.fingerprint(document)
    assert contents.fingerprint(value).startswith(contents.paths_version)
