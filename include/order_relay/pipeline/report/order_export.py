"""The list of orders as CSV, for the order desk and the command line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from order_relay.ledger.schema.listed_rows import ListedOrder
from order_relay.orders.money.amounts import CURRENCIES, from_minor
from order_relay.orders.table_cells import escape_formula
from order_relay.pipeline.report.advice import advice_for

MAX_EXPORTED = 100_000
"""Maximum orders of one export."""

EXPORT_COLUMNS = (
    "order_number",
    "pipeline",
    "state",
    "reason",
    "reason_title",
    "total",
    "currency",
    "customer_po",
    "received",
    "changed",
    "oms_id",
    "shipped",
    "id",
)


def export_row(row: ListedOrder) -> dict[str, Any]:
    """The cells of one order; the total as a decimal number, or in minor units for an unknown currency."""
    advice = advice_for(row["reason"]) if row["reason"] else None
    minor, decimals = row["total_minor"], CURRENCIES.get(row["currency"])
    return {
        **row,
        "reason_title": advice.title if advice else "",
        "total": minor if minor is None or decimals is None else from_minor(minor, decimals),
        "received": row["first_offered_at"],
        "changed": row["changed_at"],
    }


def csv_portions(portions: Iterable[list[ListedOrder]], most: int = MAX_EXPORTED) -> Iterator[str]:
    """The header, then each portion of orders, as CSV text. If there are more than ``most``, the last line says so.

    ``portions`` must contain one order more than ``most`` in that case.
    """
    yield _lines([dict(zip(EXPORT_COLUMNS, EXPORT_COLUMNS, strict=True))])
    left = most
    for rows in portions:
        yield _lines(map(export_row, rows[:left]))
        if len(rows) > left:
            yield _lines([{"order_number": f"Not complete: only the newest {most} orders. Narrow the filter."}])
            return
        left -= len(rows)


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([escape_formula(row.get(column)) for column in EXPORT_COLUMNS])
    return text.getvalue()
