"""Rows of an offers frame, for tests of the ledger."""

from __future__ import annotations

from typing import Any


def offer(source_id: str, **changes: Any) -> dict[str, Any]:
    """One row of an offers frame. Offers of one lineage have one base number, as versions of one order do."""
    lineage = str(changes.get("lineage", f"L{source_id}"))
    row = {
        "source_id": source_id,
        "lineage": f"L{source_id}",
        "order_number": f"N-{source_id}",
        "base_number": f"N-{lineage.removeprefix('L')}",
        "reference": "",
        "version": int(source_id),
        "suffix": None,
        "items": ("A", "B"),
        "customer_number": "",
        "customer_po": "",
        "content_hash": f"hash-{source_id}",
        "problem": "",
    }
    return row | changes
