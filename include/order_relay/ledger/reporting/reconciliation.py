"""The ledger's data about orders at the destination, for a comparison with the destination's own data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """One submission in the ledger. ``key`` is its external id, or its order number before it has one."""

    id: int
    pipeline: str
    number: str
    key: str
    oms_id: str
    state: str
    reason: str
    imported_at: datetime | None
    submitted_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownOrders:
    """Those of some source ids and order numbers that a pipeline's ledger has."""

    ids: frozenset[str]
    numbers: frozenset[str]


_KEY = sa.func.coalesce(submission.c.destination_key, submission.c.order_number)
_LEDGER_ORDER = sa.select(
    submission.c.id,
    submission.c.pipeline,
    submission.c.order_number,
    _KEY,
    sa.func.coalesce(submission.c.oms_id, ""),
    submission.c.state,
    submission.c.reason,
    submission.c.imported_at,
    submission.c.submitted_at,
).order_by(submission.c.id)


class Reconciliation(Repository):
    """The ledger's side of a comparison with the destination."""

    @reads
    def imported_between(self, tx: Transaction, name: str, since: datetime, until: datetime) -> list[int]:
        """The ids of the submissions that this pipeline imported in [since, until], ascending."""
        return list(
            tx.run(
                sa.select(submission.c.id)
                .where(
                    of_pipeline(name),
                    # by the index of what was imported when, not by state
                    submission.c.destination.in_(
                        sa.select(pipeline.c.destination_account).where(pipeline.c.name == name)
                    ),
                    submission.c.state == sa.literal_column("'imported'"),
                    submission.c.imported_at >= since,
                    submission.c.imported_at <= until,
                )
                .order_by(submission.c.id)
            ).scalars()
        )

    @reads
    def imported(self, tx: Transaction, ids: Iterable[int]) -> list[LedgerOrder]:
        """Those of these submissions that are imported."""
        query = _LEDGER_ORDER.where(among(submission.c.id, "ids"), submission.c.state == State.IMPORTED)
        return _rows(tx, query, {"ids": list(ids)})

    @reads
    def known(self, tx: Transaction, name: str, ids: Iterable[str], numbers: Iterable[str]) -> KnownOrders:
        """Those of these source ids and order numbers that this pipeline ever received, in whatever state."""
        return KnownOrders(*(_known(tx, name, column, keys) for column, keys in ((_ID, ids), (_NUMBER, numbers))))

    @reads
    def by_destination_key(self, tx: Transaction, destination: str, keys: Iterable[str]) -> dict[str, LedgerOrder]:
        """Submissions of all pipelines of this destination account, by external id; unknown ids are absent.

        Submissions without an external id are found by their order number, from which most external ids are made.
        """
        # no column contains NUL, and PostgreSQL refuses it in a query
        wanted = {key for key in keys if "\x00" not in key}
        by_key = _LEDGER_ORDER.where(
            submission.c.destination == destination, among(submission.c.destination_key, "keys")
        )
        found = {row.key: row for row in _rows(tx, by_key, {"keys": sorted(wanted)})}
        of_destination = sa.select(pipeline.c.name).where(pipeline.c.destination_account == destination)
        by_number = _LEDGER_ORDER.where(
            submission.c.pipeline.in_(of_destination),
            submission.c.destination_key.is_(None),
            among(submission.c.order_number, "keys"),
        )
        return {row.key: row for row in _rows(tx, by_number, {"keys": sorted(wanted - found.keys())})} | found


_ID, _NUMBER = submission.c.source_id, submission.c.order_number


def _known(tx: Transaction, name: str, column: sa.Column[str], keys: Iterable[str]) -> frozenset[str]:
    query = sa.select(column).where(submission.c.pipeline == name, among(column, "keys"))
    return frozenset(tx.run(query, {"keys": sorted(key for key in keys if "\x00" not in key)}).scalars())


def _rows(tx: Transaction, query: Any, keys: dict[str, Any]) -> list[LedgerOrder]:
    return [LedgerOrder(*tuple(row)) for row in tx.run(query, keys)]
