"""Inserts submissions: first editions, and further ones for content that arrives after an order was settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.states import INITIAL, State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text, dump_json, load_json
from order_relay.ledger.submissions.runs import require_pipeline
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.decisions.redelivery import AFTER_IMPORT
from order_relay.orders.mapping.content_hash import settled_hash

if TYPE_CHECKING:
    pass

_BLANK: Mapping[str, str] = {
    "revision": "1",
    "decided": "false",
    "refusals_hash": "''",
    "payload_name": "''",
    "payload_row": "0",
    "fingerprint": "''",
    "transform_fingerprint": "''",
    "currency": "''",
    "notes": "'[]'",
    "attempt": "0",
    "owner": "''",
    "lookups": "0",
    "ack_message": "''",
}
_INSERT = submission.insert().values({name: sa.literal_column(value) for name, value in _BLANK.items()})
"""Initial values are literals of the statement, since bound values are processed row by row."""

_CONTENT = (
    "order_number",
    "base_number",
    "reference",
    "version",
    "suffix",
    "customer_number",
    "customer_po",
    "items",
    "content_hash",
    "problem",
    "batch_id",
    "part",
    "row",
    "history",
)


def content_columns(offer: Mapping[str, Any], batch_id: str, history: str = "") -> dict[str, Any]:
    """The columns from one row of an offers frame: identity, content, and place in the archive."""
    import pandas as pd

    suffix = offer["suffix"]
    return {
        "source_id": offer["source_id"],
        "lineage": offer["lineage"],
        "order_number": offer["order_number"],
        "base_number": offer["base_number"],
        "reference": offer["reference"],
        "version": int(offer["version"]),
        "suffix": None if suffix is None or pd.isna(suffix) else int(suffix),
        "customer_number": clean_text(str(offer["customer_number"]), 200),
        "customer_po": clean_text(str(offer["customer_po"]), 200),
        "items": dump_json([clean_text(str(item), 200) for item in offer["items"]]),
        "content_hash": offer["content_hash"],
        "problem": offer["problem"],
        "batch_id": batch_id,
        "part": int(offer["part"]),
        "row": int(offer["row"]),
        "history": history,
    }


def new_edition(old: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a further edition of a source id: same identity and lineage, new content."""
    return {**content, "source_id": old.source_id, "lineage": old.lineage, "edition": old.edition + 1}


def insert_submissions(
    tx: Transaction,
    cause: TransitionCause,
    bound: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    state: State,
    offered_at: datetime,
    from_past: bool = False,
) -> None:
    """Insert submissions in ``state`` (one of ``INITIAL``) with their first event.

    ``bound`` is the pipeline's row, locked; ``offered_at`` is when the batch was fetched; ``from_past`` as in
    ``BatchInfo``: another ledger may have sent them, so that they are looked up before their first POST.
    """
    if state not in INITIAL:
        raise IllegalTransitionError(f"a submission cannot begin as {state}")
    if not rows:
        return
    newest = tx.run(sa.select(sa.func.max(submission.c.id))).scalar() or 0
    common = {
        "pipeline": bound.name,
        "state": state,
        "reason": cause.reason,
        "changed_at": tx.now,
        "first_offered_at": offered_at,
        "last_offered_at": offered_at,
        "destination": bound.destination_account,
        "proven": not (bound.unproven or from_past),
    }
    tx.run(_INSERT, [{**common, **row} for row in rows])
    order_counts.count(tx, bound.name, order_counts.RECEIVED, len(rows))
    if state in order_counts.STOPS:
        order_counts.count(tx, bound.name, state, len(rows))
    tx.run(
        _FIRST_EVENTS,
        {
            "b_pipeline": bound.name,
            "newest": newest,
            "b_at": tx.now,
            "b_run": cause.ctx.run,
            "b_who": cause.ctx.who,
            "b_why": cause.why or cause.reason,
        },
    )


_FIRST_EVENTS = event.insert().from_select(
    ["submission_id", "from_state", "to_state", "revision", "at", "run", "who", "why"],
    sa.select(
        submission.c.id,
        sa.literal_column("''"),
        submission.c.state,
        submission.c.revision,
        sa.bindparam("b_at", type_=event.c.at.type),
        sa.bindparam("b_run", type_=sa.Text),
        sa.bindparam("b_who", type_=sa.Text),
        sa.bindparam("b_why", type_=sa.Text),
    )
    # the pipeline's row is locked, so every newer row of this pipeline was inserted here
    .where(of_pipeline(sa.bindparam("b_pipeline", type_=sa.Text)), submission.c.id > sa.bindparam("newest"))
    .order_by(submission.c.id),
)


def apply_pending_offers(tx: Transaction, cause: TransitionCause, ids: Sequence[int]) -> None:
    """Apply content that arrived for these orders while they were sending or in doubt (the redelivery table).

    Same content is dropped. Changed content of an imported order becomes a further edition, which is held. An order
    that was not stored (rejected, or ready again) takes the new content and is validated again.
    """
    rows = [row for row in lock(tx, ids, "source_id", "edition", "lineage", "content_hash", "offered") if row.offered]
    if not rows:
        return
    tx.run(submission.update().where(among(submission.c.id, "ids")).values(offered=None), {"ids": [r.id for r in rows]})
    changed = [(row, load_json(row.offered)) for row in rows]
    changed = [(row, new) for row, new in changed if new["content_hash"] != row.content_hash]
    imported = [
        (row, new)
        for row, new in changed
        if row.state == State.IMPORTED and settled_hash(new["content_hash"]) != settled_hash(row.content_hash)
    ]
    if imported:
        held = TransitionCause(cause.ctx, AFTER_IMPORT, AFTER_IMPORT)
        bound = require_pipeline(tx, cause.ctx.pipeline, lock=True)
        editions = [_edition_row(row, new) for row, new in imported]
        insert_submissions(tx, held, bound, editions, state=State.HELD, offered_at=tx.now)
    anew = {row.id: _taken(new) for row, new in changed if row.state in (State.REJECTED, State.READY)}
    transition(
        tx,
        [row for row, _ in changed if row.id in anew],
        State.RECEIVED,
        TransitionCause(cause.ctx, "content changed while the order was being sent"),
        each=anew,
    )


def _edition_row(row: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    return new_edition(row, _taken(new))


def _taken(new: Mapping[str, Any]) -> dict[str, Any]:
    """The stored content; an older version may have stored fewer columns."""
    added = ("customer_number", "reference", "history")
    return {name: new.get(name, "") if name in added else new[name] for name in _CONTENT}
