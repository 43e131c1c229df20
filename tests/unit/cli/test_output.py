"""What is printed can be read by people, pipes and programs, and steers no terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from order_relay.cli.output import print_fields, print_json, print_line, print_table
from order_relay.orders.table_cells import printable


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\u202e") == "a?[31mb?c?"


def test_times_are_utc_to_the_second() -> None:
    assert printable(datetime(2026, 5, 1, 12, 0, 3, 5, tzinfo=UTC)) == "2026-05-01 12:00:03Z"


def test_a_piped_table_cuts_and_wraps_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 400
    print_table("t", ("a", "b"), [(long, "[red]not markup[/red]")])
    out = capsys.readouterr().out
    assert long in out
    assert "[red]not markup[/red]" in out
    assert "\x1b" not in out


def test_a_long_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("y" * 500)
    assert capsys.readouterr().out == "y" * 500 + "\n"


def test_empty_fields_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"state": "held", "oms_id": None, "notes": []}, indent=2)
    assert capsys.readouterr().out == "  state  held\n"


def test_json_knows_times_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2026, 5, 1, tzinfo=UTC), "sum": Decimal("1.10"), "who": "José"})
    assert json.loads(capsys.readouterr().out) == {"at": "2026-05-01T00:00:00+00:00", "sum": "1.10", "who": "José"}
