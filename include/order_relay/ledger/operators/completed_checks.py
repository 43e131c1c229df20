"""When the ledger was last backed up, and each pipeline last compared with its destination, with the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.shipment_tables import ledger_mark
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads
from order_relay.ledger.store.text import dump_json, load_json

BACKUP, RECONCILE = "backup", "reconcile"
"""Backups are of the whole ledger; their pipeline is empty."""


@dataclass(frozen=True)
class CompletedCheck:
    """The last one of its kind: when it ended (UTC), and counts, never order data."""

    at: datetime
    facts: Mapping[str, Any]


class CompletedChecks(Repository):
    """The last check of each kind and pipeline."""

    @inserts
    def record(self, tx: Transaction, kind: str, facts: Mapping[str, Any], pipeline: str = "") -> None:
        """Replace the last check of this kind and pipeline."""
        name, value = f"{kind}:{pipeline}", dump_json({"at": tx.now, **facts})
        if not tx.run(ledger_mark.update().where(ledger_mark.c.name == name).values(value=value)).rowcount:
            tx.run(ledger_mark.insert(), {"name": name, "value": value})

    @reads
    def latest(self, tx: Transaction, kind: str) -> dict[str, CompletedCheck]:
        """The last check of a kind by pipeline; a backup under the empty name."""
        rows = tx.run(sa.select(ledger_mark).where(ledger_mark.c.name.startswith(f"{kind}:", autoescape=True)))
        found = {}
        for row in rows:
            facts = load_json(row.value, {})
            found[row.name.removeprefix(f"{kind}:")] = CompletedCheck(datetime.fromisoformat(facts.pop("at")), facts)
        return found
