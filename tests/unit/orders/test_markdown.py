"""Escaped text and tables."""

from __future__ import annotations

from order_relay.orders.markdown import MAX_VALUE_LENGTH, escape_markdown, markdown_table


def test_text_is_one_line_without_markup() -> None:
    assert escape_markdown("a|b *c*\n<d>") == r"a\|b \*c\*?\<d\>"
    assert len(escape_markdown("x" * 1000)) == MAX_VALUE_LENGTH


def test_a_cell_cannot_add_a_column() -> None:
    table = markdown_table(("what", "n"), [("a|b", 1), (escape_markdown("c|d"), 2)])
    assert table.splitlines() == ["| what | n |", "| --- | --- |", r"| a\|b | 1 |", r"| c\|d | 2 |"]
