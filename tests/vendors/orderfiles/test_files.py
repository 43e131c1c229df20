"""How orders are read from CSV and JSON lines files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import DeliveredFile, Selection, SourceOrder
from order_relay.vendors import load_vendor

HEADER = "order_number,customer_number,notes,line_item_number,line_quantity\n"


def read(text: str | bytes, **fields: Any) -> list[SourceOrder]:
    source = load_vendor("orderfiles").account("source", Connection("x", extra={"origin": "shop", **fields}))
    data = text.encode() if isinstance(text, str) else text
    return list(source.fetch(Selection(file=DeliveredFile("a.csv", data))))


def found(text: str | bytes, **fields: Any) -> dict[str, str]:
    """The problem of each order, by order number."""
    return {order.document.get("order_number", ""): order.problem for order in read(text, **fields)}


def test_rows_of_an_order_need_not_be_neighbours() -> None:
    one, two = read(HEADER + "A,7,hello,MUG,1\nB,8,,MUG,2\nA,,hello,CUP,3\n")
    assert two.document == {
        "order_number": "A",
        "customer_number": "7",
        "notes": "hello",
        "lines": [{"item_number": "MUG", "quantity": "1"}, {"item_number": "CUP", "quantity": "3"}],
    }
    assert (one.document["order_number"], one.problem, two.problem) == ("B", "", "")


@pytest.mark.parametrize(
    "data",
    [
        "Order Number;Notes;line_item_number\nÄ-1;x;MUG\n".encode("utf-8-sig"),
        "sep=;\nORDER_NUMBER;Notes;line_item_number\nÄ-1;x;MUG\n".encode("utf-16"),
        "order_number\tnotes\tline_item_number\nÄ-1\tx\tMUG\n".encode(),
    ],
)
def test_encoding_and_delimiter_are_detected(data: bytes) -> None:
    [order] = read(data)
    assert order.document == {"order_number": "Ä-1", "notes": "x", "lines": [{"item_number": "MUG"}]}


def test_other_names_and_encodings_are_settings() -> None:
    data = "Nr|item\nÄ|MUG\n".encode("cp1252")
    columns = {"NR": "order_number", "item": "line_item_number"}
    assert found(data, columns=columns)
    assert "wrong_encoding" in found(data, columns=columns).values()
    [order] = read(data, columns=columns, encoding="cp1252")
    assert order.document == {"order_number": "Ä", "lines": [{"item_number": "MUG"}]}


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("B,8,,MUG,1\nB,9,,CUP,1", "rows_differ"),
        ("6.12E+11,8,,MUG,1", "damaged_by_spreadsheet"),
        ("B,8,,10-Feb,1", "damaged_by_spreadsheet"),
        ("B,8,,MUG,1,x", "wrong_width"),
        ("B,8,,MUG", "wrong_width"),
    ],
)
def test_a_bad_row_concerns_its_order_only(row: str, problem: str) -> None:
    results = found(f"{HEADER}A,7,,MUG,1\n{row}\nC,7,,MUG,1\n")
    assert results.pop("A") == results.pop("C") == ""
    assert list(results.values()) == [problem]


@pytest.mark.parametrize(("row", "problem"), [(",8,,MUG,1", "number_missing"), ('"B,8,,MUG,1', "broken_quotes")])
def test_a_row_of_no_known_order_stops_its_neighbours_which_may_lack_a_line(row: str, problem: str) -> None:
    results = found(f"{HEADER}A,7,,MUG,1\nB,7,,MUG,1\n{row}\nC,7,,MUG,1\nD,7,,MUG,1\n")
    assert results == {"A": "", "B": "number_missing", "": problem, "C": "number_missing", "D": ""}


def test_a_truncated_file_imports_no_half_order() -> None:
    assert found(f"{HEADER}A,7,,MUG,1\nB,7,,M") == {"A": "", "B": "cut_off"}


def test_formulas_are_text() -> None:
    [order] = read(HEADER + '"=""00123""",7,"=HYPERLINK(""http://x"")",MUG,1\n')
    assert order.document["order_number"] == "00123"
    assert order.document["notes"] == '=HYPERLINK("http://x")'


def test_a_file_without_the_column_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"a\.csv has no column order_number"):
        read("a,b\n1,2\n")
    with pytest.raises(ConfigurationError, match="notes more than once"):
        read("order_number,notes,Notes\n1,2,3\n")


def test_an_order_above_the_limit_is_refused_alone() -> None:
    big = "x" * 5_000
    assert found(f"{HEADER}A,7,{big},MUG,1\nB,7,,MUG,1\n", order_limit_bytes=4096) == {"A": "order_too_large", "B": ""}
    lines = json.dumps({"order_number": "A", "notes": big}) + '\n{"order_number": "B"}\n'
    assert found(lines, order_limit_bytes=4096) == {"A": "order_too_large", "B": ""}


def test_a_bad_line_concerns_its_order_only() -> None:
    lines = [
        '{"order_number": "A", "total": 1.10, "lines": [{"item_number": "MUG"}]}',
        "",
        '{"order_number": "B", "total": NaN}',
        '{"order_number": "C", "lines": [{"item_number": "1.5E+10"}]}',
        "[]",
        '{"order_number": "D"}',
    ]
    problems = [order.problem for order in read("\n".join(lines))]
    assert problems[0] == problems[4] == ""
    assert problems[1:4] == ["not_a_json_number", "damaged_by_spreadsheet", "not_an_object"]


def test_without_a_file_nothing_is_read() -> None:
    source = load_vendor("orderfiles").account("source", Connection("x", extra={"origin": "shop"}))
    with pytest.raises(ConfigurationError, match="history_import"):
        list(source.fetch(Selection()))
