"""CSV that runs nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from order_relay.orders.table_cells import escape_formula, write_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u00a0=1", "＝1", "\n=1"])
def test_what_looks_like_a_formula_is_led_by_an_apostrophe(text: str) -> None:
    assert escape_formula(text).startswith("'")


@pytest.mark.parametrize("text", ["6385-031318-392", "PO 8891", "", "0012", "José"])
def test_other_text_stays(text: str) -> None:
    assert escape_formula(text) == text


def test_a_negative_number_is_no_formula() -> None:
    assert escape_formula(-5) == "-5"


def test_rows_come_back_as_they_went() -> None:
    stream = io.StringIO()
    assert write_csv(stream, ("number", "message"), [{"number": "7-1", "message": 'says "no", twice\nand more'}]) == 1
    rows = list(csv.reader(io.StringIO(stream.getvalue())))
    assert rows == [["number", "message"], ["7-1", 'says "no", twice?and more']]
