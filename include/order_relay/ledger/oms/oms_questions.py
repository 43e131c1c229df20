"""Which imported orders to ask their destination (the OMS) about, and when.

Each imported order gets one row (``enrol``) and is asked about when it is ``due``. The answers (``oms_statuses``)
determine when it is due again, until it is finished. A notification of the destination is not an answer: it only makes
the order due at once (``make_due``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.predicates import unindexed
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes

COMMIT_TIME = timedelta(minutes=10)
"""Maximum time from the time stamp of an import to its commit; ``enrol`` looks back so far."""

_TIME = oms_status.c.due_at.type


@dataclass(frozen=True, slots=True)
class OmsQuestion:
    """An order to ask about. ``destination_key``: our id of the order there.

    ``reading`` and ``received``: as known so far. ``read_at``: the ledger's time (UTC) when the question was read.
    """

    submission_id: int
    oms_id: str
    destination_key: str
    order_number: str
    reading: str
    received: str
    read_at: datetime


class OmsQuestions(Repository):
    """Questions about imported orders."""

    def enrol(self, name: str, *, first_days: float, slice_size: int = 1_000) -> int:
        """Add rows for newly imported orders, due at once; returns their number. One transaction per slice.

        The first time, orders imported in the last ``first_days`` are added, later those imported since. Orders that
        were imported as shipped or cancelled are left out: nothing more is expected of them.
        """
        total, after = 0, None
        while True:
            number, after = self._enrol(name, first_days, slice_size, after)
            total += number
            if number < slice_size:
                return total

    @inserts
    def _enrol(
        self, tx: Transaction, name: str, first_days: float, limit: int, after: datetime | None
    ) -> tuple[int, datetime]:
        """Add rows for the next orders, from those imported at ``after``; returns their number and the last time."""
        row = tx.run(sa.select(pipeline.c.destination_account, pipeline.c.oms_to).where(pipeline.c.name == name)).one()
        since = after or (row.oms_to - COMMIT_TIME if row.oms_to else tx.now - timedelta(days=first_days))
        found = tx.run(_NEW.limit(limit), {"b_to": row.destination_account, "b_since": since, "b_name": name}).all()
        tx.many(oms_status.insert(), [_first_row(one.id, name, tx.now) for one in found])
        to: datetime = found[-1].imported_at if len(found) == limit else tx.now
        if row.oms_to is None or to > row.oms_to:
            tx.run(pipeline.update().where(pipeline.c.name == name).values(oms_to=to))
        return len(found), to

    @reads
    def due(self, tx: Transaction, name: str, limit: int, before: datetime | None = None) -> list[OmsQuestion]:
        """The orders of a pipeline to ask about now, the longest due first.

        ``before``: only what was due then; with the start of a run, no order is asked about twice in it.
        """
        until = tx.now if before is None else before
        mine = (oms_status.c.pipeline == name, oms_status.c.due_at <= until)
        first = sa.select(oms_status.c.submission_id, oms_status.c.due_at).where(*mine)
        chosen = first.order_by(oms_status.c.due_at, oms_status.c.submission_id).limit(limit).subquery()
        columns = [submission.c[one] for one in ("oms_id", "destination_key", "order_number")]
        query = (
            sa.select(chosen.c.submission_id, *columns, oms_status.c.reading, oms_status.c.received)
            .select_from(
                chosen.join(submission, submission.c.id == chosen.c.submission_id).join(
                    oms_status, oms_status.c.submission_id == chosen.c.submission_id
                )
            )
            .order_by(chosen.c.due_at, chosen.c.submission_id)
        )
        return [OmsQuestion(**row, read_at=tx.now) for row in tx.run(query).mappings()]

    @writes
    def make_due(self, tx: Transaction, destination: str, oms_id: str, key: str = "") -> int | None:
        """Ask about an order now, because its destination sent a notification; returns its submission.

        ``oms_id``: the order's id there; ``key``: our id of it, used if it has no such id. ``None``: no imported order
        of this destination account, or it is not enrolled yet and will be asked about anyway. A finished order is asked
        about once more.
        """
        number = _named(tx, destination, oms_id, key)
        if number is None:
            return None
        noted = (
            oms_status.update()
            .where(oms_status.c.submission_id == number)
            .values(due_at=tx.now, notified_at=tx.now, finished_at=None)
        )
        return number if tx.run(noted).rowcount else None


_NEW = (
    sa.select(submission.c.id, submission.c.imported_at)
    .where(
        submission.c.destination == sa.bindparam("b_to"),
        sa.text("submission.state = 'imported'"),
        submission.c.imported_at >= sa.bindparam("b_since", type_=_TIME),
        unindexed(submission.c.pipeline) == sa.bindparam("b_name"),
        submission.c.sent_as.not_in(("SHIPPED", "CANCELLED")),
        ~sa.exists().where(oms_status.c.submission_id == submission.c.id),
    )
    .order_by(submission.c.imported_at, submission.c.id)
)


def _first_row(number: int, name: str, now: datetime) -> dict[str, Any]:
    empty = {"received": "", "reading": "", "cancelled": "[]", "misses": 0, "problem": ""}
    return {"submission_id": number, "pipeline": name, **empty, "changed_at": now, "due_at": now}


def _named(tx: Transaction, destination: str, oms_id: str, key: str) -> int | None:
    """The imported submission of a destination account with this id there, or with our key."""
    ways = (
        (submission.c.oms_id == oms_id, unindexed(submission.c.destination) == destination) if oms_id else None,
        (submission.c.destination_key == key, submission.c.destination == destination) if key else None,
    )
    for where in filter(None, ways):
        imported = unindexed(submission.c.state) == State.IMPORTED
        number: int | None = tx.run(sa.select(submission.c.id).where(*where, imported).limit(1)).scalar()
        if number is not None:
            return number
    return None
