"""Orders whose content the source did not return: each is requested again, with growing delays, until it is read.

The source listed them, or they wait for it, so none may be dropped. An HTTP 404 may be temporary: an order counts as
withdrawn only after several consecutive ones over a long time. Even then it is requested again, at growing intervals,
until an operator decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from order_relay.backoff import backoff_after_immediate_retry
from order_relay.errors import ValidationIssue
from order_relay.ledger.schema.records import BatchInfo, UnreadRules
from order_relay.ledger.schema.source_tables import unread
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.ledger.submissions.validation import quarantine
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.mapping.eligibility import NOT_RETURNED
from order_relay.orders.messages import DETAIL_MISSING, UNREAD_PROBLEMS, RunContext

if TYPE_CHECKING:
    import pandas as pd

LONGEST_DELAY = timedelta(hours=6)
"""The longest delay between two requests for an order that is not withdrawn."""

DENIALS = 4
"""Consecutive answers "not found" before an order may count as withdrawn."""

WITHDRAWN_DELAY = timedelta(days=1)
"""The shortest delay between two requests for a withdrawn order; later, a quarter of the time since."""

ORDER_WITHDRAWN = "order_gone"
"""Refusal code: the source listed this order, but has answered "not found" for it for a long time."""

OPEN = (State.RECEIVED, State.WAITING, State.QUARANTINED, State.REJECTED)
"""States in which an order depends on its source; in other states a failed read changes nothing."""


def problems_by_id(offers: pd.DataFrame) -> dict[str, str]:
    """Problems found while reading, by source id; a repeated order counts as read if one of them was."""
    found: dict[str, str] = {}
    for source_id, problem in zip(offers["source_id"].tolist(), offers["problem"].tolist(), strict=True):
        if problem not in UNREAD_PROBLEMS or source_id not in found:
            found[source_id] = problem
    return found


def record_reads(
    tx: Transaction, ctx: RunContext, info: BatchInfo, problems: Mapping[str, str], states: Mapping[str, str]
) -> None:
    """Record which orders of a batch were read, in the transaction that receives the batch.

    ``problems``: problems found while reading, by source id. ``states``: those of the orders known before.
    """
    now_unread = {
        source_id: problem
        for source_id, problem in problems.items()
        if problem in UNREAD_PROBLEMS and states.get(source_id, State.RECEIVED) in OPEN
    }
    before = _rows(tx, ctx.pipeline, problems)
    _forget(tx, ctx.pipeline, before.keys() - now_unread.keys())
    rows = {
        source_id: _retry_row(tx, before.get(source_id), problem, info.unread_rules)
        for source_id, problem in now_unread.items()
    }
    written = [
        {**row, "b_source_id": source_id, "why": clean_text(info.unread.get(source_id, ""), 300)}
        for source_id, row in rows.items()
    ]
    tx.many(_CHANGE, [{**row, "b_pipeline": ctx.pipeline} for row in written if row["b_source_id"] in before])
    tx.many(
        unread.insert(),
        [
            {**row, "pipeline": ctx.pipeline, "source_id": source_id, "since": tx.now}
            for row in written
            if (source_id := row.pop("b_source_id")) not in before
        ],
    )
    _withdraw(tx, ctx, [source_id for source_id, row in rows.items() if row["gone_at"] == tx.now])


class UnreadOrders(Repository):
    """Orders that could not be read from their source."""

    @reads
    def pending(self, tx: Transaction, name: str) -> dict[str, bool]:
        """The unread orders of a pipeline, and whether the request for each is due."""
        query = sa.select(unread.c.source_id, unread.c.due_at).where(unread.c.pipeline == name, _IS_OPEN)
        return {row.source_id: row.due_at <= tx.now for row in tx.run(query)}


def read_attempts(tx: Transaction, name: str, source_id: str) -> dict[str, Any] | None:
    """The failed requests for one order; ``None`` if it was read last time."""
    query = sa.select(unread).where(unread.c.pipeline == name, unread.c.source_id == source_id)
    row = tx.run(query).mappings().one_or_none()
    return None if row is None else dict(row)


def _rows(tx: Transaction, name: str, source_ids: Collection[str]) -> dict[str, Any]:
    query = sa.select(unread).where(unread.c.pipeline == name, among(unread.c.source_id, "keys"))
    return {row.source_id: row for row in tx.run(query, {"keys": sorted(source_ids)})}


def _retry_row(tx: Transaction, before: Any, problem: str, rules: UnreadRules) -> dict[str, Any]:
    """The row of an order after another failed request. The first retry is left to the next run."""
    requests = 1 if before is None else before.asks + 1
    denied = problem == DETAIL_MISSING
    missing_since = (before and before.missing_since) or tx.now
    denials = (before.denials if before is not None else 0) + 1
    withdrawn = denied and denials >= DENIALS and tx.now - missing_since >= timedelta(seconds=rules.gone_after_s)
    if withdrawn:
        delay = max(WITHDRAWN_DELAY, (tx.now - missing_since) / 4) if rules.ask_again_s else timedelta()
    else:
        delay = backoff_after_immediate_retry(timedelta(seconds=rules.ask_again_s), requests - 1, LONGEST_DELAY)
    return {
        "problem": problem,
        "asks": requests,
        "last_at": tx.now,
        "due_at": tx.now + delay,
        "missing_since": missing_since if denied else None,
        "denials": denials if denied else 0,
        "gone_at": ((before and before.gone_at) or tx.now) if withdrawn else None,
    }


def _withdraw(tx: Transaction, ctx: RunContext, source_ids: Collection[str]) -> None:
    """Treat these as withdrawn: they get a reason of their own and are requested less and less often.

    A waiting order keeps waiting under ``NOT_RETURNED``. One that was never read is quarantined as
    ``ORDER_WITHDRAWN``; one that was refused for its content keeps that reason.
    """
    if not source_ids:
        return
    ids = (
        tx.run(
            sa.select(submission.c.id).where(
                submission.c.pipeline == ctx.pipeline,
                among(submission.c.source_id, "keys"),
                submission.c.state.in_([State.WAITING, State.QUARANTINED]),
            ),
            {"keys": sorted(source_ids)},
        )
        .scalars()
        .all()
    )
    rows: list[Any] = lock(tx, ids, "problem")
    waiting = [row for row in rows if row.state == State.WAITING]
    transition(
        tx, waiting, State.WAITING, TransitionCause(ctx, "its source has not found it for a long time", NOT_RETURNED)
    )
    never_read = [row.id for row in rows if row.state == State.QUARANTINED and row.problem in UNREAD_PROBLEMS]
    quarantine(tx, ctx, [(work, [WITHDRAWN_FOR_GOOD]) for work in work_items(tx, never_read)])


WITHDRAWN_FOR_GOOD = ValidationIssue(
    ORDER_WITHDRAWN,
    "",
    "the web shop listed this order, but has answered HTTP 404 for it ever since; search for it in the shop, then "
    "correct it in the shop or discard it here",
)


def _forget(tx: Transaction, name: str, source_ids: Collection[str]) -> None:
    if source_ids:
        query = unread.delete().where(unread.c.pipeline == name, among(unread.c.source_id, "keys"))
        tx.run(query, {"keys": sorted(source_ids)})


_IS_OPEN = sa.exists().where(
    submission.c.pipeline == unread.c.pipeline,
    submission.c.source_id == unread.c.source_id,
    submission.c.state.in_(OPEN),
)
_CHANGED = ("problem", "why", "asks", "missing_since", "denials", "gone_at", "last_at", "due_at")
_CHANGE = (
    unread.update()
    .where(unread.c.pipeline == sa.bindparam("b_pipeline"), unread.c.source_id == sa.bindparam("b_source_id"))
    .values({name: sa.bindparam(name, type_=unread.c[name].type) for name in _CHANGED})
)
