from __future__ import annotations

from typing import Any

import pytest

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.mapping import columns
from order_relay.orders.mapping.mapping_rules import merge_rules, merge_tables, parse_rules

SETTINGS = {"locale": "en-US"}
TABLES = merge_tables({"way": {"UPS  Ground": {"type": "standard"}}, "pay": {"card": "CC"}})


def read(rule: dict[str, Any], *documents: Any) -> tuple[list[Any], list[tuple[int, ValidationIssue]], list[int]]:
    result: list[tuple[int, ValidationIssue]] = []
    noted: list[int] = []
    (parsed,) = parse_rules([{"target": "t", **rule}], TABLES, SETTINGS, "here")
    column = columns.read_column(
        parsed,
        columns.DocumentRows(documents),
        lambda row, why: result.append((row, why)),
        lambda row, _: noted.append(row),
    )
    return column, result, noted


def test_paths_through_anything() -> None:
    documents: tuple[Any, ...] = (
        {"a": {"b": {"c": 1}}},
        {"a": {"b": []}},
        {"a": None},
        {},
        None,
        [],
        "x",
        {"a": {"b": {}}},
    )
    assert read({"path": "a.b.c"}, *documents)[0] == [1, *[None] * 7]
    assert read({"path": "a"}, {"a": 0}, {})[0] == [0, None]


def test_the_first_path_that_has_a_value() -> None:
    assert read({"path": ["a", "b.c"]}, {"a": 1, "b": {"c": 2}}, {"a": None, "b": {"c": 2}}, {"a": ""}, {})[0] == [
        1,
        2,
        None,
        None,
    ]


def test_constants_settings_and_defaults() -> None:
    assert read({"value": [1]}, {}, {})[0] == [[1], [1]]
    assert read({"path": "settings.locale"}, {})[0] == ["en-US"]
    assert read({"path": "a", "default": {"setting": "locale"}}, {"a": "x"}, {})[0] == ["x", "en-US"]


def test_tables_forgive_case_and_blanks() -> None:
    rule = {"path": "via", "table": "way", "pick": "type", "unknown": "note", "default": "d"}
    column, _, noted = read(rule, {"via": " ups ground "}, {"via": "Pigeon"}, {"via": None}, {"via": {}}, {"via": [1]})
    assert column == ["standard", "d", "d", "d", "d"]
    assert noted == [1, 4], "an empty object is no value"


@pytest.mark.parametrize(
    ("unknown", "expected"), [("keep", "cash"), ("refuse", None), ("default", None), ("note", None)]
)
def test_values_without_a_row(unknown: str, expected: str | None) -> None:
    column, result, _ = read({"path": "p", "table": "pay", "unknown": unknown}, {"p": "cash"})
    assert column == [expected]
    assert [why.code for _, why in result] == (["not_in_table"] if unknown == "refuse" else [])


def test_parts_that_are_empty_are_not_joined() -> None:
    rule = {"path": ["a", "b", "c"], "join": " "}
    column, result, _ = read(rule, {"a": "S", "b": [], "c": 5.0}, {"a": " ", "b": {}, "c": None})
    assert (column, result) == (["S 5", None], [])


