"""Guards actions of operators against orders that changed since they were shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger.schema.states import State
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.submissions.transitions import lock

ShownRevisions = Mapping[int, int | None]
"""Submissions shown to the operator, with their revisions (``None``: any)."""

_MAX_NAMED = 20


def shown_revision(row: Any) -> int:
    """What to show with a submission, so that an action can name it: its revision, in doubt its attempt.

    Every lookup of an order in doubt makes a new revision, but the question stays the same until the next attempt.
    """
    return int(row.attempt if row.state == State.IN_DOUBT else row.revision)


def lock_shown(
    tx: Transaction, shown: ShownRevisions, *names: str, states: Collection[State] = tuple(State)
) -> list[Any]:
    """Lock the submissions shown, as ``transitions.lock``, if none has changed and all are in one of ``states``.

    Raises ``ConcurrentUpdateError`` as ``require_unchanged``.
    """
    rows = lock(tx, shown, "order_number", "source_id", "attempt", *names)
    require_unchanged(rows, shown, states)
    return rows


def require_unchanged(rows: Collection[Any], shown: ShownRevisions, states: Collection[str]) -> None:
    """Raise ``ConcurrentUpdateError`` if a submission shown is missing, has changed or is in none of ``states``.

    The message names the orders and their present states.
    """
    changed = [row for row in rows if row.state not in states or shown[row.id] not in {None, shown_revision(row)}]
    unknown = sorted(set(shown) - {row.id for row in rows})
    if changed or unknown:
        named = [f"{row.order_number or row.source_id} (now {row.state})" for row in changed]
        named += [f"id {number} (unknown)" for number in unknown]
        more = f" and {len(named) - _MAX_NAMED} more" if len(named) > _MAX_NAMED else ""
        raise ConcurrentUpdateError(
            f"{len(named)} of {len(shown)} orders have changed since they were shown: "
            f"{', '.join(named[:_MAX_NAMED])}{more}. Nothing was done; look at them again"
        )
