"""Imports of the past: their slices, which run works on one, and what became of the orders.

A slice (a day, or a file) is done as a whole. The run that works on it has a lease, so that two runs do not do the same
work; that no order is imported twice is ensured by the submissions, not by the lease. A slice whose run died is taken
over by the next try of the same run at once, by other runs when its lease has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.source_tables import history_import, history_slice
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.runs import require_pipeline
from order_relay.orders.messages import RunContext

LEASE = timedelta(minutes=10)
"""How long a slice belongs to a run that does not renew its lease."""

OPEN, RUNNING, DONE = "open", "running", "done"

EARLIER = "imported_before"
"""Count of orders that were imported before the import began, by an ordinary run or an earlier import."""


@dataclass(frozen=True, slots=True)
class HistoryRange:
    """What an import reads: [start, end) in UTC; without them, the files that were delivered."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class HistorySlice:
    """A part of an import. ``name``: the day, or which orders of a file. ``orders``: that were read, once done."""

    number: int
    name: str
    start: datetime | None = None
    end: datetime | None = None
    state: str = OPEN
    owner: str = ""
    lease_until: datetime | None = None
    tries: int = 0
    orders: int = 0


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """How far an import got. ``counts``: the orders that it read by their present state, each once. Times are in UTC.

    ``current``: a slice that is being imported, or empty. ``read``: orders in the finished slices; neighbouring ones
    may have some in common.
    """

    id: int
    pipeline: str
    range: HistoryRange
    run: str
    who: str
    began_at: datetime
    ended_at: datetime | None
    slices: int
    done: int
    current: str
    read: int
    counts: Mapping[str, int]

    @property
    def orders(self) -> int:
        """The number of orders that were read."""
        return sum(self.counts.values())


class HistoryImports(Repository):
    """Imports of orders of the past, and their slices."""

    @writes
    def begin(
        self, tx: Transaction, ctx: RunContext, what: HistoryRange, slices: Sequence[HistorySlice], *, again: bool
    ) -> int:
        """Continue the newest import of this range, or begin one with these slices; returns its id.

        Slices that the continued import does not have (files that were delivered since) are added. ``again``: begin
        another one, unless the same run did so before.
        """
        require_pipeline(tx, ctx.pipeline, lock=True)
        known = tx.run(
            sa.select(history_import)
            .where(
                history_import.c.pipeline == ctx.pipeline,
                history_import.c.range_start.is_not_distinct_from(what.start),
                history_import.c.range_end.is_not_distinct_from(what.end),
            )
            .order_by(history_import.c.id.desc())
            .limit(1)
        ).one_or_none()
        if known is None or (again and known.run != ctx.run):
            row = {
                "pipeline": ctx.pipeline,
                "range_start": what.start,
                "range_end": what.end,
                "run": ctx.run,
                "who": clean_text(ctx.who, 200),
                "began_at": tx.now,
                "ended_at": None,
            }
            number = int(tx.run(history_import.insert().returning(history_import.c.id), row).scalar_one())
            _add(tx, number, 0, slices)
            return number
        present = tx.run(
            sa.select(history_slice.c.name, history_slice.c.number).where(history_slice.c.import_id == known.id)
        ).all()
        names = {row.name for row in present}
        added = [one for one in slices if one.name not in names]
        _add(tx, known.id, max((row.number for row in present), default=-1) + 1, added)
        changes = {"run": ctx.run} | ({"ended_at": None} if added else {})
        tx.run(history_import.update().where(history_import.c.id == known.id), changes)
        return int(known.id)

    @writes
    def claim(self, tx: Transaction, ctx: RunContext, number: int, held: Sequence[int] = ()) -> HistorySlice | None:
        """The next slice that no other run works on, leased to this run; ``None`` if there is none.

        ``held``: the slices that this run has begun, which are left out.
        """
        free = sa.or_(
            history_slice.c.state == OPEN,
            sa.and_(
                history_slice.c.state == RUNNING,
                sa.or_(history_slice.c.owner == ctx.run, history_slice.c.lease_until <= tx.now),
            ),
        )
        row = tx.run(
            sa.select(history_slice)
            .where(
                history_slice.c.import_id == number,
                history_slice.c.number.not_in(held),
                free,
            )
            .order_by(history_slice.c.number)
            .limit(1)
            .with_for_update()
        ).one_or_none()
        if row is None:
            return None
        changes = {
            "state": RUNNING,
            "owner": ctx.run,
            "lease_until": tx.now + LEASE,
            "tries": row.tries + 1,
            "began_at": row.began_at or tx.now,
        }
        tx.run(_one(number, row.number), changes)
        return _slice(row, state=RUNNING, owner=ctx.run, lease_until=tx.now + LEASE, tries=row.tries + 1)

    @writes
    def renew(self, tx: Transaction, ctx: RunContext, number: int, of: int) -> None:
        """Extend the lease of a slice that this run works on."""
        tx.run(_one(number, of).where(history_slice.c.owner == ctx.run), {"lease_until": tx.now + LEASE})

    @writes
    def release(self, tx: Transaction, ctx: RunContext, number: int, of: int) -> None:
        """Give back a slice that this run began and no longer works on."""
        mine = _one(number, of).where(history_slice.c.owner == ctx.run, history_slice.c.state == RUNNING)
        tx.run(mine, {"state": OPEN, "owner": "", "lease_until": None})

    @writes
    def finish(self, tx: Transaction, ctx: RunContext, number: int, of: int, orders: int) -> None:
        """Mark a slice as done; the import has ended with its last one."""
        done = {"state": DONE, "owner": ctx.run, "lease_until": None, "ended_at": tx.now, "orders": orders}
        tx.run(_one(number, of), done)
        left = sa.select(sa.func.count()).where(history_slice.c.import_id == number, history_slice.c.state != DONE)
        if not tx.run(left).scalar_one():
            tx.run(history_import.update().where(history_import.c.id == number), {"ended_at": tx.now})

    @reads
    def unfinished(self, tx: Transaction, number: int) -> list[HistorySlice]:
        """The slices that are not done, in order."""
        query = sa.select(history_slice).where(history_slice.c.import_id == number, history_slice.c.state != DONE)
        return [_slice(row) for row in tx.run(query.order_by(history_slice.c.number))]

    @reads
    def is_left(self, tx: Transaction, number: int, beginning: str) -> bool:
        """Whether a slice is not done whose name begins like this."""
        query = sa.select(history_slice.c.number).where(
            history_slice.c.import_id == number,
            history_slice.c.state != DONE,
            history_slice.c.name.startswith(beginning, autoescape=True),
        )
        return tx.run(query.limit(1)).one_or_none() is not None

    @reads
    def progress(self, tx: Transaction, number: int, *, counted: bool = True) -> HistoryProgress:
        """How far an import got. ``counted=False``: without ``counts``, which cost more the more orders there are."""
        row = tx.run(sa.select(history_import).where(history_import.c.id == number)).one()
        return _progress(tx, row, counted=counted)

    @reads
    def latest(
        self, tx: Transaction, names: Sequence[str], most: int = 20, *, counted: bool = True
    ) -> list[HistoryProgress]:
        """The newest imports of these pipelines, at most ``most`` of each, newest first.

        ``counted=False``: as in ``progress``.
        """
        rows = [
            row
            for name in names
            for row in tx.run(
                sa.select(history_import)
                .where(history_import.c.pipeline == name)
                .order_by(history_import.c.id.desc())
                .limit(most)
            )
        ]
        return [_progress(tx, row, counted=counted) for row in sorted(rows, key=lambda row: row.id, reverse=True)]


