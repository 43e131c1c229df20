"""The path language of mapping files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.identity.scalars import text_of
from order_relay.orders.paths import (
    Step,
    first_value,
    is_blocked,
    iterate_values,
    match_form,
    parse_path,
    path_pointer,
    pointer_pattern,
    remove_paths,
    split_at_list,
    without_selectors,
)

META = {
    "meta": [
        {"key": "po", "value": "PO-1"},
        {"key": "gift", "value": True, "rate": {"code": 7}},
        {"key": "po", "value": "PO-2"},
        "odd",
        {"value": "no key"},
    ]
}


def test_values_go_through_lists_and_other_shapes() -> None:
    document = {"lines": [{"product": {"key": "A"}}, 7, {"product": None}, {"product": {"key": "B"}}]}
    assert list(iterate_values(document, "lines[].product.key")) == ["A", "B"]
    assert first_value(document, "lines[].product.key") == "A"
    assert first_value([document], "lines") is None
    assert first_value({"": 1}, "") is None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("meta[key=po].value", ["PO-1", "PO-2"]),
        ('meta[key="po"].value', ["PO-1", "PO-2"]),
        ("meta[rate.code=7].key", ["gift"]),
        ("meta[value=true].key", ["gift"]),
        ("meta[key=PO].value", []),
        ("meta[key=].value", None),
        ("meta[key=po]", [META["meta"][0], META["meta"][2]]),
    ],
)
def test_selectors_pick_elements_by_a_member(path: str, found: list[Any] | None) -> None:
    if found is None:
        with pytest.raises(ConfigurationError, match="is not a path"):
            parse_path(path)
    else:
        assert list(iterate_values(META, path)) == found


@pytest.mark.parametrize(
    "path", [".a", "a.", "a..b", "a[", "a]", "a[]b", "a[0]", "a[=x]", "a[b=]", "a[b='x]", "[]", "a[b.=x]", "a[][]"]
)
def test_what_is_not_a_path_is_named(path: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a path; write names separated by dots"):
        parse_path(path)


names = st.text(min_size=1, max_size=6).filter(lambda text: not set(text) & set(".[]="))
values = st.text(max_size=6).filter(lambda text: '"' not in text or "'" not in text)
steps = st.one_of(
    names.map(Step),
    names.map(lambda name: Step(name, True)),
    st.tuples(names, st.just(True), st.lists(names, min_size=1, max_size=2).map(".".join), values).map(
        lambda parts: Step(*parts)
    ),
)
paths = st.lists(steps, min_size=1, max_size=4)


@given(paths)
def test_any_path_is_read_as_it_is_written(path: list[Step]) -> None:
    assert parse_path(".".join(map(str, path))) == tuple(path)


@given(st.text(alphabet="ab.[]=\"' ", max_size=12))
def test_any_text_is_a_path_or_a_configuration_error(text: str) -> None:
    try:
        found = parse_path(text)
    except ConfigurationError:
        return
    assert parse_path(".".join(map(str, found))) == found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.decimals(allow_nan=True),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=10,
)


@given(json_values, paths)
def test_any_document_can_be_read_along_any_path(document: Any, path: list[Step]) -> None:
    written = ".".join(map(str, path))
    found = list(iterate_values(document, written))
    assert len(found) <= 1 or any(step.each for step in path)
    is_blocked(document, written)
    assert list(iterate_values(remove_paths(document, [written]), written)) == []


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers())))
def test_a_selector_keeps_exactly_the_elements_with_its_value(pairs: list[tuple[str, int]]) -> None:
    document = {"list": [{"key": key, "value": value} for key, value in pairs]}
    assert list(iterate_values(document, "list[key=b].value")) == [value for key, value in pairs if key == "b"]
    rest = remove_paths(document, ["list[key=b]"])
    assert list(iterate_values(rest, "list[].value")) == [value for key, value in pairs if key != "b"]


def test_without_copies_only_what_it_changes() -> None:
    document = {"id": 1, "touched": "now", "lines": [{"sku": "A", "erp": 1}, "odd"], "address": {"city": "Ede"}}
    found = remove_paths(document, ["touched", "lines[].erp", "address.zip", "nowhere.at[].all"])
    assert found == {"id": 1, "lines": [{"sku": "A"}, "odd"], "address": {"city": "Ede"}}
    assert document["lines"] == [{"sku": "A", "erp": 1}, "odd"], "the document itself stays"
    assert found["address"] is document["address"]


def test_members_of_selected_elements_are_removed_alone() -> None:
    document = {"meta": [{"key": "a", "value": 1}, {"key": "b", "value": 2}]}
    assert remove_paths(document, ["meta[key=a].value"]) == {"meta": [{"key": "a"}, {"key": "b", "value": 2}]}


@pytest.mark.parametrize(
    ("document", "blocked"),
    [
        ({"a": [{"b": {"c": 1}}]}, False),
        ({"a": []}, False),
        ({}, False),
        ({"a": [None, {"b": ""}]}, False),
        ({"a": "x"}, True),
        ({"a": {"b": {"c": 1}}}, True),
        ({"a": [5]}, True),
        ({"a": [{"b": "x"}]}, True),
    ],
)
def test_something_else_along_a_path_is_noticed(document: Any, blocked: bool) -> None:
    assert is_blocked(document, "a[].b.c") is blocked


def test_pointers_end_at_the_list_and_patterns_go_through_it() -> None:
    path = 'a.lines[no="1.2"].taxes[].total'
    assert path_pointer(path) == "/a/lines"
    assert path_pointer("a.b") == "/a/b"
    assert path_pointer("") == ""
    assert pointer_pattern(path) == match_form("/a/lines/3/taxes/0/total") == "/a/lines//taxes//total"
    assert split_at_list(path) == ('a.lines[no="1.2"].taxes[]', "total")
    assert split_at_list("a.b") == ("", "a.b")
    assert without_selectors(path) == "a.lines[].taxes[].total"


def test_numbers_are_the_text_of_their_value() -> None:
    assert [text_of(value) for value in (7, Decimal("7.0"), "7", True, 7.5, None, "a\x00b")] == [
        "7",
        "7",
        "7",
        "",
        "",
        "",
        "",
    ]
