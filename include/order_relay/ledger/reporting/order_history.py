"""The history of one submission, bounded: what the order's page shows, in a few indexed queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from order_relay.ledger.fulfilment.status_merge import parcels_of
from order_relay.ledger.oms.oms_statuses import status_of
from order_relay.ledger.reporting.order_records import (
    ActionEntry,
    AttentionEntry,
    Excerpt,
    FeedGapEntry,
    LookupEntry,
    OrderFacts,
    OrderHistory,
    ParcelEntry,
    ParcelLine,
    PersonalTexts,
    RefusalEntry,
    SendAttempt,
    ServiceEvent,
    ServiceStatus,
    StateEvent,
    UnreadEntry,
    WriteBackStep,
)
from order_relay.ledger.schema.operator_tables import operator_action, order_attention
from order_relay.ledger.schema.shipment_tables import feed_gap, shipment, shipment_line
from order_relay.ledger.schema.source_tables import unread
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.status_tables import status_event, status_order
from order_relay.ledger.schema.tables import attempt, event, lookup, refusal, run, submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.store.text import load_json
from order_relay.orders.notes import notes_from_json

MAX_ROWS = 50
"""Maximum rows of each kind."""

_MAX_STATUSES = 5
_MAX_LINES = 10

T = TypeVar("T")


class OrderHistories(Repository):
    """Single submissions, by their id in the ledger."""

    @reads
    def by_id(self, tx: Transaction, number: int, pipelines: Collection[str] | None = None) -> OrderHistory | None:
        """The history of a submission without personal data; ``None`` if it is unknown or of another pipeline."""
        row = _submission(tx, number, pipelines)
        if row is None:
            return None
        order = OrderFacts(**{one.name: row[one.name] for one in fields(OrderFacts)})
        length, answered = sa.func.length(attempt.c.body), feedback.c.message != ""
        events = _newest(tx, StateEvent, event, number, event.c.id)
        attempts = _newest(tx, SendAttempt, attempt, number, attempt.c.number, answer_length=length)
        lookups = _newest(tx, LookupEntry, lookup, number, lookup.c.id)
        return OrderHistory(
            order=order,
            notes=tuple(notes_from_json(load_json(row["notes"], []))),
            checked_at=_checked_at(tx, number),
            events=events,
            actions=_newest(tx, ActionEntry, operator_action, number, operator_action.c.id),
            attempts=attempts,
            lookups=lookups,
            refusals=_refusals(tx, order),
            left_out=_newest(tx, FeedGapEntry, feed_gap, number, feed_gap.c.id),
            write_back=_newest(tx, WriteBackStep, feedback, number, feedback.c.at, answered=answered),
            parcels=_parcels(tx, number),
            statuses=_statuses(tx, number),
            unread=_unread(tx, order),
            attention=_attention(tx, number),
            runs=_runs(tx, order.pipeline, {one.run for part in (events, attempts, lookups) for one in part.rows}),
            oms=status_of(tx, number),
        )

    @reads
    def personal_texts(
        self, tx: Transaction, number: int, pipelines: Collection[str] | None = None
    ) -> PersonalTexts | None:
        """The personal data that ``by_id`` leaves out, of the same rows. Record first who reads it and why."""
        row = _submission(tx, number, pipelines)
        if row is None:
            return None
        bodies = sa.select(attempt.c.number, attempt.c.body, attempt.c.remark).where(attempt.c.submission_id == number)
        steps = sa.select(feedback.c.step, feedback.c.delivery, feedback.c.message).where(
            feedback.c.submission_id == number
        )
        events = (
            sa.select(*(status_event.c[name] for name in _EVENT_KEY), status_event.c.location, status_event.c.detail)
            .join(status_order, _SAME_ORDER)
            .where(status_order.c.submission_id == number)
            .limit(MAX_ROWS * _MAX_STATUSES)
        )
        return PersonalTexts(
            customer_number=row["customer_number"],
            customer_po=row["customer_po"],
            ack_message=row["ack_message"],
            answers={
                one.number: (one.body, one.remark)
                for one in tx.run(bodies.order_by(attempt.c.number.desc()).limit(MAX_ROWS))
            },
            write_back={
                (one.step, one.delivery): one.message
                for one in tx.run(steps.order_by(feedback.c.at).limit(MAX_ROWS))
                if one.message
            },
            events={
                (one.account, one.order_number, one.event_key, one.revision): (one.location, one.detail)
                for one in tx.run(events)
                if one.location or one.detail
            },
        )


_EVENT_KEY = ("account", "order_number", "event_key", "revision")
_SAME_ORDER = sa.and_(
    status_order.c.account == status_event.c.account, status_order.c.order_number == status_event.c.order_number
)


def _submission(tx: Transaction, number: int, pipelines: Collection[str] | None) -> Any:
    row = tx.run(sa.select(submission).where(submission.c.id == number)).mappings().one_or_none()
    return row if row is not None and (pipelines is None or row["pipeline"] in pipelines) else None


def _newest(
    tx: Transaction, kind: type[T], table: sa.Table, number: int, order: sa.ColumnElement[Any], **computed: Any
) -> Excerpt[T]:
    """The newest rows about a submission as records, whose fields are columns or ``computed``."""
    return _excerpt(tx, kind, table, table.c.submission_id == number, order, **computed)


def _excerpt(
    tx: Transaction,
    kind: type[Any],
    table: sa.Table,
    where: sa.ColumnElement[bool],
    order: sa.ColumnElement[Any],
    **computed: sa.ColumnElement[Any],
) -> Excerpt[Any]:
    names = [one.name for one in fields(kind)]
    columns = [computed[name].label(name) if name in computed else table.c[name] for name in names]
    rows = tx.run(sa.select(*columns).where(where).order_by(order.desc()).limit(MAX_ROWS + 1)).all()
    total = len(rows)
    if total > MAX_ROWS:
        total = tx.run(sa.select(sa.func.count()).select_from(table).where(where)).scalar_one()
    return Excerpt(tuple(kind(*row) for row in reversed(rows[:MAX_ROWS])), total)


def _checked_at(tx: Transaction, number: int) -> datetime | None:
    newest = sa.select(event.c.at).where(event.c.submission_id == number, event.c.to_state == State.READY)
    return tx.run(newest.order_by(event.c.id.desc()).limit(1)).scalar()


def _refusals(tx: Transaction, order: OrderFacts) -> Excerpt[RefusalEntry]:
    """The first refusals of the newest validation that refused the order."""
    mine = refusal.c.submission_id == order.id
    newest = tx.run(sa.select(sa.func.max(refusal.c.revision)).where(mine)).scalar()
    if newest is None:
        return Excerpt()
    where = sa.and_(mine, refusal.c.revision == newest)
    columns = [refusal.c[one.name] for one in fields(RefusalEntry)]
    rows = tx.run(sa.select(*columns).where(where).order_by(refusal.c.position).limit(MAX_ROWS)).mappings().all()
    total = tx.run(sa.select(sa.func.count()).select_from(refusal).where(where)).scalar_one()
    return Excerpt(tuple(RefusalEntry(**row) for row in rows), total)


def _parcels(tx: Transaction, number: int) -> Excerpt[ParcelEntry]:
    where = shipment.c.submission_id == number
    names = [one.name for one in fields(ParcelEntry) if one.name != "lines"]
    query = sa.select(*(shipment.c[name] for name in names)).where(where).order_by(shipment.c.id.desc())
    rows = list(reversed(tx.run(query.limit(MAX_ROWS)).mappings().all()))
    total = len(rows)
    if total == MAX_ROWS:
        total = tx.run(sa.select(sa.func.count()).select_from(shipment).where(where)).scalar_one()
    keys = {"ids": [row["id"] for row in rows]}
    of_these = among(shipment_line.c.shipment_id, "ids")
    counts = (
        sa.select(shipment_line.c.shipment_id, sa.func.count().label("total"))
        .where(of_these)
        .group_by(shipment_line.c.shipment_id)
    )
    totals: dict[int, int] = {row.shipment_id: row.total for row in tx.run(counts, keys)} if rows else {}
    lines: dict[int, list[ParcelLine]] = defaultdict(list)
    first = sa.select(shipment_line).where(of_these, shipment_line.c.position < _MAX_LINES)
    for line in tx.run(first.order_by(shipment_line.c.shipment_id, shipment_line.c.position), keys) if rows else ():
        lines[line.shipment_id].append(ParcelLine(line.line, line.item_number, line.quantity, line.odd))
    return Excerpt(
        tuple(
            ParcelEntry(**row, lines=Excerpt(tuple(lines[row["id"]]), totals.get(row["id"], 0)))  # the first ones
            for row in rows
        ),
        total,
    )


def _statuses(tx: Transaction, number: int) -> tuple[ServiceStatus, ...]:
    query = sa.select(status_order).where(status_order.c.submission_id == number).order_by(status_order.c.order_number)
    names = ("account", "order_number", "order_status", "detailed_status", "changed_at", "seen_at", "asks")
    return tuple(
        ServiceStatus(
            **{name: row[name] for name in names},
            parcels=tuple(parcels_of(row["parcels"])[:MAX_ROWS]),
            events=_service_events(tx, row["account"], row["order_number"]),
        )
        for row in tx.run(query.limit(_MAX_STATUSES)).mappings().all()
    )


def _service_events(tx: Transaction, account: str, order_number: str) -> Excerpt[ServiceEvent]:
    where = sa.and_(status_event.c.account == account, status_event.c.order_number == order_number)
    described = sa.or_(status_event.c.location != "", status_event.c.detail != "")
    happened = sa.func.coalesce(status_event.c.happened_at, status_event.c.updated_at, status_event.c.first_seen_at)
    return _excerpt(tx, ServiceEvent, status_event, where, happened, described=described)


def _unread(tx: Transaction, order: OrderFacts) -> UnreadEntry | None:
    columns = [unread.c[one.name] for one in fields(UnreadEntry)]
    mine = (unread.c.pipeline == order.pipeline, unread.c.source_id == order.source_id)
    row = tx.run(sa.select(*columns).where(*mine)).mappings().one_or_none()
    return None if row is None else UnreadEntry(**row)


def _attention(tx: Transaction, number: int) -> AttentionEntry | None:
    columns = [order_attention.c[one.name] for one in fields(AttentionEntry)]
    row = tx.run(sa.select(*columns).where(order_attention.c.submission_id == number)).mappings().one_or_none()
    return None if row is None else AttentionEntry(**row)


def _runs(tx: Transaction, pipeline: str, names: Collection[str]) -> frozenset[str]:
    query = sa.select(run.c.run).where(run.c.pipeline == pipeline, among(run.c.run, "names"))
    return frozenset(tx.run(query, {"names": sorted(names)}).scalars())
