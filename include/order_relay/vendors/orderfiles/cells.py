"""Identifiers in files that went through a spreadsheet: restored where that is possible, refused otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.fulfilment.csv_cells import read_identifier

LINES = "lines"
_OF_ORDER = ("order_number", "customer_number", "customer_po", "transaction_id", "bill_postal_code", "ship_postal_code")
_OF_LINE = ("number", "item_number", "upc")


def restore_identifiers(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[ValidationIssue]]:
    """The document with its identifiers as they were (``="0012"`` is 0012), and an issue for each that was damaged."""
    issues: list[ValidationIssue] = []
    order = _restored(document, _OF_ORDER, "", issues)
    lines = order.get(LINES)
    if isinstance(lines, list):
        order[LINES] = [
            _restored(line, _OF_LINE, f"/{LINES}/{at}", issues) if isinstance(line, dict) else line
            for at, line in enumerate(lines)
        ]
    return order, issues


def _restored(
    members: Mapping[str, Any], names: tuple[str, ...], place: str, issues: list[ValidationIssue]
) -> dict[str, Any]:
    found = dict(members)
    for name in names:
        if isinstance(found.get(name), str):
            try:
                found[name] = read_identifier(found[name], f"{place.removeprefix('/')}/{name}".removeprefix("/"))
            except RecordRejectedError as error:
                issues += [ValidationIssue(one.code, f"{place}/{name}", one.message) for one in error.issues]
    return found
