"""Rows of the ledger's tables, written past the package: many orders, and time that has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import submission

IMPORTED: dict[str, Any] = {
    "pipeline": "p",
    "edition": 1,
    "order_number": "N",
    "base_number": "N",
    "version": 1,
    "customer_po": "",
    "items": "[]",
    "content_hash": "",
    "problem": "",
    "batch_id": "b",
    "part": 0,
    "row": 0,
    "state": "imported",
    "reason": "",
    "revision": 1,
    "decided": False,
    "proven": True,
    "refusals_hash": "",
    "payload_name": "",
    "payload_row": 0,
    "fingerprint": "",
    "transform_fingerprint": "",
    "currency": "USD",
    "notes": "[]",
    "attempt": 1,
    "owner": "",
    "lookups": 0,
    "ack_message": "",
}
"""Columns of an imported submission that most such tests do not care about."""


def let_leases_end(ledger: Ledger) -> None:
    """Move the leases of what is sending or in doubt into the past, beyond the time-out."""
    past = datetime.now(UTC) - timedelta(hours=1)
    with ledger.database.engine.begin() as conn:
        open_now = submission.c.state.in_(["sending", "in_doubt"])
        conn.execute(submission.update().where(open_now).values(send_before=past))
