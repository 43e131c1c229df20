"""Counts of orders, maintained in the transactions that change them, so that reading a count never counts the past.

Each transaction appends rows and changes none, so that processes never wait for each other here. The end of a run
merges the rows of its last two days (``merge``). ``Accounting.invariant_violations`` compares the sums with the orders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from order_relay.ledger.schema.states import SETTLED, State
from order_relay.ledger.schema.tables import metadata, submission
from order_relay.ledger.store.column_types import BigKey, among
from order_relay.ledger.store.database import Transaction

order_count = sa.Table(
    "order_count",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("day", sa.Text, nullable=False),  # UTC, such as 2026-05-31
    sa.Column("kind", sa.Text, nullable=False),  # a state that was entered, received, or acknowledged
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),  # negative for orders that left it
    sa.Index("ix_order_count_day", "pipeline", "day"),
)

RECEIVED = "received"
"""Kind: submissions that were received. An entry in the state ``received`` is not counted."""

ACKNOWLEDGED = "acknowledged"
"""Kind: acknowledgements that were confirmed."""

CURRENT = (*SETTLED, ACKNOWLEDGED)
"""The kinds whose sum over all days is the present number. Of the other kinds, the table only has the number of each
day: open orders are few, and are counted where they are (``ix_submission_state``)."""

_ENTERED = frozenset({*SETTLED, State.QUARANTINED, State.REJECTED, State.HELD})
"""The states whose entries are counted."""


def _grouped(reason: sa.ColumnElement[str], *where: sa.ColumnElement[bool]) -> sa.Insert:
    """Append the number of these submissions by pipeline and ``reason``."""
    number = sa.func.count() * sa.bindparam("b_sign", type_=sa.BigInteger)
    day, kind = (sa.bindparam(name, type_=sa.Text) for name in ("b_day", "b_kind"))
    chosen = sa.select(submission.c.pipeline, day, kind, reason, number).where(among(submission.c.id, "b_ids"), *where)
    groups = chosen.group_by(submission.c.pipeline, submission.c.reason)
    return order_count.insert().from_select(["pipeline", "day", "kind", "reason", "n"], groups)


_BY_REASON = _grouped(submission.c.reason)
_CONFIRMED = _grouped(sa.literal_column("''"), submission.c.ack == sa.literal_column("'confirmed'"))


def count_entered(tx: Transaction, ids: Sequence[int], state: State) -> None:
    """Count submissions that have entered ``state``, with the reasons that they have now."""
    if state in _ENTERED:
        tx.run(_BY_REASON, {"b_ids": ids, "b_day": _today(tx), "b_kind": state, "b_sign": 1})


def count_left(tx: Transaction, ids: Sequence[int], state: State) -> None:
    """Subtract settled submissions that are about to leave ``state``, and their confirmed acknowledgements."""
    if state in SETTLED:
        tx.run(_BY_REASON, {"b_ids": ids, "b_day": _today(tx), "b_kind": state, "b_sign": -1})
        count_unconfirmed(tx, ids)


def count_unconfirmed(tx: Transaction, ids: Sequence[int]) -> None:
    """Subtract the confirmed acknowledgements of submissions that are about to need another one."""
    if ids:
        tx.run(_CONFIRMED, {"b_ids": ids, "b_day": _today(tx), "b_kind": ACKNOWLEDGED, "b_sign": -1})


def count(tx: Transaction, name: str, kind: str, n: int) -> None:
    """Count ``n`` orders of a pipeline."""
    if n:
        tx.run(order_count.insert(), {"pipeline": name, "day": _today(tx), "kind": kind, "reason": "", "n": n})


def merge(tx: Transaction, name: str) -> None:
    """Replace the rows of a pipeline's last two days by their sums. Rows that another process merges are left out."""
    since = (tx.now - timedelta(days=1)).date().isoformat()
    rows = tx.run(
        sa.select(order_count)
        .where(order_count.c.pipeline == name, order_count.c.day >= since)
        .with_for_update(skip_locked=True)
    ).all()
    sums: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        sums[row.day, row.kind, row.reason] += row.n
    if len(rows) == len(sums):
        return
    tx.run(order_count.delete().where(among(order_count.c.id, "ids")), {"ids": [row.id for row in rows]})
    tx.many(
        order_count.insert(),
        [
            {"pipeline": name, "day": day, "kind": kind, "reason": reason, "n": n}
            for (day, kind, reason), n in sums.items()
            if n
        ],
    )


def _today(tx: Transaction) -> str:
    return tx.now.date().isoformat()
