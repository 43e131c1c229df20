"""The only module that changes the state of a submission.

Every transition is a compare-and-set on state **and** revision, and writes its events and the maintained counts
(``schema.order_counts``) in the same transaction. A
transition that is not in ``states.TRANSITIONS`` raises ``IllegalTransitionError``. A row that another transaction
changed raises ``ConcurrentUpdateError``, and the whole transaction is rolled back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.states import SETTLED, State, path, validate_path
from order_relay.ledger.schema.tables import attempt, event, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.orders.messages import RunContext

_NONE: Mapping[int, Mapping[str, Any]] = {}


class SubmissionRow(Protocol):
    """A row as it was when the transition was decided."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def revision(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class TransitionCause:
    """Run, actor and explanation for the event. ``reason`` is the code stored in the row."""

    ctx: RunContext
    why: str = ""
    reason: str = ""


def transition(
    tx: Transaction,
    rows: Iterable[SubmissionRow],
    target: State,
    cause: TransitionCause,
    values: Mapping[str, Any] | None = None,
    *,
    each: Mapping[int, Mapping[str, Any]] = _NONE,
    via: tuple[State, ...] | None = None,
) -> None:
    """Bring rows in any states to ``target``, each along ``states.path`` or along ``via``.

    ``values`` are set on every row, ``each`` by id (the same columns for all rows, or none at all). The row's
    ``reason`` becomes ``cause.reason`` unless ``each`` overrides it. Events store ``cause.why``, or the row's reason.
    """
    by_state: dict[str, list[SubmissionRow]] = defaultdict(list)
    for row in rows:
        by_state[row.state].append(row)
    for origin, group in by_state.items():
        steps = path(State(origin), target) if via is None else via
        validate_path((State(origin), *steps))
        _transition_group(tx, group, (State(origin), *steps), cause, values or {}, each)


def _transition_group(  # noqa: PLR0917 - the inner half of ``transition``
    tx: Transaction,
    rows: Sequence[SubmissionRow],
    via: tuple[State, ...],
    cause: TransitionCause,
    values: Mapping[str, Any],
    each: Mapping[int, Mapping[str, Any]],
) -> None:
    common = {
        "reason": cause.reason,
        "due_at": None,
        **_acknowledgement_columns(via[0], via[-1]),
        **_time_columns(via),
        **values,
        "state": via[-1],
        "changed_at": tx.now,
    }
    unsent = via[0] is State.READY and via[1] is not State.SENDING
    ids = [row.id for row in rows]
    order_counts.count_left(tx, ids, via[0])
    if each:
        touched = _write_each(tx, rows, len(via) - 1, common, each, unsent=unsent)
    else:
        touched = _write_alike(tx, rows, len(via) - 1, common, unsent=unsent)
    if touched != len(rows):
        raise ConcurrentUpdateError(
            f"{len(rows) - touched} of {len(rows)} submissions were changed by another transaction"
        )
    _write_events(tx, ids, via, cause)
    order_counts.count_entered(tx, ids, via[-1])


def _write_alike(
    tx: Transaction, rows: Sequence[SubmissionRow], steps: int, common: Mapping[str, Any], *, unsent: bool
) -> int:
    """The same columns for all rows: one statement per revision, for any number of rows."""
    by_revision: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        by_revision[row.revision].append(row.id)
    bound, computed = _bound(common)
    statement = _update_statement(tuple(sorted(("revision", *bound))), unsent, alike=True, computed=computed)
    return sum(
        tx.run(
            statement,
            {
                **bound,
                "b_ids": sorted(ids),
                "b_state": rows[0].state,
                "b_revision": revision,
                "revision": revision + steps,
            },
        ).rowcount
        for revision, ids in by_revision.items()
    )


def _write_each(
    tx: Transaction,
    rows: Sequence[SubmissionRow],
    steps: int,
    common: Mapping[str, Any],
    each: Mapping[int, Mapping[str, Any]],
    *,
    unsent: bool,
) -> int:
    """Individual columns for each row, and ``common`` for the others."""
    bound, computed = _bound(common)
    sets = [
        {
            **bound,
            **each[row.id],
            "b_id": row.id,
            "b_state": row.state,
            "b_revision": row.revision,
            "revision": row.revision + steps,
        }
        for row in rows
    ]
    names = tuple(sorted(sets[0].keys() - {"b_id", "b_state", "b_revision"}))
    return tx.many(_update_statement(names, unsent, computed=computed), sets)


