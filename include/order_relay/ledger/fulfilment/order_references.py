"""Finds the order of a parcel. The order number decides; an id counts only if the number agrees or is missing.

Numbers are searched in indexed columns: as external id, order number, and OMS id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.fulfilment.feed_ids import feed_key, matches
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE, of_any_pipeline
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.fulfilment.feed_id import FeedId, parse_feed_id

_MOST = 50  # maximum submissions read for one number
_NAMES = (submission.c.destination_key, submission.c.order_number, submission.c.oms_id)
_SEEN = (submission.c.id, submission.c.state, submission.c.cancelled_at)
_OTHER = submission.alias("other")


@dataclass(frozen=True, slots=True)
class OrderMatch:
    """The order of a parcel. ``work`` is ``None`` if there is none, or if an operator must decide ``asks``."""

    work: WorkItem | None = None
    asks: str = ""


class OrderReferences(Repository):
    """Orders by the numbers that notices and operators use."""

    @reads
    def match(
        self, tx: Transaction, numbers: Iterable[str], given_id: str = "", pipelines: Collection[str] | None = None
    ) -> OrderMatch:
        """The order that a notice names, restricted to ``pipelines`` if given.

        ``given_id``: the feed id in the notice. An id without a valid check value (of another ledger or an older
        version) counts only together with the number.
        """
        given_numbers = list(dict.fromkeys(filter(None, numbers)))
        named = {number: candidates(tx, number, pipelines) for number in given_numbers}
        given = parse_feed_id(given_id)
        ours, proven = _of_id(tx, given) if given else (None, False)
        if ours is not None:
            return _with_id(tx, ours, proven=proven, named=named, pipelines=pipelines)
        if given_id and not given_numbers:
            return OrderMatch(asks="it names the order only by an id that this ledger did not issue")
        found = {number for ids in named.values() for number in ids}
        several = [number for number, ids in named.items() if len(ids) > 1]
        if several:
            return OrderMatch(asks=f"{len(named[several[0]])} orders have the number {several[0]}")
        if len(found) > 1:
            return OrderMatch(asks=f"its numbers belong to different orders: {', '.join(given_numbers)}")
        return OrderMatch(work_items(tx, found)[0] if found else None)

    @reads
    def named(self, tx: Transaction, term: str, pipelines: Collection[str] | None = None) -> list[WorkItem]:
        """The submissions that an operator's input identifies, also by the reference alone.

        Returns several if more than one webshop uses the reference.
        """
        return work_items(tx, candidates(tx, term, pipelines) or by_reference(tx, term, pipelines))

    @reads
    def has_number(self, tx: Transaction, number: str, pipelines: Collection[str] | None = None) -> bool:
        """Whether a submission, in any state, has exactly this order number."""
        column = submission.c.order_number
        found = tx.run(sa.select(submission.c.id).where(column == number, indexed(column, pipelines)).limit(1))
        return found.first() is not None


def _of_id(tx: Transaction, given: FeedId) -> tuple[WorkItem | None, bool]:
    """The order that an id refers to, and whether this ledger issued the id for that order."""
    claimed = next(iter(work_items(tx, [given.number])), None)
    if claimed is None or not given.check:
        return claimed, False
    return (claimed, True) if matches(feed_key(tx), given, claimed) else (None, False)


def _with_id(
    tx: Transaction, ours: WorkItem, *, proven: bool, named: dict[str, list[int]], pipelines: Collection[str] | None
) -> OrderMatch:
    if pipelines is not None and ours.pipeline not in pipelines:
        return OrderMatch(asks=f"its order belongs to the pipeline {ours.pipeline}, which is not in this feed")
    if not named:
        return (
            OrderMatch(ours)
            if proven
            else OrderMatch(
                asks="it names the order only by an id of an older version, which another ledger may also have issued"
            )
        )
    for number, ids in named.items():
        if not _carries(tx, ours.id, number):
            whose = "another order's" if ids else "unknown"
            return OrderMatch(
                asks=f"its number {number} is {whose}, but its OrderID belongs to order {ours.order_number}"
            )
    return OrderMatch(ours)


def _carries(tx: Transaction, id: int, number: str) -> bool:
    """Whether an order has this number, and no other one has it as its external id."""
    others = sa.exists().where(
        _OTHER.c.destination.in_(sa.select(pipeline.c.destination_account)),
        _OTHER.c.destination_key == number,
        _OTHER.c.id != id,
    )
    return (
        tx.run(
            sa.select(submission.c.id).where(
                submission.c.id == id,
                sa.or_(
                    submission.c.destination_key == number,
                    sa.and_(sa.or_(submission.c.order_number == number, submission.c.oms_id == number), ~others),
                ),
            )
        ).first()
        is not None
    )


def candidates(tx: Transaction, number: str, pipelines: Collection[str] | None = None) -> list[int]:
    """The submissions with this number; more than one only if they cannot be distinguished.

    Submissions that are or may be at the destination are preferred; superseded and discarded ones are ignored.
    """
    for column in _NAMES:
        rows = tx.run(
            sa.select(*_SEEN)
            .where(
                column == number,
                indexed(column, pipelines),
                submission.c.state.not_in([State.SUPERSEDED, State.DISCARDED]),
            )
            .limit(_MOST)
        ).all()
        if rows:
            # sorted here: with ORDER BY, a database might scan all orders by id
            return _preferred(sorted(rows, key=lambda row: row.id))
    return []


def by_reference(tx: Transaction, reference: str, pipelines: Collection[str] | None = None) -> list[int]:
    """The submissions of any webshop whose number ends in this reference; for operators only."""
    rows = tx.run(
        sa.select(*_SEEN, submission.c.order_number)
        .where(
            submission.c.reference == reference,
            sa.text("reference <> ''"),
            _of(pipelines),
            submission.c.state.not_in([State.SUPERSEDED, State.DISCARDED]),
        )
        .order_by(submission.c.id)
        .limit(_MOST)
    ).all()
    numbers = dict.fromkeys(row.order_number for row in rows)
    return [id for number in numbers for id in _preferred([row for row in rows if row.order_number == number])]


def indexed(column: sa.ColumnElement[Any], pipelines: Collection[str] | None = None) -> sa.ColumnElement[bool]:
    """A condition that is true of every submission (of ``pipelines``) and lets the column's index be used."""
    if column is submission.c.destination_key:
        return sa.and_(submission.c.destination.in_(sa.select(pipeline.c.destination_account)), _of(pipelines))
    if column is submission.c.oms_id:
        return _of(pipelines)
    if pipelines is None:
        return IN_ANY_PIPELINE
    return submission.c.pipeline.in_(sorted(pipelines))


def _of(pipelines: Collection[str] | None) -> sa.ColumnElement[bool]:
    """The submissions of ``pipelines``, by another index than that of the pipeline."""
    return sa.true() if pipelines is None else of_any_pipeline(pipelines)


def _preferred(rows: Sequence[Any]) -> list[int]:
    active = [row for row in rows if row.cancelled_at is None]
    stored = [row for row in active if row.state in AT_DESTINATION]
    return [row.id for row in stored or active or rows]
