"""Code tables with rows of several origins: the last origin wins, row by row, however keys are written."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from order_relay.errors import ValidationIssue
from order_relay.orders.mapping.code_tables import effective_rows, overlay
from order_relay.orders.mapping.columns import convert_codes
from order_relay.orders.mapping.mapping_rules import merge_tables, normalize_words, parse_rules

KEYS = st.sampled_from(["UPS Ground", "ups  ground", "UPS GROUND", "DHL", "dhl", "Straße", "STRASSE", "1"])
TABLES = st.dictionaries(st.sampled_from(["ship_via", "unit"]), st.dictionaries(KEYS, st.integers(0, 9)))
CHANGES = st.lists(st.tuples(KEYS, st.one_of(st.none(), st.integers(10, 19))), max_size=8)


@given(vendor=TABLES, file=TABLES, changes=CHANGES)
@settings(max_examples=100)
def test_the_newest_row_of_each_key_covers_the_files_and_a_removal_uncovers_them(
    vendor: dict[str, dict[str, int]], file: dict[str, dict[str, int]], changes: list[tuple[str, int | None]]
) -> None:
    made: dict[str, tuple[str, int]] = {}
    for key, value in changes:
        made.pop(normalize_words(key), None)
        if value is not None:
            made[normalize_words(key)] = (key, value)
    rows = {"ship_via": dict(made.values())}
    expected = merge_tables(vendor, file)
    expected.setdefault("ship_via", {}).update({code: value for code, (_, value) in made.items()})
    assert merge_tables(vendor, overlay(file, rows)) == expected
    layers = [("vendor", vendor), ("file", file), ("operators", rows)]
    shown = effective_rows(layers, "ship_via")
    assert {code: row.value for code, row in shown.items()} == expected["ship_via"]
    assert {code for code, row in shown.items() if row.origin == "operators"} == made.keys()


def test_an_issue_names_table_and_code_in_memory_only() -> None:
    raw = {"target": "country", "path": "c", "table": "country", "unknown": "keep", "converter": "country"}
    refusing = {"target": "line_type", "path": "t", "table": "type", "unknown": "refuse"}
    tables = {"country": {"usa": "US", "wrong": "TOO LONG"}, "type": {"a": "b"}}
    country, line_type = parse_rules([raw, refusing], tables, {}, "test")
    found: list[ValidationIssue] = []

    def report(_row: int, issue: ValidationIssue) -> None:
        found.append(issue)

    codes = ["USA", "Freedonia", "fr", "wrong", None]
    assert convert_codes(country, codes, report, lambda *_: None) == ["US", None, "FR", None, None]
    convert_codes(line_type, ["A", 7, ["x"]], report, lambda *_: None)
    assert [(issue.code, issue.table_code) for issue in found] == [
        ("unknown_country", ("country", "Freedonia")),
        ("unknown_country", ("country", "wrong")),
        ("not_in_table", ("type", "7")),
        ("not_in_table", ("type", "")),
    ]
    assert "Freedonia" not in repr(found)
    assert found[0] == replace(found[0], table_code=None), "stored and compared without it"


def test_rows_moved_to_the_file_make_the_same_tables() -> None:
    file = {"ship_via": {"UPS Ground": 1, "DHL": 2}}
    rows = {"ship_via": {"ups ground": 3}, "unit": {"KG": 1000}}
    assert overlay(file, rows) == {"ship_via": {"DHL": 2, "ups ground": 3}, "unit": {"KG": 1000}}
    assert file == {"ship_via": {"UPS Ground": 1, "DHL": 2}}, "the settings are not changed"
