"""Orders at fulfilment services: matching them to submissions, the follow-up of changes, and lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.fulfilment.status_history import add_orders
from order_relay.ledger.fulfilment.status_merge import parcels_of
from order_relay.ledger.schema.predicates import of_any_pipeline, unindexed
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.status_tables import status_account, status_event, status_order
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text, dump_json, load_json

MAX_ROWS = 10_000
"""Maximum orders in one list, and maximum orders handled in one call."""


@dataclass(frozen=True)
class OwnOrders:
    """The pipelines whose orders a service fulfils, and the ledger column that the service uses as order number."""

    pipelines: tuple[str, ...]
    column: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A matched order whose state changed: its parcels, and those that are already recorded as ``shipped``."""

    order_number: str
    submission_id: int
    parcels: tuple[tuple[str, str, datetime | None], ...]
    shipped: tuple[str, ...]
    asks: str


class Statuses(Repository):
    """Orders at fulfilment services, and the follow-up of their changes."""

    @reads
    def accounts(self, tx: Transaction) -> list[str]:
        """The names of the accounts that this ledger is bound to, sorted."""
        return list(tx.run(sa.select(status_account.c.name).order_by(status_account.c.name)).scalars())

    @writes
    def match(self, tx: Transaction, account: str, ours: OwnOrders, overdue_after_s: float, horizon_s: float) -> int:
        """Match the service's orders to submissions by number; returns the number of new rows and matches.

        An order imported more than ``overdue_after_s`` and at most ``horizon_s`` seconds ago that the service has never
        reported gets a row, so that it is requested by id.
        """
        column = submission.c[ours.column]
        mine = sa.or_(*(_of(tx, name, ours.column) for name in ours.pipelines))
        query = (
            sa.select(status_order.c.order_number, submission.c.id, submission.c.state, submission.c.cancelled_at)
            .join(submission, column == status_order.c.order_number)
            .where(
                unindexed(status_order.c.account) == account,
                status_order.c.submission_id.is_(None),
                mine,
                submission.c.state.not_in([State.SUPERSEDED, State.DISCARDED]),
            )
            .limit(MAX_ROWS)
        )
        candidates: dict[str, list[Any]] = defaultdict(list)
        for row in tx.run(query):
            candidates[row.order_number].append(row)
        chosen = {number: found for number, rows in candidates.items() if (found := _unambiguous(rows)) is not None}
        tx.many(
            status_order.update()
            .where(status_order.c.account == account, status_order.c.order_number == sa.bindparam("b_number"))
            .values(submission_id=sa.bindparam("b_id"), followed=False),
            [{"b_number": number, "b_id": found} for number, found in chosen.items()],
        )
        return len(chosen) + _expect(tx, account, ours, overdue_after_s, horizon_s)

    @reads
    def due_follow_ups(self, tx: Transaction, account: str, limit: int = 500) -> list[FollowUp]:
        """Matched orders that changed since their last follow-up."""
        query = (
            sa.select(status_order)
            .where(
                status_order.c.account == account,
                status_order.c.followed == sa.false(),
                status_order.c.submission_id.is_not(None),
            )
            .order_by(unindexed(status_order.c.order_number))  # by the index of what is due, not by number
            .limit(limit)
        )
        return [
            FollowUp(
                row["order_number"],
                row["submission_id"],
                tuple(parcels_of(row["parcels"])),
                tuple(load_json(row["told"], [])),
                row["asks"],
            )
            for row in tx.run(query).mappings()
        ]

    @writes
    def record_follow_up(
        self, tx: Transaction, account: str, done: FollowUp, shipped: Iterable[str], asks: str
    ) -> bool:
        """Record the follow-up of exactly this state; ``False`` if the order has changed since."""
        row = status_order.c
        changed = tx.run(
            status_order.update()
            .where(
                row.account == account,
                row.order_number == done.order_number,
                row.parcels == _same(tx, account, done),
            )
            .values({"followed": True, "told": dump_json(sorted(set(shipped))), "asks": clean_text(asks, 500)})
        ).rowcount
        return bool(changed)

    @writes
    def resolve_question(self, tx: Transaction, number: str) -> list[str]:
        """Close the open question about this order; returns its accounts.

        Raises ``IllegalTransitionError`` if there is none.
        """
        asked = (status_order.c.order_number == number) & (status_order.c.asks != "")
        accounts = list(tx.run(sa.select(status_order.c.account).where(asked)).scalars())
        if not accounts:
            raise IllegalTransitionError(f"there is no open question about the status of order {number!r}")
        tx.run(status_order.update().where(asked).values(asks=""))
        return accounts

    @reads
    def recent(
        self, tx: Transaction, *, unmatched: bool = False, asked: bool = False, most: int = 1_000
    ) -> list[dict[str, Any]]:
        """Orders with their derived state, latest change first.

        ``unmatched``: only orders without a submission. ``asked``: only orders with an open question.
        """
        query = (
            sa.select(status_order)
            .order_by(
                sa.desc(sa.func.coalesce(status_order.c.changed_at, status_order.c.seen_at)),
                status_order.c.order_number,
            )
            .limit(most)
        )
        if unmatched:
            query = query.where(status_order.c.submission_id.is_(None))
        if asked:
            query = query.where(status_order.c.asks != "")
        return [{**row, "parcels": parcels_of(row["parcels"])} for row in tx.run(query).mappings()]


