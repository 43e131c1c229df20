"""Stores valid payloads and makes submissions ``ready``; a destination key belongs to one submission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from order_relay.ledger.schema.records import ReadyPayload
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import notes_text
from order_relay.ledger.submissions.runs import require_pipeline
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.messages import RunContext

KEY_TAKEN = "destination_key_taken"

_HOLDERS = sa.select(submission.c.id, submission.c.destination_key).where(
    submission.c.destination == sa.bindparam("destination"), among(submission.c.destination_key, "keys")
)


_first = submission.alias("first")
_FIRST_OF_NUMBER = (
    sa.select(_first.c.source_id)
    .where(_first.c.pipeline == submission.c.pipeline, _first.c.order_number == submission.c.order_number)
    .order_by(_first.c.id)
    .limit(1)
    .scalar_subquery()
)
_MARKED = sa.select(
    submission.c.id,
    submission.c.source_id,
    submission.c.edition,
    (submission.c.source_id == _FIRST_OF_NUMBER).label("first"),
).where(among(submission.c.id, "ids"), sa.or_(submission.c.edition > 1, submission.c.decided))


class Payloads(Repository):
    """Payloads and the destination keys of orders."""

    @reads
    def key_suffixes(self, tx: Transaction, ids: Iterable[int]) -> dict[int, str]:
        """The suffixes of destination keys, for submissions that need a key of their own.

        An operator released them in addition to another submission of the same number. A further edition of a source
        id gets ``/EDITION``; a source id other than the first one of this number gets ``/id-SOURCE_ID``. A suffix
        depends only on data that a restored ledger contains too, so that it finds these orders at the destination.
        """
        marks = {}
        for row in tx.run(_MARKED, {"ids": list(ids)}):
            mark = ("" if row.first else f"/id-{row.source_id}") + (f"/{row.edition}" if row.edition > 1 else "")
            if mark:
                marks[row.id] = mark
        return marks

    @writes
    def make_ready(
        self, tx: Transaction, ctx: RunContext, given: Sequence[ReadyPayload]
    ) -> tuple[list[int], list[int]]:
        """Store the payloads of received submissions and make them ``ready``; returns the ids made ready and held.

        If another submission has a destination key, or two of ``given`` request it, all of these that were not sent yet
        are held, since they may be duplicates. Submissions that have changed since are skipped, because another run
        has them.
        """
        destination = require_pipeline(tx, ctx.pipeline).destination_account
        offered = {ready.id: ready for ready in given}
        rows = [
            row for row in lock(tx, offered) if row.state == State.RECEIVED and row.revision == offered[row.id].revision
        ]
        conflicts = _conflicts(tx, destination, [offered[row.id] for row in rows])
        cause = TransitionCause(ctx, KEY_TAKEN, KEY_TAKEN)
        held = [row for row in rows if offered[row.id].destination_key in conflicts]
        transition(tx, held, State.HELD, cause)
        good = [row for row in rows if offered[row.id].destination_key not in conflicts]
        late = _store(tx, ctx, good, {row.id: _columns(offered[row.id], destination) for row in good})
        transition(tx, late, State.HELD, cause)
        refused = {row.id for row in (*held, *late)}
        _hold_holders(
            tx, cause, [number for numbers in conflicts.values() for number in numbers if number not in offered]
        )
        return [row.id for row in rows if row.id not in refused], [row.id for row in rows if row.id in refused]


def _conflicts(tx: Transaction, destination: str, given: Sequence[ReadyPayload]) -> dict[str, list[int]]:
    """Duplicate keys, and keys of other submissions, with the ids that hold them."""
    own = {ready.id: ready.destination_key for ready in given}
    conflicts: dict[str, list[int]] = {key: [] for key, n in Counter(own.values()).items() if n > 1}
    for row in tx.run(_HOLDERS, {"destination": destination, "keys": sorted(set(own.values()))}):
        if own.get(row.id) != row.destination_key:
            conflicts.setdefault(row.destination_key, []).append(row.id)
    return conflicts


def _hold_holders(tx: Transaction, cause: TransitionCause, ids: Sequence[int]) -> None:
    """Hold the unsent submissions that have a requested key."""
    if ids:
        rows = [row for row in lock(tx, ids, "attempt") if row.state == State.READY and row.attempt == 0]
        transition(tx, rows, State.HELD, cause)


def _columns(ready: ReadyPayload, destination: str) -> dict[str, Any]:
    return {
        "destination": destination,
        "destination_key": ready.destination_key,
        "payload_name": ready.payload_name,
        "payload_row": ready.payload_row,
        "fingerprint": ready.fingerprint,
        "transform_fingerprint": ready.transform_fingerprint,
        "total_minor": ready.total_minor,
        "currency": ready.currency,
        "notes": notes_text(ready.notes),
        "submitted_at": ready.submitted_at,
        "sent_as": ready.sent_as,
    }


def _store(tx: Transaction, ctx: RunContext, rows: list[Any], each: dict[int, dict[str, Any]]) -> list[Any]:
    """Make rows ready; returns those whose key another transaction took meanwhile (the unique index refused)."""
    if not rows:
        return []
    cause = TransitionCause(ctx, "payload made and valid")
    try:
        with tx.conn.begin_nested():
            transition(tx, rows, State.READY, cause, each=each)
    except IntegrityError:
        if len(rows) == 1:
            return rows
        return [late for row in rows for late in _store(tx, ctx, [row], each)]
    return []
