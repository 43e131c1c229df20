"""Code tables with rows of several origins: the vendors' mapping files, the pipeline's file, and operators.

A later origin wins, row by row. Keys are compared as codes are looked up: without case and repeated spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from order_relay.orders.mapping.mapping_rules import CodeTables, normalize_words

TABLE_REASONS = ("not_in_table", "unknown_country", "unknown_currency")
"""Reason codes of orders that a row of a code table may release."""


class OriginRow(NamedTuple):
    """The effective row of a code, and the origin that gives it."""

    key: str
    value: Any
    origin: str


def overlay(tables: CodeTables, rows: CodeTables) -> dict[str, dict[str, Any]]:
    """``tables`` with further rows. A row with the same code is replaced, however its key is written."""
    merged = {name: dict(given) for name, given in tables.items()}
    for name, added in rows.items():
        codes = {normalize_words(key) for key in added}
        kept = {key: row for key, row in merged.get(name, {}).items() if normalize_words(key) not in codes}
        merged[name] = {**kept, **added}
    return merged


def effective_rows(layers: Sequence[tuple[str, CodeTables]], table: str) -> dict[str, OriginRow]:
    """The rows of one table by code; ``layers`` are origins with their tables, the last of which wins."""
    rows: dict[str, OriginRow] = {}
    for origin, tables in layers:
        for key, value in (tables.get(table) or {}).items():
            rows[normalize_words(key)] = OriginRow(str(key), value, origin)
    return rows