def _bound(common: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The columns with a value, and the names of those that the database computes."""
    computed = tuple(sorted(name for name, value in common.items() if value is COMPUTED))
    return {name: value for name, value in common.items() if name not in computed}, computed


COMPUTED = object()
"""As a value of one of the columns in ``_EXPRESSIONS``: the database computes it."""

_EXPRESSIONS: Mapping[str, Any] = {
    # the id that the current attempt received
    "oms_id": sa.select(attempt.c.oms_id)
    .where(attempt.c.submission_id == submission.c.id, attempt.c.number == submission.c.attempt)
    .scalar_subquery(),
    "waiting_since": sa.func.coalesce(submission.c.waiting_since, sa.bindparam("changed_at")),
    "ack": sa.case((submission.c.history == "silent", sa.null()), else_=sa.literal_column("'due'")),
}
_STARTS = (State.RECEIVED, State.WAITING)


def _acknowledgement_columns(origin: State, target: State) -> dict[str, Any]:
    """Columns of the acknowledgement: due once settled, reset when the submission is open again.

    None is due for orders of a history import that are not reported to the source.
    """
    if target in SETTLED:
        return {"ack": COMPUTED}
    return {"ack": None, "ack_at": None} if origin in SETTLED else {}


def _time_columns(via: tuple[State, ...]) -> dict[str, Any]:
    """Columns from which alerts and limits count.

    They belong to the order, not to one attempt or evaluation: an order that returns to the start gets new attempts,
    and one that was waiting and waits again never stopped waiting.
    """
    origin, target = via[0], via[-1]
    clocks: dict[str, Any] = {}
    if target is State.WAITING:
        clocks["waiting_since"] = COMPUTED
    elif origin in _STARTS and target not in _STARTS:
        clocks["waiting_since"] = None
    if target is State.RECEIVED and origin is not State.WAITING:
        clocks |= {"first_sent_at": None, "absences": 0, "waiting_since": None}
    return clocks


def _write_events(tx: Transaction, ids: Sequence[int], via: tuple[State, ...], cause: TransitionCause) -> None:
    """One event per step and row; the rows already have their final state."""
    steps = len(via) - 1
    for n in range(steps):
        tx.run(
            _INSERT_EVENTS,
            {
                "b_ids": ids,
                "b_from": via[n],
                "b_to": via[n + 1],
                "b_back": steps - n - 1,
                "b_at": tx.now,
                "b_run": cause.ctx.run,
                "b_who": cause.ctx.who,
                "b_why": cause.why,
            },
        )


def record_events(tx: Transaction, ctx: RunContext, texts: Mapping[Any, str], *, later: int = 0) -> None:
    """Events of locked rows whose state stays, with a text each. ``later``: their revisions since they were read."""
    rows = [
        (row.id, row.state, row.state, row.revision + later, tx.now, ctx.run, ctx.who, why)
        for row, why in texts.items()
    ]
    tx.many(event.insert(), [dict(zip(_EVENT_COLUMNS, row, strict=True)) for row in rows])


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


_EVENT_COLUMNS = ("submission_id", "from_state", "to_state", "revision", "at", "run", "who", "why")
_INSERT_EVENTS = event.insert().from_select(
    list(_EVENT_COLUMNS),
    sa.select(
        submission.c.id,
        _text("b_from"),
        _text("b_to"),
        submission.c.revision - sa.bindparam("b_back", type_=sa.Integer),
        sa.bindparam("b_at", type_=event.c.at.type),
        _text("b_run"),
        _text("b_who"),
        sa.func.coalesce(sa.func.nullif(_text("b_why"), sa.literal_column("''")), submission.c.reason),
    ).where(among(submission.c.id, "b_ids")),
)


@lru_cache(maxsize=256)
def _update_statement(
    names: tuple[str, ...], unsent: bool = False, *, alike: bool = False, computed: tuple[str, ...] = ()
) -> sa.Update:
    """``unsent``: the row leaves ``ready`` without being sent; a destination key that was never used is released.

    ``alike``: for a set of rows of one state and revision; otherwise for one row.
    """
    sets: dict[str, Any] = {name: sa.bindparam(name) for name in names} | {
        name: _EXPRESSIONS[name] for name in computed
    }
    if unsent:
        sets["destination_key"] = sa.case((submission.c.attempt > 0, submission.c.destination_key), else_=sa.null())
    which = among(submission.c.id, "b_ids") if alike else submission.c.id == sa.bindparam("b_id")
    # an expression, since PostgreSQL would read all orders at the destination by the index of their lineages where its
    # statistics are from before they were sent
    state = sa.func.coalesce(submission.c.state, sa.literal_column("''"))
    return (
        submission.update()
        .where(
            which, state == sa.bindparam("b_state", type_=sa.Text), submission.c.revision == sa.bindparam("b_revision")
        )
        .values(sets)
    )


def update(tx: Transaction, rows: Sequence[SubmissionRow], each: Mapping[int, Mapping[str, Any]]) -> None:
    """Change columns without a transition: no event, but a new revision, so that decisions on the old content fail.

    ``each`` has the same columns for every row. Raises ``ConcurrentUpdateError`` as ``transition`` does.
    """
    sets = [
        {
            **each[row.id],
            "b_id": row.id,
            "b_state": row.state,
            "b_revision": row.revision,
            "revision": row.revision + 1,
        }
        for row in rows
    ]
    if not sets:
        return
    names = tuple(sorted(sets[0].keys() - {"b_id", "b_state", "b_revision"}))
    touched = tx.many(_update_statement(names), sets)
    if touched != len(sets):
        raise ConcurrentUpdateError(
            f"{len(sets) - touched} of {len(sets)} submissions were changed by another transaction"
        )


@lru_cache(maxsize=64)
def _select(names: tuple[str, ...]) -> sa.Select[Any]:
    columns = [submission.c[name] for name in ("id", "state", "revision", *names)]
    return (
        sa.select(*columns)
        .where(among(submission.c.id, "ids"))
        .order_by(submission.c.id)
        .with_for_update(of=submission)
    )


def lock(tx: Transaction, ids: Iterable[int], *names: str) -> list[Any]:
    """Read submissions (id, state, revision and ``names``) and lock them until the transaction ends.

    Locks are taken in key order, so that two transactions on the same rows never deadlock.
    """
    return list(tx.run(_select(names), {"ids": sorted(set(ids))}))