_COUNTS = (
    sa.select(
        submission.c.state,
        sa.and_(submission.c.state == State.IMPORTED, submission.c.imported_at < sa.bindparam("began")).label("before"),
        sa.func.count().label("orders"),
    )
    .where(submission.c.history_import == sa.bindparam("number"))
    .group_by(submission.c.state, sa.text("before"))
)

_SLICES = sa.select(
    sa.func.count().label("slices"),
    sa.func.coalesce(sa.func.sum(sa.case((history_slice.c.state == DONE, 1), else_=0)), 0).label("done"),
    sa.func.min(sa.case((history_slice.c.state == RUNNING, history_slice.c.name))).label("current"),
    sa.func.coalesce(sa.func.sum(history_slice.c.orders), 0).label("orders"),
).where(history_slice.c.import_id == sa.bindparam("number"))


def _add(tx: Transaction, number: int, first: int, slices: Sequence[HistorySlice]) -> None:
    tx.many(
        history_slice.insert(),
        [
            {
                "import_id": number,
                "number": at,
                "name": clean_text(one.name, 300),
                "slice_start": one.start,
                "slice_end": one.end,
                "state": OPEN,
                "owner": "",
                "lease_until": None,
                "tries": 0,
                "began_at": None,
                "ended_at": None,
                "orders": 0,
            }
            for at, one in enumerate(slices, first)
        ],
    )


def _one(number: int, of: int) -> sa.Update:
    return history_slice.update().where(history_slice.c.import_id == number, history_slice.c.number == of)


def _slice(row: Any, **changes: Any) -> HistorySlice:
    values = {
        "number": row.number,
        "name": row.name,
        "start": row.slice_start,
        "end": row.slice_end,
        "state": row.state,
        "owner": row.owner,
        "lease_until": row.lease_until,
        "tries": row.tries,
        "orders": row.orders,
    }
    return HistorySlice(**{**values, **changes})


def _progress(tx: Transaction, row: Any, *, counted: bool = True) -> HistoryProgress:
    slices = tx.run(_SLICES, {"number": row.id}).one()
    rows = tx.run(_COUNTS, {"number": row.id, "began": row.began_at}) if counted else ()
    counts = {EARLIER if found.before else str(found.state): int(found.orders) for found in rows}
    return HistoryProgress(
        row.id,
        row.pipeline,
        HistoryRange(row.range_start, row.range_end),
        row.run,
        row.who,
        row.began_at,
        row.ended_at,
        int(slices.slices),
        int(slices.done),
        str(slices.current or ""),
        int(slices.orders),
        counts,
    )