def test_a_wrong_value_does_not_stop_the_others() -> None:
    column, result, _ = read(
        {"path": "q", "converter": "quantity"}, {"q": 1}, {"q": "1.5"}, {"q": {"a": 1}}, {"q": "3"}
    )
    assert column == [1, None, None, 3]
    assert [(row, why.code) for row, why in result] == [(1, "fractional_quantity"), (2, "bad_amount")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"target": "t"}, "either path or value"),
        ({"target": "t", "path": "a", "value": 1}, "either path or value"),
        ({"path": "a"}, "no target"),
        ({"target": "t", "path": "a", "tabel": "x"}, "unknown key 'tabel'"),
        ({"target": "t", "path": 7}, "path must be text"),
        ({"target": "t", "path": [1]}, "path must be text"),
        ({"target": "t", "path": "a", "converter": "no"}, "unknown converter 'no'"),
        ({"target": "t", "path": "a", "table": "no"}, "unknown code table 'no'"),
        ({"target": "t", "path": "a", "table": "way", "pick": "class"}, "row 'ups ground' .* has no 'class'"),
        ({"target": "t", "path": "a", "table": "pay", "unknown": "guess"}, "must be one of"),
        ({"target": "t", "path": "settings.no"}, "unknown setting 'no'"),
        ({"target": "t", "path": "a", "default": {"setting": "no"}}, "unknown setting 'no'"),
        ({"target": "t", "path": "a", "when": "x"}, "when"),
        ("t", "no target"),
    ],
)
def test_wrong_rules_are_wrong_setup(rule: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_rules([rule], TABLES, SETTINGS, "here")


def test_overrides_replace_add_and_drop() -> None:
    base = [{"target": "a", "path": "x"}, {"target": "b", "path": "y"}, {"target": "c", "path": "z"}]
    over = [{"target": "a", "value": 1}, {"target": "b", "drop": True}, {"target": "d", "value": 2}]
    assert merge_rules(base, over) == [over[0], base[2], over[2]]


def test_tables_are_merged_row_by_row() -> None:
    assert merge_tables({"t": {"A": 1, "B": 2}}, {"t": {"b": 3}, "u": {}}) == {"t": {"a": 1, "b": 3}, "u": {}}
    with pytest.raises(ConfigurationError, match="'t': must be an object"):
        merge_tables({"t": ["a"]})


def test_join_takes_all_that_have_a_value() -> None:
    rule = {"path": ["street", "number", "more"], "join": " "}
    documents = (
        {"street": "Dam", "number": 1, "more": "bis"},
        {"street": "Dam", "number": "1", "more": None},
        {"street": "", "number": None},
        {"street": " Dam ", "number": ["1"]},
    )
    column, result, _ = read(rule, *documents)
    assert column == ["Dam 1 bis", "Dam 1", None, None]
    assert [(row, why.code) for row, why in result] == [(3, "wrong_type")]


def test_extract_takes_the_part_that_counts() -> None:
    rule = {"path": "key", "extract": "_([A-Z]+)$"}
    assert read(rule, {"key": "124_STUK"}, {"key": "124"}, {"key": 7}, {})[0] == ["STUK", None, None, None]


def test_moments_without_offset_are_the_zones() -> None:
    rule = {"path": "at", "converter": "moment", "zone": "Europe/Amsterdam"}
    column, result, _ = read(
        rule,
        {"at": "2026-07-01T12:00:00.5"},
        {"at": "2026-01-01"},
        {"at": "2026-01-01T12:00:00Z"},
        {"at": "2026-02-30T12:00:00"},
    )
    assert [at and at.isoformat() for at in column] == [
        "2026-07-01T10:00:00.500000+00:00",
        "2025-12-31T23:00:00+00:00",
        "2026-01-01T12:00:00+00:00",
        None,
    ]
    assert [(row, why.code) for row, why in result] == [(3, "bad_format")]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"path": "a", "join": " "}, "join needs several paths or a path through a list"),
        ({"path": ["a", "b"], "join": 1}, "join must be text"),
        ({"path": "a", "extract": "a"}, "extract must be a pattern with exactly one group"),
        ({"path": "a", "extract": "("}, "extract must be"),
        ({"path": "a", "converter": "moment", "zone": "Mars/North"}, "the name of a time zone"),
        ({"path": "a", "converter": "moment", "zone": {"setting": "no"}}, "unknown setting 'no'"),
        ({"path": "a", "converter": "text", "zone": "UTC"}, "zone is allowed only for"),
    ],
)
def test_wrong_members_are_named(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_rules([{"target": "t", **rule}], TABLES, SETTINGS, "here")
