"""Rows of parcels with their lines."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.shipment_tables import shipment, shipment_line
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import load_json
from order_relay.orders.fulfilment.shipment_progress import ShippedLine


def shipments_of(tx: Transaction, number: int) -> list[dict[str, Any]]:
    """The shipments of one submission with their ``lines``, the first recorded first."""
    query = sa.select(shipment).where(shipment.c.submission_id == number)
    return with_lines(tx, query.order_by(shipment.c.id))


def with_lines(tx: Transaction, query: sa.Select[Any], values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Rows of shipments, each with its ``lines`` and its ``words`` as a list."""
    rows = [dict(row) for row in tx.run(query, values).mappings()]
    lines: dict[int, list[dict[str, Any]]] = defaultdict(list)
    found = tx.run(
        sa.select(shipment_line)
        .where(among(shipment_line.c.shipment_id, "ids"))
        .order_by(shipment_line.c.shipment_id, shipment_line.c.position),
        {"ids": [row["id"] for row in rows]},
    )
    for line in found.mappings():
        lines[line["shipment_id"]].append({name: line[name] for name in ("line", "item_number", "quantity", "odd")})
    return [{**row, "words": load_json(row["words"], []), "lines": lines[row["id"]]} for row in rows]


def lines_of(parcel: dict[str, Any]) -> list[ShippedLine]:
    """The lines of a parcel from ``with_lines``."""
    return [ShippedLine(**line) for line in parcel["lines"]]
