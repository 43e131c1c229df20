"""What operators did beside the transitions of orders: notes, assignments, corrections, changes of tables, stops.

Transitions record who and why in ``event``. Retention removes reason and details of settled orders; who did what and
when is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.errors import ConfigurationError, IllegalTransitionError
from order_relay.ledger.schema.operator_tables import operator_action
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text, dump_json, load_json

NOTE = "note"
_MAX_WHY, _MAX_WHO, _MAX_DETAILS = 2_000, 200, 16_000  # bytes


class OperatorAction(NamedTuple):
    """One action. ``submission_id`` is ``None`` if it is about no single order, ``pipeline`` empty if about all."""

    id: int
    submission_id: int | None
    pipeline: str
    at: datetime
    who: str
    action: str
    why: str
    details: Mapping[str, Any]


class OperatorActivity(Repository):
    """The recorded actions of operators."""

    @reads
    def of_submission(self, tx: Transaction, number: int) -> list[OperatorAction]:
        """The actions about the submission with this id, oldest first."""
        chosen = operator_action.c.submission_id == number
        return _actions(tx, sa.select(operator_action).where(chosen).order_by(operator_action.c.id))

    @reads
    def general(self, tx: Transaction, action: str, limit: int = 20) -> list[OperatorAction]:
        """The newest actions of one kind that are about no single order, such as ``stop``; newest first."""
        chosen = (operator_action.c.submission_id.is_(None), operator_action.c.action == action)
        query = sa.select(operator_action).where(*chosen).order_by(operator_action.c.id.desc()).limit(limit)
        return _actions(tx, query)

    @writes
    def record(
        self,
        tx: Transaction,
        *,
        who: str,
        action: str,
        why: str,
        pipeline: str = "",
        submission_id: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Record one action in a transaction of its own; see ``record_action``."""
        record_action(
            tx, who=who, action=action, why=why, pipeline=pipeline, submission_id=submission_id, details=details
        )

    @writes
    def note(self, tx: Transaction, ids: Collection[int], text: str, who: str) -> int:
        """Add a note to each of these submissions; returns their number.

        Raises ``ConfigurationError`` if the text is empty and ``IllegalTransitionError`` if a submission is unknown.
        """
        if not text.strip():
            raise ConfigurationError("the note is empty")
        return record_about(tx, pipelines_of(tx, ids), who=who, action=NOTE, why=text.strip())


def record_action(
    tx: Transaction,
    *,
    who: str,
    action: str,
    why: str,
    pipeline: str,
    submission_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record an action in the transaction that carries it out.

    ``pipeline`` may be empty if the action is about all. ``details`` is stored as JSON and must not contain personal
    data. Raises ``ConfigurationError`` without ``who``, or if ``details`` is longer than 16,000 bytes.
    """
    record_about(tx, [(submission_id, pipeline)], who=who, action=action, why=why, details=details)


def record_about(
    tx: Transaction,
    targets: Iterable[tuple[int | None, str]],
    *,
    who: str,
    action: str,
    why: str,
    details: Mapping[str, Any] | None = None,
) -> int:
    """As ``record_action``, about several submissions (id and pipeline); returns their number."""
    if not who.strip():
        raise ConfigurationError("the operator's name is missing")
    stored = None if details is None else dump_json(details)
    if stored is not None and len(stored) > _MAX_DETAILS:
        raise ConfigurationError(f"the details of the action are {len(stored)} bytes long; maximum: {_MAX_DETAILS}")
    common = {
        "at": tx.now,
        "who": clean_text(who.strip(), _MAX_WHO),
        "action": action,
        "why": clean_text(why, _MAX_WHY),
        "details": stored,
    }
    rows = [{"submission_id": number, "pipeline": pipeline, **common} for number, pipeline in targets]
    tx.many(operator_action.insert(), rows)
    return len(rows)


def pipelines_of(tx: Transaction, ids: Collection[int]) -> list[tuple[int, str]]:
    """These submissions with their pipelines, by id. Raises ``IllegalTransitionError`` if one is unknown."""
    wanted = set(ids)
    query = sa.select(submission.c.id, submission.c.pipeline).where(among(submission.c.id, "ids"))
    found = [(row.id, row.pipeline) for row in tx.run(query.order_by(submission.c.id), {"ids": sorted(wanted)})]
    if missing := wanted - {number for number, _ in found}:
        raise IllegalTransitionError(f"unknown submission ids: {', '.join(map(str, sorted(missing)))}")
    return found


def _actions(tx: Transaction, query: sa.Select[Any]) -> list[OperatorAction]:
    rows = tx.run(query).mappings()
    return [OperatorAction(**{**row, "details": load_json(row["details"], {})}) for row in rows]
