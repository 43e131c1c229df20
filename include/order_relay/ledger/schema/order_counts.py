"""Counts of orders, maintained in the transactions that change them, so that reading a count never counts the past.

Each transaction appends rows and changes none, so that processes never wait for each other here. The end of a run
merges the rows of its last two days, and the hours of days that are older than ``DAYS_BY_HOUR`` (``merge``).
``Accounting.invariant_violations`` compares the sums with the orders. The newest migration of the table defines what is
counted (``v0022_order_trends``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from order_relay.ledger.schema.states import SETTLED, State
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.migrations.versions.v0022_order_trends import (
    BY_HOUR,
    DAYS_BY_HOUR,
    Rows,
    acknowledged,
    assisted,
    import_times,
    order,
    rows,
    settled,
)

order_count = sa.Table(
    "order_count",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("day", sa.Text, nullable=False),  # UTC, such as 2026-05-31
    sa.Column("kind", sa.Text, nullable=False),  # a state that was entered, or one of the kinds below
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),  # negative for orders that left it
    sa.Column("hour", sa.Integer),  # UTC, 0 to 23; null for the sums of older days
    sa.Index("ix_order_count_day", "pipeline", "day"),
    sa.Index(
        "ix_order_count_hour", "pipeline", "day", sqlite_where=sa.text(BY_HOUR), postgresql_where=sa.text(BY_HOUR)
    ),
)

RECEIVED = "received"
"""Kind: submissions that were received. An entry in the state ``received`` is not counted."""

ACKNOWLEDGED = "acknowledged"
"""Kind: acknowledgements that were confirmed."""

SHIPPED = "shipped"
"""Kind: orders whose lines have all left the warehouse."""

IMPORT_TIME = "import_time"
"""Kind: imported orders by time from submission to import; the reason is an upper bound in seconds."""

ASSISTED = "assisted"
"""Kind: imported and discarded orders that needed an operator."""

CURRENT = (*SETTLED, ACKNOWLEDGED)
"""The kinds whose sum over all days is the present number of orders of ``Accounting.counts``. Open orders are few, and
are counted where they are (``ix_submission_state``)."""

STOPS = (State.QUARANTINED, State.REJECTED, State.HELD, State.IN_DOUBT)
"""Open states whose entries are counted, without their reasons. An order may enter one more than once."""


def _counting(*parts: Rows) -> sa.Insert:
    """Append the numbers of these rows."""
    each = sa.union_all(*parts).subquery()
    number = sa.func.count() * sa.bindparam("b_sign", type_=sa.BigInteger)
    day, hour = sa.bindparam("b_day", type_=sa.Text), sa.bindparam("b_hour", type_=sa.Integer)
    groups = sa.select(each.c.pipeline, day, hour, each.c.kind, each.c.reason, number)
    groups = groups.group_by(each.c.pipeline, each.c.kind, each.c.reason)
    return order_count.insert().from_select(["pipeline", "day", "hour", "kind", "reason", "n"], groups)


_THESE = among(order.c.id, "b_ids")
_ASSISTED = assisted(_THESE, few=True)
_STOPPED = _counting(rows(order.c.changed_at, order.c.state, _THESE))
_SETTLED = _counting(settled(_THESE))
_ENTERED = {
    **dict.fromkeys(STOPS, _STOPPED),
    State.SUPERSEDED: _SETTLED,
    State.DISCARDED: _counting(settled(_THESE), _ASSISTED),
    State.IMPORTED: _counting(settled(_THESE), _ASSISTED, import_times(_THESE)),
}
_CONFIRMED = _counting(acknowledged(_THESE))


def count_entered(tx: Transaction, ids: Sequence[int], state: State) -> None:
    """Count submissions that have entered ``state``: their rows and events are written."""
    if state in _ENTERED:
        tx.run(_ENTERED[state], {"b_ids": ids, **_at(tx), "b_sign": 1})


def count_left(tx: Transaction, ids: Sequence[int], state: State) -> None:
    """Subtract settled submissions that are about to leave ``state``, and their confirmed acknowledgements."""
    if state in SETTLED:
        tx.run(_SETTLED, {"b_ids": ids, **_at(tx), "b_sign": -1})
        count_unconfirmed(tx, ids)


def count_unconfirmed(tx: Transaction, ids: Sequence[int]) -> None:
    """Subtract the confirmed acknowledgements of submissions that are about to need another one."""
    if ids:
        tx.run(_CONFIRMED, {"b_ids": ids, **_at(tx), "b_sign": -1})


def count(tx: Transaction, name: str, kind: str, n: int) -> None:
    """Count ``n`` orders of a pipeline."""
    if n:
        now = _at(tx)
        place = {"pipeline": name, "day": now["b_day"], "hour": now["b_hour"]}
        tx.run(order_count.insert(), {**place, "kind": kind, "reason": "", "n": n})


def merge(tx: Transaction, name: str) -> None:
    """Replace rows of a pipeline by their sums: by hour of the last two days, and by day what is older than
    ``DAYS_BY_HOUR``. Rows that another process merges are left out."""
    since, before = ((tx.now - timedelta(days=days)).date().isoformat() for days in (1, DAYS_BY_HOUR))
    _merge(tx, name, order_count.c.day >= since)
    _merge(tx, name, sa.and_(sa.text(BY_HOUR), order_count.c.day < before), by_hour=False)


def _merge(tx: Transaction, name: str, which: sa.ColumnElement[bool], *, by_hour: bool = True) -> None:
    chosen = sa.select(order_count).where(order_count.c.pipeline == name, which)
    found = tx.run(chosen.with_for_update(skip_locked=True)).all()
    sums: Counter[tuple[str, int | None, str, str]] = Counter()
    for row in found:
        sums[row.day, row.hour if by_hour else None, row.kind, row.reason] += row.n
    if len(found) == len(sums) and by_hour:
        return
    tx.run(order_count.delete().where(among(order_count.c.id, "ids")), {"ids": [row.id for row in found]})
    tx.many(
        order_count.insert(),
        [
            {"pipeline": name, "day": day, "hour": hour, "kind": kind, "reason": reason, "n": n}
            for (day, hour, kind, reason), n in sums.items()
            if n
        ],
    )


def _at(tx: Transaction) -> dict[str, str | int]:
    return {"b_day": tx.now.date().isoformat(), "b_hour": tx.now.hour}
