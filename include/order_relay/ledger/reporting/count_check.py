"""The maintained counts of orders, and their comparison with the orders and their history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa

from order_relay.ledger.schema.order_counts import (
    ACKNOWLEDGED,
    ASSISTED,
    IMPORT_TIME,
    RECEIVED,
    SHIPPED,
    STOPS,
    order_count,
)
from order_relay.ledger.schema.predicates import unindexed
from order_relay.ledger.schema.states import SETTLED
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.migrations.versions.v0022_order_trends import (
    Rows,
    acknowledged,
    assisted,
    event,
    import_times,
    order,
    received,
    settled,
    shipped,
    stopped,
)

Counts = Counter[tuple[str, str]]
"""By kind or state, and reason."""

Where = list[sa.ColumnElement[bool]]

_FIRST, _LAST = sa.bindparam("b_first", type_=sa.BigInteger), sa.bindparam("b_last", type_=sa.BigInteger)
_THEIRS = sa.and_(event.c.submission_id > _FIRST, event.c.submission_id <= _LAST)
"""Events of the portion. With the ids of the orders alone, PostgreSQL may read all events."""


def _stopped(where: Where) -> Rows:
    return stopped(*where, _THEIRS)


COUNTED = (
    ((RECEIVED,), lambda where: received(*where)),
    (SETTLED, lambda where: settled(*where)),
    ((ACKNOWLEDGED,), lambda where: acknowledged(*where)),
    (STOPS, _stopped),
    ((SHIPPED,), lambda where: shipped(*where)),
    ((IMPORT_TIME,), lambda where: import_times(*where)),
    ((ASSISTED,), lambda where: assisted(*where, few=True)),
)
"""What is compared at a time: kinds, and the orders that they count. A kind without a definition is compared with the
first ones, so that its count must be zero."""


def maintained(tx: Transaction, name: str | None, which: sa.ColumnElement[bool]) -> Counts:
    """The sums of the maintained counts, by kind and reason."""
    where = [which] if name is None else [order_count.c.pipeline == name, which]
    query = (
        sa.select(order_count.c.kind, order_count.c.reason, sa.func.sum(order_count.c.n).label("n"))
        .where(*where)
        .group_by(order_count.c.kind, order_count.c.reason)
    )
    return Counter({(row.kind, row.reason): int(row.n) for row in tx.run(query)})


def wrong_counts(tx: Transaction, name: str | None, position: int, portion: int) -> Iterator[str]:
    """Where the maintained counts of ``COUNTED[position]`` differ from the orders.

    Orders change meanwhile, so the transaction is one snapshot; each statement reads at most ``portion`` submissions.
    """
    kinds, rows = COUNTED[position]
    others = [kind for place, (some, _) in enumerate(COUNTED) if place != position for kind in some]
    which = order_count.c.kind.in_(kinds) if position else order_count.c.kind.not_in(others)
    kept, actual = maintained(tx, name, which), Counts()
    where = [order.c.id > _FIRST, order.c.id <= _LAST]
    each = rows([*where, *([] if name is None else [unindexed(order.c.pipeline) == name])]).subquery("counted")
    groups = sa.select(each.c.kind, each.c.reason, sa.func.count().label("n")).group_by(each.c.kind, each.c.reason)
    newest = int(tx.run(sa.select(sa.func.max(submission.c.id))).scalar() or 0)
    for first in range(0, newest, portion):
        found = tx.run(groups, {"b_first": first, "b_last": first + portion})
        actual += Counter({(row.kind, row.reason): row.n for row in found})
    for key in sorted(kept.keys() | actual.keys()):
        if kept[key] != actual[key]:
            yield f"{' '.join(filter(None, key))}: {kept[key]}, counted {actual[key]}"
