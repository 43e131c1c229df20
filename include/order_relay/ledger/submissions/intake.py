"""Intake of a closed batch by the redelivery table, in one transaction.

``orders.decisions.redelivery.decide_redeliveries`` (pure) decides about each offer; this module reads the known
submissions and writes the decisions. It locks the pipeline's row, so that two batches of a pipeline are received one
after the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from order_relay.iteration import batched
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.records import BatchInfo
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import batch, submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.store.text import dump_json, load_json
from order_relay.ledger.submissions.revisions import content_columns, insert_submissions, new_edition
from order_relay.ledger.submissions.runs import advance_watermark, require_pipeline
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition, update
from order_relay.ledger.submissions.unread_orders import problems_by_id, record_reads
from order_relay.ledger.submissions.worklist import resume_waiting
from order_relay.orders.decisions.redelivery import (
    KNOWN_COLUMNS,
    RESULT_COLUMNS,
    RedeliveryAction,
    decide_redeliveries,
    known_frame,
)
from order_relay.orders.messages import RunContext
from order_relay.orders.privacy.redaction_marks import CARD_DATA_REMOVED

if TYPE_CHECKING:
    import pandas as pd

SLICE = 1_000
"""Maximum rows written together: a batch is one transaction, but its rows are built in parts to save memory."""

Pairs = Sequence[tuple[Any, dict[str, Any] | None]]
"""The newest edition of a source id in the ledger (or none), and the offered content (or none)."""

_NEEDED = (*(name for name in KNOWN_COLUMNS if name != "state"), "history", "ack", "offered", "decided")
HELD_FOR_CONTENT = frozenset({CARD_DATA_REMOVED})
"""Reasons of ``held`` that only concern the order's own content, which its source may correct. All other reasons are
about versions, identities or other orders; changed content does not resolve them."""
_MAY_BE_HELD = (State.RECEIVED, State.WAITING, State.READY, State.SUPERSEDED, State.QUARANTINED, State.REJECTED)


class Intake(Repository):
    """Orders as their source offers them."""

    @writes
    def receive(
        self, tx: Transaction, ctx: RunContext, info: BatchInfo, offers: pd.DataFrame | None, transform_fingerprint: str
    ) -> dict[str, int]:
        """See the function ``receive``."""
        return receive(tx, ctx, info, offers, transform_fingerprint)


def receive(
    tx: Transaction, ctx: RunContext, info: BatchInfo, offers: pd.DataFrame | None, transform_fingerprint: str
) -> dict[str, int]:
    """Receive one batch; returns counts by action. A batch that was received before (a retry) changes nothing.

    ``offers``: ``None`` for a batch without orders; pandas is then not imported, which most runs would do for nothing.
    Only a ``complete`` batch confirms acknowledgements by absence. A start with a history ends with the first batch
    that is complete or was read without a gap.
    """
    bound = require_pipeline(tx, ctx.pipeline, lock=True)
    before = tx.run(
        sa.select(batch.c.counts).where(batch.c.pipeline == ctx.pipeline, batch.c.batch_id == info.batch_id)
    ).scalar()
    if before is not None:
        return dict(load_json(before))
    resume_waiting(tx, ctx)
    counts = {} if offers is None else _decide(tx, ctx, info, offers, transform_fingerprint, bound)
    if info.complete:
        _confirm_absent(tx, ctx.pipeline, info, {} if offers is None else offers)
    advance_watermark(tx, bound, info)
    tx.run(
        batch.insert(),
        {
            "pipeline": ctx.pipeline,
            "batch_id": info.batch_id,
            "manifest_name": info.manifest_name,
            "records": info.records,
            "complete": info.complete,
            "fetched_at": info.fetched_at,
            "received_at": tx.now,
            "run": ctx.run,
            "counts": dump_json(counts),
        },
    )
    return counts


def _decide(  # noqa: PLR0917 - as `receive`, and the pipeline's row
    tx: Transaction, ctx: RunContext, info: BatchInfo, offers: pd.DataFrame, transform_fingerprint: str, bound: Any
) -> dict[str, int]:
    known = _known(tx, ctx.pipeline, offers)
    decided = decide_redeliveries(offers, known_frame(known), transform_fingerprint)
    receiver = _Intake(tx, ctx, info, bound)
    receiver.apply(offers, known, decided)
    record_reads(tx, ctx, info, problems_by_id(offers), {name: row.state for name, row in receiver.latest.items()})
    return {str(k): int(n) for k, n in Counter(decided["action"]).items()}


def _known(tx: Transaction, name: str, offers: pd.DataFrame) -> list[Any]:
    """All submissions that share a source id or an order number with an offer, locked."""
    ids: set[int] = set()
    for column in ("source_id", "order_number"):
        keys = [key for key in offers[column].tolist() if key]
        query = sa.select(submission.c.id).where(submission.c.pipeline == name, among(submission.c[column], "keys"))
        ids.update(tx.run(query, {"keys": keys}).scalars())
    return lock(tx, ids, *_NEEDED) if ids else []


class _Intake:
    """Writes the decisions about one batch."""

    def __init__(self, tx: Transaction, ctx: RunContext, info: BatchInfo, bound: Any) -> None:
        self.tx, self.ctx, self.info, self.bound = tx, ctx, info, bound
        self.offers: dict[str, list[Any]] = {}
        self.latest: dict[str, Any] = {}

    def apply(self, offers: pd.DataFrame, known: Sequence[Any], decided: pd.DataFrame) -> None:
        """Carry out every decision, in sets of the same action and reason."""
        self.offers = {str(name): column.tolist() for name, column in offers.items()}
        self.latest = {row.source_id: row for row in sorted(known, key=lambda r: r.edition)}
        groups: dict[tuple[str, str], list[tuple[Any, int]]] = defaultdict(list)
        for source_id, action, reason, offer in zip(*(decided[name].tolist() for name in RESULT_COLUMNS), strict=True):
            groups[self._action(source_id, action), reason].append((self.latest.get(source_id), offer))
        self._touch()
        for (action, reason), decisions in groups.items():
            for part in batched(decisions, SLICE):
                pairs = [(row, self._content(offer)) for row, offer in part]
                self._DO[RedeliveryAction(action)](self, pairs, reason)

    def _action(self, source_id: str, action: str) -> str:
        """The decided action. A payload is built again if a run with other rules (history, or not) offers the order."""
        row = self.latest[source_id] if action == RedeliveryAction.REFRESH else None
        other = row is not None and row.state == State.READY and row.history != self.info.history_source
        return RedeliveryAction.REJUDGE if other else action

    def _content(self, offer: int) -> dict[str, Any] | None:
        if offer < 0:
            return None
        offered = {name: column[offer] for name, column in self.offers.items()}
        return content_columns(offered, self.info.batch_id, self.info.history_source)

    def _touch(self) -> None:
        """Record that known orders are offered again; an acknowledgement that had no effect is due again."""
        offered = set(self.offers["source_id"])
        rows = [row for row in self.latest.values() if row.source_id in offered]
        touched = {"last_offered_at": self.info.fetched_at, "history_import": self.info.history_number}
        self.tx.many(_TOUCH, [{"b_id": row.id, **touched} for row in rows])
        if not self.info.windowed:
            order_counts.count_unconfirmed(self.tx, [row.id for row in rows if row.ack == "confirmed"])
            self.tx.many(_ACK_AGAIN, [{"b_id": row.id} for row in rows if row.ack in ("sent", "confirmed")])

    def _insert(self, pairs: Pairs, reason: str) -> None:
        self._insert_as(pairs, State.RECEIVED, "")

    def _insert_as(self, pairs: Pairs, state: State, reason: str) -> None:
        rows = [
            {**content, "edition": 1, "history_import": self.info.history_number} for _, content in pairs if content
        ]
        self._new(rows, TransitionCause(self.ctx, reason or "offered", reason), state)

    def _new(self, rows: list[dict[str, Any]], cause: TransitionCause, state: State) -> None:
        insert_submissions(
            self.tx,
            cause,
            self.bound,
            rows,
            state=state,
            offered_at=self.info.fetched_at,
            from_past=self.info.from_past,
        )

    def _refresh(self, pairs: Pairs, reason: str) -> None:
        """Same content in a newer place of the archive: not a decision, so the revision does not change."""
        self.tx.many(
            _PLACE,
            [
                {"b_id": row.id, **{name: content[name] for name in _PLACED}}
                for row, content in pairs
                if content is not None
            ],
        )

    def _replace(self, pairs: Pairs, reason: str) -> None:
        update(self.tx, [row for row, content in pairs if content is not None], _contents(pairs))

    def _evaluate_in_place(self, pairs: Pairs, reason: str) -> None:
        same = [(row, c) for row, c in pairs if c is not None and c["content_hash"] == row.content_hash]
        changed = [(row, c) for row, c in pairs if c is not None and c["content_hash"] != row.content_hash]
        self._refresh(same, reason)
        self._replace(changed, reason)

    def _reevaluate(self, pairs: Pairs, reason: str) -> None:
        rows = [row for row, _ in pairs]
        transition(
            self.tx, rows, State.RECEIVED, TransitionCause(self.ctx, reason or "offered again"), each=_contents(pairs)
        )

    def _nothing(self, pairs: Pairs, reason: str) -> None:
        """Only drop changed content that the source has taken back."""
        self.tx.many(_REMEMBER, [{"b_id": row.id, "offered": None} for row, _ in pairs if row and row.offered])

    def _remember(self, pairs: Pairs, reason: str) -> None:
        self.tx.many(
            _REMEMBER,
            [{"b_id": row.id, "offered": dump_json(content)} for row, content in pairs if content is not None],
        )

    def _acknowledge(self, pairs: Pairs, reason: str) -> None:
        """``_touch`` made it due if need be; ``acknowledgements`` decides whether it may be acknowledged."""

    def _refresh_review(self, pairs: Pairs, reason: str) -> None:
        """Show the new content in the review of a held order.

        If its content was the only cause, and no operator decided about the order's versions, it is evaluated again.
        """
        corrected = [
            (row, content)
            for row, content in pairs
            if row.reason in HELD_FOR_CONTENT and not row.decided and row.edition == 1
        ]
        self._reevaluate(corrected, reason)
        kept = {row.id for row, _ in corrected}
        self._replace([(row, content) for row, content in pairs if row.id not in kept], reason)

    def _hold_edition(self, pairs: Pairs, reason: str) -> None:
        rows = [new_edition(row, content) for row, content in pairs if content is not None]
        self._new(rows, TransitionCause(self.ctx, reason, reason), State.HELD)

    def _hold(self, pairs: Pairs, reason: str) -> None:
        cause = TransitionCause(self.ctx, reason, reason)
        self._insert_as([(row, content) for row, content in pairs if row is None], State.HELD, reason)
        old = [(row, content) for row, content in pairs if row is not None and row.state in _MAY_BE_HELD]
        kept = [row for row, content in old if content is None]
        transition(self.tx, kept, State.HELD, cause)
        changed = [(row, content) for row, content in old if content is not None]
        transition(self.tx, [row for row, _ in changed], State.HELD, cause, each=_contents(changed))
        held = [(row, content) for row, content in pairs if row is not None and row.state == State.HELD]
        self._replace([(row, new) for row, new in held if new and new["content_hash"] != row.content_hash], reason)

    _DO = {  # noqa: RUF012 - a table of methods
        RedeliveryAction.INSERT: _insert,
        RedeliveryAction.REFRESH: _refresh,
        RedeliveryAction.REPLACE: _replace,
        RedeliveryAction.REJUDGE: _reevaluate,
        RedeliveryAction.EVALUATE_IN_PLACE: _evaluate_in_place,
        RedeliveryAction.NOTHING: _nothing,
        RedeliveryAction.REMEMBER: _remember,
        RedeliveryAction.ACKNOWLEDGE: _acknowledge,
        RedeliveryAction.HOLD_EDITION: _hold_edition,
        RedeliveryAction.REFRESH_REVIEW: _refresh_review,
        RedeliveryAction.HOLD: _hold,
    }


def _contents(pairs: Pairs) -> dict[int, dict[str, Any]]:
    """New content by id. The lineage does not change, since an operator may have decided it; only an order that had no
    usable uuid (its lineage is its own id) takes the offered lineage."""
    return {
        row.id: {
            **{name: value for name, value in content.items() if name != "source_id"},
            "lineage": content["lineage"] if row.lineage == row.source_id else row.lineage,
        }
        for row, content in pairs
        if content is not None
    }


def _confirm_absent(tx: Transaction, name: str, info: BatchInfo, offers: pd.DataFrame | Mapping[str, Any]) -> None:
    """Confirm acknowledgements of orders that are absent from a later complete answer, even if they were refused
    ("order not found"), had no answer, or were not mentioned in the reply."""
    sent = tx.run(
        sa.select(submission.c.id, submission.c.source_id, submission.c.order_number).where(
            submission.c.pipeline == name,
            sa.text("submission.id > 0 AND ack IN ('due', 'sent', 'refused')"),  # the id: for ix_submission_ack
            submission.c.ack.in_(_UNCONFIRMED),
            submission.c.ack_at <= info.fetched_at,
        )
    ).all()
    ids, numbers = set(offers.get("source_id", ())), set(offers.get("order_number", ()))
    absent = [row.id for row in sent if row.source_id not in ids and row.order_number not in numbers]
    confirmed = tx.many(_CONFIRM, [{"b_id": number, "ack_at": tx.now} for number in absent])
    order_counts.count(tx, name, order_counts.ACKNOWLEDGED, confirmed)
    enqueue_write_back(tx, absent)


_PLACED = ("batch_id", "part", "row", "customer_number", "history")
_BY_ID = submission.c.id == sa.bindparam("b_id")
_READ_BY = sa.func.coalesce(sa.bindparam("history_import", type_=sa.BigInteger), submission.c.history_import)
_TOUCH = (
    submission.update().where(_BY_ID).values(last_offered_at=sa.bindparam("last_offered_at"), history_import=_READ_BY)
)
_ACK_AGAIN = submission.update().where(_BY_ID).values(ack="due")
_REMEMBER = submission.update().where(_BY_ID).values(offered=sa.bindparam("offered"))
_PLACE = submission.update().where(_BY_ID).values({name: sa.bindparam(name) for name in _PLACED})
_UNCONFIRMED = ("sent", "refused")
# no IN: SQLAlchemy would execute the statement row by row
_CONFIRM = (
    submission.update()
    .where(_BY_ID, sa.or_(*[submission.c.ack == ack for ack in _UNCONFIRMED]))
    .values(ack="confirmed", ack_at=sa.bindparam("ack_at"), ack_message="absent from the next complete answer")
)