def _unambiguous(rows: Sequence[Any]) -> int | None:
    """The submission to match, preferably one at the destination; ``None`` if several are equally suitable."""
    active = [row for row in rows if row.cancelled_at is None]
    found = [row for row in active if row.state in AT_DESTINATION] or active or rows
    return int(found[0].id) if len(found) == 1 else None


def _of(tx: Transaction, name: str, column: str) -> sa.ColumnElement[bool]:
    """The submissions of a pipeline, by expressions of the other table: SQLite would begin with all orders of it."""
    found = [submission.c.pipeline == sa.func.coalesce(name, status_order.c.account)]
    if column == submission.c.destination_key.name:  # unique per destination, and set only with one
        account = sa.select(pipeline.c.destination_account).where(pipeline.c.name == name)
        there = tx.run(account).scalar() or ""
        found.append(submission.c.destination == sa.func.coalesce(there, status_order.c.account))
    return sa.and_(*found)


def _expect(tx: Transaction, account: str, ours: OwnOrders, overdue_after_s: float, horizon_s: float) -> int:
    column = submission.c[ours.column]
    known = sa.exists().where(status_order.c.account == account, status_order.c.order_number == column)
    query = (
        sa.select(column, submission.c.id)
        .where(
            of_any_pipeline(ours.pipelines),
            # by the index of what was imported when, not by state
            submission.c.destination.in_(
                sa.select(pipeline.c.destination_account).where(pipeline.c.name.in_(ours.pipelines))
            ),
            submission.c.state == sa.literal_column("'imported'"),
            submission.c.imported_at <= tx.now - timedelta(seconds=overdue_after_s),
            submission.c.imported_at >= tx.now - timedelta(seconds=horizon_s),
            ~known,
            column.is_not(None),
        )
        .order_by(submission.c.id)
        .limit(MAX_ROWS)
    )
    silent = {row[0]: row.id for row in tx.run(query)}
    add_orders(tx, account, silent)
    return len(silent)


def _same(tx: Transaction, account: str, done: FollowUp) -> str | None:
    """The text of the column ``parcels``, locked, if it still equals the parcels that were followed up."""
    text = tx.run(
        sa.select(status_order.c.parcels)
        .where(status_order.c.account == account, status_order.c.order_number == done.order_number)
        .with_for_update()
    ).scalar()
    return text if text is not None and tuple(parcels_of(text)) == done.parcels else None


def statuses_of(tx: Transaction, ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """By submission: the service's orders matched to it, each with its ``events`` in order of time."""
    orders = (
        tx.run(
            sa.select(status_order)
            .where(among(status_order.c.submission_id, "ids"))
            .order_by(status_order.c.order_number),
            {"ids": list(ids)},
        )
        .mappings()
        .all()
    )
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for order in orders:
        events = tx.run(
            sa.select(status_event)
            .where(status_event.c.account == order["account"], status_event.c.order_number == order["order_number"])
            .order_by(
                sa.func.coalesce(status_event.c.happened_at, status_event.c.updated_at),
                status_event.c.event_key,
                status_event.c.revision,
            )
        ).mappings()
        found[order["submission_id"]].append(
            {
                **order,
                "parcels": parcels_of(order["parcels"]),
                "told": load_json(order["told"], []),
                "events": [dict(event) for event in events],
            }
        )
    return found
