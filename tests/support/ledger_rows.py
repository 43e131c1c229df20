"""Rows of the ledger's tables, for tests that write many orders past the package."""

from __future__ import annotations

from typing import Any

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
