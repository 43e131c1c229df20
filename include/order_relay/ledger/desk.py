"""``PeopleDesk``: the part of ``Ledger`` by which people decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from order_relay.ledger import bulk, finding, people
from order_relay.ledger.database import Database
from order_relay.ledger.values import BatchInfo
from order_relay.orders.exchange import RunContext


class PeopleDesk:
    """Decisions, findings and bulk orders of people; each method is one transaction."""

    _db: Database

    def decide(
        self, number: str, choice: str, reason: str, who: str, shown_ids: Sequence[int] | None = None, *,
        cancelled: bool = False, pipeline: str | None = None,
    ) -> list[int]:  # fmt: skip
        """A person's decision about held submissions (``people.decide``)."""
        return self._db.write(lambda tx: people.decide(
            tx, number, choice, reason, who, shown_ids=shown_ids, cancelled=cancelled, pipeline=pipeline
        ))

    def settle_by_person(
        self, number: str, oms_id: str | None, reason: str, who: str, *, pipeline: str | None = None
    ) -> list[int]:
        """A person's finding about an order in doubt (``people.settle_by_person``)."""
        return self._db.write(lambda tx: people.settle_by_person(tx, number, oms_id, reason, who, pipeline=pipeline))

    def replay(self, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Judge quarantined and rejected submissions again; how many."""
        wanted = list(ids)
        return self._db.write(lambda tx: bulk.replay(tx, ctx, wanted, reason))

    def discard(self, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Never send these quarantined, rejected or held submissions; how many."""
        wanted = list(ids)
        return self._db.write(lambda tx: bulk.discard(tx, ctx, wanted, reason))

    def take_baseline(
        self, ctx: RunContext, batch: BatchInfo, offers: pd.DataFrame, transform_fingerprint: str, *, reason: str,
        acknowledge: bool, keep: Iterable[str] = (),
    ) -> dict[str, int]:  # fmt: skip
        """Take in a batch as handled elsewhere (``bulk.take_baseline``)."""
        return self._db.write(lambda tx: bulk.take_baseline(
            tx, ctx, batch, offers, transform_fingerprint, reason=reason, acknowledge=acknowledge, keep=keep
        ))

    def imported_by(self, run: str, pipeline: str | None = None) -> list[dict[str, Any]]:
        """What a run brought to the destination (``finding.imported_by``)."""
        return self._db.read(lambda tx: finding.imported_by(tx, run, pipeline))
