"""Verbs of mapping rules: several values become one, exactly, and a part that cannot be used is reported."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.mapping.canonical import CanonicalOrders, CanonicalReader
from order_relay.orders.mapping.columns import DocumentRows, read_column
from order_relay.orders.mapping.content_hash import ContentPaths, settled_hash
from order_relay.orders.mapping.eligibility import GO, REFUSE, EligibilityRules
from order_relay.orders.mapping.mapping_rules import parse_rules
from order_relay.orders.paths import iterate_values

LIST = "fees[].total"
SUM = {"path": ["freight", LIST], "sum": True, "converter": "money"}
DIFFERENCE = {"path": ["subtotal", "total"], "difference": True, "converter": "money"}


def read(rule: dict[str, Any], document: Any) -> tuple[Any, list[str]]:
    codes: list[str] = []
    (parsed,) = parse_rules([{"target": "t", **rule}], {}, {}, "here")
    rows = DocumentRows([document])
    (value,) = read_column(parsed, rows, lambda _, issue: codes.append(issue.code), lambda *_: None)
    return value, codes


@pytest.mark.parametrize(
    ("rule", "document", "value"),
    [
        (SUM, {"freight": "5.10", "fees": [{"total": "0.20"}, {"total": 1}]}, Decimal("6.30")),
        (SUM, {"freight": "5.10", "fees": []}, Decimal("5.10")),
        (SUM, {"freight": None, "fees": [{"total": None}, {"total": " "}, {}]}, None),
        (SUM | {"default": 0}, {}, 0),
        (SUM | {"negate": True}, {"freight": "5.10"}, Decimal("-5.10")),
        (DIFFERENCE, {"subtotal": "10.00", "total": "7.55"}, Decimal("2.45")),
        (DIFFERENCE, {"subtotal": "10.00"}, None),
        (DIFFERENCE, {"total": "10.00"}, None),
        (DIFFERENCE | {"path": ["subtotal", LIST]}, {"subtotal": "10.00"}, Decimal("10.00")),
        (DIFFERENCE | {"path": [LIST, "total"]}, {"total": "10.00"}, None),
        ({"path": "discount", "negate": True, "converter": "money"}, {"discount": "3.50"}, Decimal("-3.50")),
        ({"path": "discount", "negate": True}, {"discount": 0}, 0),
        ({"path": "discount", "negate": True}, {"discount": " "}, None),
        ({"path": [LIST, "freight"]}, {"fees": [{}, {"total": ""}, {"total": 2}], "freight": 1}, 2),
        ({"path": [LIST, "freight"]}, {"fees": [], "freight": 1}, 1),
        ({"path": "notes[].text", "join": "; "}, {"notes": [{"text": "a"}, {}, {"text": 5}]}, "a; 5"),
        ({"path": "notes[].text", "list": True, "converter": "text"}, {"notes": [{"text": " a "}, {}]}, ["a"]),
        ({"path": "notes[].text", "list": True}, {"notes": []}, None),
        ({"path": "n[].t", "join": "-", "extract": "(.)$"}, {"n": [{"t": "ab"}, {"t": "cd"}]}, "d"),
        (
            {"path": "meta", "to_object": ["key", "value"], "converter": "text_map"},
            {"meta": [{"key": "a", "value": 1}, {"key": "b", "value": None}, {"key": "a", "value": "x"}]},
            {"a": "1, x"},
        ),
        ({"path": "meta", "to_object": ["key", "value"]}, {"meta": []}, None),
        (
            {"path": "options", "converter": "text_map", "to_list": ["name", "value"]},
            {"options": {"Size": "L", "Colour": ["red", "blue"], "x": None}},
            [{"name": "Size", "value": "L"}, {"name": "Colour", "value": "red, blue"}],
        ),
        ({"path": "name", "converter": "first_name"}, {"name": "Ada von Lovelace"}, "Ada von"),
        ({"path": "name", "converter": "last_name"}, {"name": "Ada von Lovelace"}, "Lovelace"),
        ({"path": "name", "converter": "first_name"}, {"name": "Cher"}, None),
    ],
)
def test_values_are_combined(rule: dict[str, Any], document: Any, value: Any) -> None:
    assert read(rule, document) == (value, [])


@pytest.mark.parametrize(
    ("rule", "document", "code"),
    [
        (SUM, {"freight": "5.10", "fees": [{"total": "x"}]}, "bad_amount"),
        (SUM, {"freight": "5.10", "fees": [{"total": "NaN"}]}, "bad_amount"),
        (SUM, {"freight": "5.10", "fees": "2.00"}, "wrong_type"),
        (SUM, {"freight": "5.10", "fees": ["2.00"]}, "wrong_type"),
        (SUM, {"freight": "5.10", "fees": {"total": "2.00"}}, "wrong_type"),
        (SUM, {"freight": True}, "bad_amount"),
        (DIFFERENCE, {"subtotal": "10.00", "total": []}, None),
        ({"path": LIST, "join": " "}, {"fees": [{"total": [1]}]}, "wrong_type"),
        ({"path": "meta", "to_object": ["key", "value"]}, {"meta": [{"value": 1}]}, "wrong_type"),
        ({"path": "meta", "to_object": ["key", "value"]}, {"meta": "x"}, "wrong_type"),
        ({"path": "options", "to_list": ["name", "value"]}, {"options": "x"}, "wrong_type"),
    ],
)
def test_a_part_that_cannot_be_used_leaves_no_value(rule: dict[str, Any], document: Any, code: str | None) -> None:
    assert read(rule, document) == (None, [code] if code else [])


money = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=4)


@given(st.lists(money | money.map(str) | st.integers(-(10**9), 10**9)), money)
def test_sums_are_exact(amounts: list[Any], freight: Decimal) -> None:
    document = {"freight": freight, "fees": [{"total": one} for one in amounts]}
    exact = sum((int(Decimal(one).scaleb(4)) for one in [freight, *amounts]), 0)
    value, codes = read(SUM, document)
    assert codes == []
    assert value.scaleb(4) == exact
    negated, _ = read(SUM | {"negate": True}, document)
    assert negated == -value
    back, _ = read({"path": ["sum", "freight", LIST], "difference": True}, document | {"sum": value})
    assert back == 0


@given(st.lists(st.dictionaries(st.sampled_from(["total", "x"]), st.none() | money, max_size=2)))
def test_elements_without_the_member_are_skipped(fees: list[dict[str, Any]]) -> None:
    given_amounts = [fee["total"] for fee in fees if fee.get("total") is not None]
    value, codes = read({"path": LIST, "sum": True}, {"fees": fees})
    assert (value, codes) == (sum(given_amounts) if given_amounts else None, [])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"path": "a", "sum": True}, r"sum needs several paths or a path through a list, such as lines\[\].total"),
        ({"path": "a[].b", "difference": True}, "difference needs several paths$"),
        ({"path": ["a", "b"], "sum": True, "join": "-"}, "join and sum exclude each other"),
        ({"path": ["a", "b"], "sum": "yes"}, "sum must be true, or be left out"),
        ({"path": ["a", "b"], "sum": False}, "sum must be true, or be left out"),
        ({"value": 5, "sum": True}, "sum needs several paths"),
        ({"path": ["a", "b"], "join": "-", "negate": True}, "negate has no effect with join"),
        ({"path": "a[].b", "sum": True, "extract": "(x)"}, "extract has no effect with sum"),
        ({"path": "a", "to_list": ["name"]}, r"to_list must be the two members .* such as \[name, value\]"),
        ({"path": "a", "to_object": "key"}, "to_object must be the two members"),
        ({"path": "a[].b", "list": True, "to_list": ["n", "v"]}, "to_list has no effect with list"),
        ({"path": "a[0]"}, r"'a\[0\]' is not a path"),
    ],
)
def test_verbs_that_do_not_fit_are_named(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"here, target 't': {message}"):
        parse_rules([{"target": "t", **rule}], {}, {}, "here")


# --- in a whole order ---

ORDER_RULES: list[dict[str, Any]] = [
    {"target": "order_number", "path": "id", "converter": "key"},
    {"target": "currency", "path": "currency", "converter": "currency"},
    {"target": "customer_po", "path": "meta[key=po].value", "converter": "text"},
    {"target": "freight", **SUM},
    {"target": "terms", "path": ["a", "meta[key=terms].value"], "join": "-", "required": True},
    {"target": "colour", "path": "meta[key=colour].value", "converter": "key", "informational": True},
]
LINE_RULES: list[dict[str, Any]] = [
    {"target": "item_number", "path": "sku", "converter": "key", "required": True},
    {"target": "extended", "path": ["amounts[].net"], "sum": True, "converter": "money"},
    {"target": "upc", "path": "product.upc", "converter": "key", "informational": True},
]


def reader() -> CanonicalReader:
    orders, lines = (parse_rules(rules, {}, {}, "here") for rules in (ORDER_RULES, LINE_RULES))
    return CanonicalReader(orders, lines, "lines")


def order(**more: Any) -> dict[str, Any]:
    meta = [{"key": "po", "value": "PO-1"}, {"key": "terms", "value": "Net 30"}, {"key": "_seen", "value": 1}]
    lines = [{"sku": "A", "amounts": [{"net": "1.10"}, {"net": "2.20"}], "product": {"upc": "1"}}]
    return {"id": "1", "currency": "USD", "freight": "1.00", "meta": meta, "lines": lines, "a": "x"} | more


def read_order(document: dict[str, Any]) -> CanonicalOrders:
    return reader().read([document])


def test_an_order_is_read_with_verbs() -> None:
    found = read_order(order())
    assert found.issues == [[]]
    assert found.orders[["customer_po", "freight", "terms"]].to_numpy().tolist() == [["PO-1", 100, "x-Net 30"]]
    assert found.lines["extended"].tolist() == [330]


@pytest.mark.parametrize(
    ("change", "issues"),
    [
        ({"fees": [{"total": "x"}]}, {("bad_amount", "/freight")}),
        ({"meta": [], "a": None}, {("missing_field", "/a")}),
        ({"lines": [{"amounts": [{"net": "1"}]}]}, {("missing_field", "/lines/0/sku")}),
        ({"lines": [{"sku": "A", "amounts": [{"net": "x"}]}]}, {("bad_amount", "/lines/0/amounts")}),
        ({"lines": [{"sku": "A", "amounts": [7]}]}, {("wrong_type", "/lines/0/amounts")}),
    ],
)
def test_issues_are_reported_at_the_list(change: dict[str, Any], issues: set[tuple[str, str]]) -> None:
    assert {(issue.code, issue.pointer) for issue in read_order(order(**change)).issues[0]} == issues


def test_informational_values_are_left_out_with_a_note_in_orders_and_lines() -> None:
    document = order(meta=[{"key": "colour", "value": ["x"]}])
    document["lines"][0]["product"] = "odd"
    found = read_order(document)
    assert found.issues == [[]]
    assert {(note.code, note.path) for note in found.notes[0]} == {
        ("unreadable_value", "/meta"),
        ("unreadable_value", "/lines/0/product/upc"),
    }
    assert reader().is_informational("/lines/3/product/upc")
    assert not reader().is_informational("/meta/0/value"), "other rules read the list, too"


@pytest.mark.parametrize(
    ("location", "needed"),
    [
        ("/fees/3/total", True),
        ("/freight", True),
        ("/lines/1/amounts/0/net", True),
        ("/meta/1/value", True),
        ("/id", False),
        ("/meta/1/key", False),
    ],
)
def test_parts_of_sums_and_required_values_are_needed(location: str, needed: bool) -> None:
    assert reader().is_required_part(location) is needed


GATE = [{"path": "meta[key=hold].value", "verdicts": {"yes": "wait", "": "go"}, "otherwise": "refuse"}]


def test_eligibility_reads_the_same_paths() -> None:
    gate = EligibilityRules.from_mapping(GATE, {})
    held = order(meta=[{"key": "hold", "value": "yes"}])
    assert gate.evaluate(order()).verdict == GO
    assert gate.evaluate(held).reason == "gate:meta[key=hold].value=yes"
    refused = gate.evaluate(order(meta=[{"key": "hold", "value": "maybe"}]))
    assert (refused.verdict, refused.refusal and refused.refusal.pointer) == (REFUSE, "/meta")


def contents() -> ContentPaths:
    return ContentPaths.of(reader(), EligibilityRules.from_mapping(GATE, {}), IdentityPaths("id", ("id",)))


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"meta": [*order()["meta"], {"key": "_seen", "value": 2}]}, False),
        ({"meta": [{"key": "po", "value": "PO-2"}, *order()["meta"][1:]]}, True),
        ({"meta": order()["meta"][1:]}, True),
        ({"fees": [{"total": 1, "seen": 1}]}, True),
        ({"unread": 1}, False),
    ],
)
def test_only_selected_elements_count_in_a_fingerprint(change: dict[str, Any], changed: bool) -> None:
    before, now = contents().fingerprint(order()), contents().fingerprint(order(**change))
    assert (before != now) is changed
    assert ContentPaths.from_text(contents().as_text()).fingerprint(order()) == before


def test_a_selected_value_of_eligibility_counts_until_an_order_is_settled() -> None:
    meta = [*order()["meta"], {"key": "hold", "value": "yes"}]
    before, now = contents().fingerprint(order()), contents().fingerprint(order(meta=meta))
    assert now != before
    assert settled_hash(now) == settled_hash(before)


def test_paths_of_a_mapping_file_and_of_its_rules_give_one_fingerprint() -> None:
    identity = IdentityPaths("id", ("id",), items="lines[].sku", volatile=("meta[key=_seen]",))
    mapping = {"order": ORDER_RULES, "lines": {"each": "lines", "fields": LINE_RULES}, "gate": GATE}
    of_file = ContentPaths.of_mapping(mapping, identity)
    assert of_file == ContentPaths.of(reader(), EligibilityRules.from_mapping(GATE, {}), identity)
    seen = order(meta=[*order()["meta"], {"key": "_seen", "value": 2}])
    assert of_file.fingerprint(seen) == of_file.fingerprint(order())
    assert [list(iterate_values(order(), path)) for path in of_file.read if "key=po" in path] == [["PO-1"]]
