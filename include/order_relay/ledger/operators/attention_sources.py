"""Where the orders that need attention come from, each as a query over what is open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.ledger.schema.operator_tables import order_attention
from order_relay.ledger.schema.shipment_tables import shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.status_tables import ASKED, status_order
from order_relay.ledger.schema.tables import attempt, submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.write_back.cancellations import UNDECIDED

STOPPED = (State.QUARANTINED, State.REJECTED, State.HELD)
WRITE_BACK, CANCELLED, STATUS, PARCEL = "write_back", "cancelled", "status", "parcel"
"""Kinds of attention besides the states: a write-back step that failed for good, an imported order that its source
cancelled, a status and a parcel about which an operator must decide."""

KINDS = (*map(str, STOPPED), str(State.IN_DOUBT), WRITE_BACK, CANCELLED, STATUS, PARCEL)
"""All kinds of attention, the most urgent ones first."""


@dataclass(frozen=True)
class AttentionRules:
    """When an order in doubt needs an operator.

    ``tell_after_s``: seconds after it was sent, by pipeline (none: at once); at once also for one of the
    ``doubt_reasons``, which lookups cannot settle.
    """

    tell_after_s: Mapping[str, float] = field(default_factory=dict)
    doubt_reasons: Collection[str] = ()


class AttentionSource(NamedTuple):
    """The tables and conditions of one kind, and its columns ``kind``, ``reason``, ``since`` and ``detail``."""

    tables: Any
    where: tuple[Any, ...]
    kind: Any
    reason: Any
    since: Any
    detail: Any


_NO_TEXT: Any = sa.literal_column("''")
_TIME = submission.c.changed_at.type

_OF_PIPELINES = among(submission.c.pipeline, "names")
"""The submissions of the pipelines bound as ``names``, by index."""

OF_LISTED_PIPELINES = among(sa.func.coalesce(submission.c.pipeline, _NO_TEXT, type_=sa.Text), "names")
"""The same for submissions that other conditions find: an expression, else a database would read all of them."""

_WAITING_PARCEL = sa.and_(
    shipment.c.closed == _NO_TEXT, sa.or_(shipment.c.submission_id.is_(None), shipment.c.asks != _NO_TEXT)
)


def sources(rules: AttentionRules, now: datetime, kind: str = "") -> Iterator[AttentionSource]:
    """All sources, or the one of a kind. Their queries need the pipelines as ``names``."""
    if kind in {"", *STOPPED}:
        states = STOPPED if not kind else (State(kind),)
        yield AttentionSource(
            submission,
            (_OF_PIPELINES, submission.c.state.in_(states)),
            submission.c.state,
            submission.c.reason,
            submission.c.changed_at,
            _NO_TEXT,
        )
    if kind in {"", State.IN_DOUBT}:
        yield _in_doubt(rules, now)
    yield from (source for source in _AFTER_IMPORT if kind in {"", source.kind.value})


def _in_doubt(rules: AttentionRules, now: datetime) -> AttentionSource:
    sent = sa.and_(attempt.c.submission_id == submission.c.id, attempt.c.number == submission.c.attempt)
    limits = [
        sa.and_(submission.c.pipeline == name, attempt.c.sent_at <= now - timedelta(seconds=seconds))
        for name, seconds in rules.tell_after_s.items()
    ]
    others = submission.c.pipeline.not_in(list(rules.tell_after_s))
    due = sa.or_(submission.c.reason.in_(list(rules.doubt_reasons)), others, *limits)
    return AttentionSource(
        submission.join(attempt, sent),
        (_OF_PIPELINES, submission.c.state == State.IN_DOUBT, due),
        submission.c.state,
        submission.c.reason,
        attempt.c.sent_at,
        _NO_TEXT,
    )


def _kind(name: str) -> Any:
    return sa.literal(name, sa.Text)


_AFTER_IMPORT = (
    AttentionSource(
        feedback.join(submission, submission.c.id == feedback.c.submission_id),
        (OF_LISTED_PIPELINES, feedback.c.state == sa.literal_column("'failed'")),
        _kind(WRITE_BACK),
        feedback.c.step,
        feedback.c.at,
        feedback.c.message,
    ),
    AttentionSource(
        submission,
        (_OF_PIPELINES, UNDECIDED, submission.c.id > 0),
        _kind(CANCELLED),
        _NO_TEXT,
        submission.c.source_cancelled_at,
        _NO_TEXT,
    ),
    AttentionSource(
        status_order.join(submission, submission.c.id == status_order.c.submission_id),
        (OF_LISTED_PIPELINES, ASKED),
        _kind(STATUS),
        status_order.c.order_status,
        sa.func.coalesce(status_order.c.changed_at, status_order.c.seen_at, type_=_TIME),
        status_order.c.asks,
    ),
    AttentionSource(
        shipment.outerjoin(submission, submission.c.id == shipment.c.submission_id),
        (sa.or_(shipment.c.submission_id.is_(None), OF_LISTED_PIPELINES), _WAITING_PARCEL, shipment.c.id > 0),
        _kind(PARCEL),
        sa.case((shipment.c.submission_id.is_(None), sa.literal("unmatched")), else_=sa.literal("asked")),
        shipment.c.recorded_at,
        shipment.c.asks,
    ),
)


def is_snoozed(now: datetime) -> sa.ColumnElement[int]:
    """1 for an order that is out of sight, else 0: its time is not over, and it is as it was when it was snoozed."""
    mark = order_attention.c
    same = (mark.seen_changed_at == submission.c.changed_at, mark.seen_content == submission.c.content_hash)
    offered = sa.or_(mark.seen_offered, submission.c.offered.is_(None))
    return sa.case((sa.and_(mark.snoozed_until > now, *same, offered), 1), else_=0)


def with_marks(source: AttentionSource) -> Any:
    """The tables of a source, with the marks of operators."""
    return source.tables.outerjoin(order_attention, order_attention.c.submission_id == submission.c.id)
