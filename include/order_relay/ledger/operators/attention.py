"""Orders that need attention: by reason and age, who looks after them, and until when they are out of sight.

The costs depend on the number of open questions, and of those resolved lately, never on the history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.errors import ConfigurationError
from order_relay.ledger.operators.activity import NOTE, record_about
from order_relay.ledger.operators.attention_sources import (
    OF_LISTED_PIPELINES,
    STOPPED,
    AttentionRules,
    AttentionSource,
    is_snoozed,
    sources,
    with_marks,
)
from order_relay.ledger.operators.corrections import pending_corrections
from order_relay.ledger.operators.shown import ShownRevisions, lock_shown, shown_revision
from order_relay.ledger.schema.operator_tables import LEFT_OPERATOR, operator_action, order_attention
from order_relay.ledger.schema.shipment_tables import shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text

ASSIGN, SNOOZE, UNSNOOZE = "assign", "snooze", "unsnooze"
CORRECTION_WAITS = "A correction of earlier content waits for confirmation."
_INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_SUBMISSION = ("order_number", "source_id", "state", "total_minor", "currency", "revision", "attempt")
Position = tuple[datetime, int]
"""Where the next page begins: age and id of the last row."""


class AttentionGroup(NamedTuple):
    """Orders with one reason. ``kind``: see ``attention_sources.KINDS``; ``pipeline``: empty for unmatched parcels."""

    kind: str
    pipeline: str
    reason: str
    snoozed: bool
    number: int
    oldest: datetime


class AttentionOrder(NamedTuple):
    """One order of a group; ``id`` is ``None`` for a parcel that matches no order.

    ``shown``: the revision that an action must name. ``detail``: the question, if the reason does not name it.
    ``item``: identifies the row within its group.
    """

    item: int
    id: int | None
    shown: int
    kind: str
    pipeline: str
    reason: str
    since: datetime
    order_number: str
    source_id: str
    state: str
    total_minor: int | None
    currency: str
    detail: str
    assignee: str
    snoozed_until: datetime | None
    note: str = ""
    note_by: str = ""
    note_at: datetime | None = None

    @property
    def position(self) -> Position:
        """Where the next page begins."""
        return self.since, self.item


class ResolvedOrder(NamedTuple):
    """An order that left a state in which it needed attention; ``state``: its present one."""

    event_id: int
    id: int
    pipeline: str
    order_number: str
    source_id: str
    from_state: str
    state: str
    at: datetime
    who: str
    why: str


class Attention(Repository):
    """Orders that need attention."""

    @reads
    def groups(self, tx: Transaction, names: Collection[str], rules: AttentionRules) -> list[AttentionGroup]:
        """All groups of these pipelines, open and snoozed, the oldest first."""
        found = []
        for source in sources(rules, tx.now):
            # labels that no table has as a column: GROUP BY would mean the column
            labels = ("of_kind", "of_reason", "out_of_sight")
            keys = zip((source.kind, source.reason, is_snoozed(tx.now)), labels, strict=True)
            oldest = sa.func.min(source.since, type_=event.c.at.type).label("oldest")
            query = (
                sa.select(
                    submission.c.pipeline, *(key.label(name) for key, name in keys), sa.func.count().label("n"), oldest
                )
                .select_from(with_marks(source))
                .where(*source.where)
                .group_by(submission.c.pipeline, *labels)
            )
            for row in tx.run(query, {"names": sorted(names)}):
                key = (row.of_kind, row.pipeline or "", row.of_reason, bool(row.out_of_sight))
                found.append(AttentionGroup(*key, row.n, row.oldest))
        return sorted(found, key=lambda group: (group.oldest, group[:4]))

    @reads
    def page(
        self,
        tx: Transaction,
        names: Collection[str],
        rules: AttentionRules,
        group: AttentionGroup,
        *,
        limit: int,
        after: Position | None = None,
        assignee: str | None = None,
    ) -> list[AttentionOrder]:
        """Orders of a group (its number and age do not matter), the oldest first, with their newest notes.

        ``after``: the position of the last row of the page before. ``assignee``: only this operator's orders.
        """
        (source,) = sources(rules, tx.now, group.kind)
        item = shipment.c.id if source.tables.is_derived_from(shipment) else submission.c.id
        query = _of_group(tx, source, group).order_by(source.since, item).limit(limit)
        if after is not None:
            # one comparison: for an OR, SQLite would read all orders
            mark = sa.tuple_(
                *(sa.literal(value, column.type) for value, column in zip(after, (source.since, item), strict=True))
            )
            query = query.where(sa.tuple_(source.since, item) > mark)
        if assignee is not None:
            query = query.where(order_attention.c.assignee == assignee)
        found = [_order(row) for row in tx.run(query.add_columns(item.label("item")), _pipeline_of(group, names))]
        known = [one.id for one in found if one.id is not None]
        more: dict[int, dict[str, Any]] = defaultdict(dict, _notes(tx, known))
        if group.kind in STOPPED:
            for number in pending_corrections(tx, known):
                more[number]["detail"] = CORRECTION_WAITS
        return [one._replace(**more[one.id]) if one.id in more else one for one in found]

    @reads
    def ids_of(
        self, tx: Transaction, names: Collection[str], rules: AttentionRules, group: AttentionGroup, limit: int
    ) -> dict[int, int]:
        """The submissions of a group with the revisions that an action must name; at most ``limit``."""
        (source,) = sources(rules, tx.now, group.kind)
        query = _of_group(tx, source, group).where(submission.c.id.is_not(None)).limit(limit)
        rows = tx.run(query.order_by(source.since, submission.c.id), _pipeline_of(group, names))
        return {row.id: shown_revision(row) for row in rows}

    @reads
    def resolved(
        self, tx: Transaction, names: Collection[str], since: datetime, *, limit: int, before: Position | None = None
    ) -> list[ResolvedOrder]:
        """Orders that left a state that needs an operator, newest first, unless they are in such a state again.

        Of those that left *in doubt*, only those that an operator settled. ``before``: the last row of the page before.
        """
        still = sa.func.coalesce(submission.c.state, sa.literal_column("''"))
        settled = sa.or_(event.c.from_state != State.IN_DOUBT, event.c.why.startswith("settled,"))
        where: list[Any] = [
            sa.text(LEFT_OPERATOR),
            event.c.at >= since,
            settled,
            still.not_in([*STOPPED, State.IN_DOUBT]),
        ]
        if before is not None:
            at, last = before
            where.append(sa.or_(event.c.at < at, sa.and_(event.c.at == at, event.c.id < last)))
        columns = [submission.c[name] for name in ("id", "pipeline", "order_number", "source_id")]
        query = (
            sa.select(
                event.c.id, *columns, event.c.from_state, submission.c.state, event.c.at, event.c.who, event.c.why
            )
            .select_from(event.join(submission, submission.c.id == event.c.submission_id))
            .where(*where, event.c.to_state != event.c.from_state, OF_LISTED_PIPELINES)
            .order_by(event.c.at.desc(), event.c.id.desc())
            .limit(limit)
        )
        return [ResolvedOrder(*tuple(row)) for row in tx.run(query, {"names": sorted(names)})]

    @writes
    def assign(self, tx: Transaction, shown: ShownRevisions, assignee: str, who: str, why: str = "") -> int:
        """Make somebody responsible for these orders, or nobody (empty); returns their number.

        Raises ``ConcurrentUpdateError`` if one has changed since it was shown.
        """
        rows = lock_shown(tx, shown, "pipeline")
        name = clean_text(assignee.strip(), 200)
        _mark(tx, rows, lambda _: {"assignee": name})
        targets = ((row.id, row.pipeline) for row in rows)
        return record_about(tx, targets, who=who, action=ASSIGN, why=why, details={"assignee": name})

    @writes
    def snooze(self, tx: Transaction, shown: ShownRevisions, until: datetime, who: str, why: str) -> int:
        """Put these orders out of sight until a time, or until their content or state changes; returns their number.

        Raises ``ConfigurationError`` for a time in the past and ``ConcurrentUpdateError`` if one has changed since it
        was shown.
        """
        if until <= tx.now:
            raise ConfigurationError(f"{until:%Y-%m-%d %H:%M} UTC is in the past; give a later time")
        rows = lock_shown(tx, shown, "pipeline", "changed_at", "content_hash", "offered")
        _mark(
            tx,
            rows,
            lambda row: {
                "snoozed_until": until,
                "seen_changed_at": row.changed_at,
                "seen_content": row.content_hash,
                "seen_offered": row.offered is not None,
            },
        )
        targets = ((row.id, row.pipeline) for row in rows)
        return record_about(tx, targets, who=who, action=SNOOZE, why=why, details={"until": until})

    @writes
    def unsnooze(self, tx: Transaction, shown: ShownRevisions, who: str, why: str = "") -> int:
        """Show these orders again; returns their number. Raises ``ConcurrentUpdateError`` as ``snooze``."""
        rows = lock_shown(tx, shown, "pipeline")
        _mark(tx, rows, lambda _: {"snoozed_until": None})
        return record_about(tx, ((row.id, row.pipeline) for row in rows), who=who, action=UNSNOOZE, why=why)


def _of_group(tx: Transaction, source: AttentionSource, group: AttentionGroup) -> sa.Select[Any]:
    """The orders of a group; its pipeline is bound as ``names``."""
    return (
        sa.select(
            submission.c.id,
            *(submission.c[name] for name in _SUBMISSION),
            submission.c.pipeline,
            source.kind.label("kind"),
            source.reason.label("reason"),
            source.since.label("since"),
            source.detail.label("detail"),
            order_attention.c.assignee,
            order_attention.c.snoozed_until,
        )
        .select_from(with_marks(source))
        .where(*source.where, source.reason == group.reason, is_snoozed(tx.now) == int(group.snoozed))
    )


def _pipeline_of(group: AttentionGroup, names: Collection[str]) -> dict[str, list[str]]:
    return {"names": [group.pipeline] if group.pipeline in names else []}


def _order(row: Any) -> AttentionOrder:
    known = row.id is not None
    return AttentionOrder(
        item=row.item,
        id=row.id,
        shown=shown_revision(row) if known else 0,
        kind=row.kind,
        pipeline=row.pipeline or "",
        reason=row.reason,
        since=row.since,
        order_number=row.order_number or "",
        source_id=row.source_id or "",
        state=row.state or "",
        total_minor=row.total_minor,
        currency=row.currency or "",
        detail=row.detail,
        assignee=row.assignee or "",
        snoozed_until=row.snoozed_until,
    )


def _notes(tx: Transaction, ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The newest note of each of these submissions."""
    newest = (
        sa.select(sa.func.max(operator_action.c.id))
        .where(among(operator_action.c.submission_id, "ids"), operator_action.c.action == NOTE)
        .group_by(operator_action.c.submission_id)
    )
    rows = tx.run(sa.select(operator_action).where(operator_action.c.id.in_(newest)), {"ids": list(ids)})
    return {row.submission_id: {"note": row.why, "note_by": row.who, "note_at": row.at} for row in rows}


def _mark(tx: Transaction, rows: Iterable[Any], values: Callable[[Any], dict[str, Any]]) -> None:
    """Write these columns of ``order_attention`` for each locked submission."""
    for row in rows:
        columns = values(row)
        blank = {"submission_id": row.id, "assignee": "", "seen_content": "", "seen_offered": False}
        insert = _INSERT[tx.conn.dialect.name](order_attention).values(blank | columns)
        tx.run(insert.on_conflict_do_update(index_elements=["submission_id"], set_=columns))
