"""The only place where a submission changes its state.

Every move is a compare-and-set on state **and** revision, and writes its event rows in the same transaction. A move
that ``states.MOVES`` does not hold raises ``MoveRefused``; a row that somebody else moved raises ``StaleRevision`` and
nothing of the transaction stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa

from order_relay.errors import StaleRevision
from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.states import SETTLED, State, check_way, route
from order_relay.ledger.tables import event, submission
from order_relay.orders.exchange import RunContext

_NONE: Mapping[int, Mapping[str, Any]] = {}


class Movable(Protocol):
    """What a move needs to know of a row: what it was when the decision was taken."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def revision(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Cause:
    """Who moves, in which run, and why: stands on the event. ``reason`` is the code that the row keeps."""

    ctx: RunContext
    why: str = ""
    reason: str = ""


def move(
    tx: Transaction,
    rows: Iterable[Movable],
    target: State,
    cause: Cause,
    values: Mapping[str, Any] | None = None,
    *,
    each: Mapping[int, Mapping[str, Any]] = _NONE,
    way: tuple[State, ...] | None = None,
) -> None:
    """Move rows (any states) to ``target``, each along ``route`` or along ``way``.

    ``values`` are set on every row, ``each`` by id (the same columns for all rows). ``reason`` on the row becomes
    ``cause.reason`` unless ``each`` says otherwise; ``cause.why`` (or the row's reason) stands on the events.
    """
    by_state: dict[str, list[Movable]] = defaultdict(list)
    for row in rows:
        by_state[row.state].append(row)
    for origin, group in by_state.items():
        steps = route(State(origin), target) if way is None else way
        check_way((State(origin), *steps))
        _move_group(tx, group, (State(origin), *steps), cause, values or {}, each)


def _move_group(  # noqa: PLR0917 - the inner half of ``move``
    tx: Transaction,
    rows: Sequence[Movable],
    way: tuple[State, ...],
    cause: Cause,
    values: Mapping[str, Any],
    each: Mapping[int, Mapping[str, Any]],
) -> None:
    origin, target, steps = way[0], way[-1], len(way) - 1
    common = {"reason": cause.reason, "due_at": None, **_leaving(origin, target), **values}
    sets: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for row in rows:
        own = {**common, **each.get(row.id, {})}
        sets.append({
            **own, "b_id": row.id, "b_state": origin, "b_revision": row.revision, "state": target,
            "revision": row.revision + steps, "changed_at": tx.now,
        })
        events += _events(tx, row, way, cause, own["reason"])
    names = tuple(sorted(sets[0].keys() - {"b_id", "b_state", "b_revision"}))
    unsent = origin is State.READY and way[1] is not State.SENDING
    touched = tx.many(_update(names, unsent), sets)
    if touched != len(sets):
        raise StaleRevision(f"{len(sets) - touched} of {len(sets)} submissions were moved by somebody else")
    tx.many(_INSERT_EVENT, events)


def _leaving(origin: State, target: State) -> dict[str, Any]:
    """What a move says about the acknowledgement: due once settled, forgotten when it is open again."""
    if target in SETTLED:
        return {"ack": "due"}
    return {"ack": None, "ack_at": None} if origin in SETTLED else {}


def _events(
    tx: Transaction, row: Movable, way: tuple[State, ...], cause: Cause, reason: str
) -> list[dict[str, Any]]:
    return [
        {
            "submission_id": row.id, "from_state": way[n], "to_state": way[n + 1], "revision": row.revision + n + 1,
            "at": tx.now, "run": cause.ctx.run, "who": cause.ctx.who, "why": cause.why or reason,
        }
        for n in range(len(way) - 1)
    ]


@lru_cache(maxsize=256)
def _update(names: tuple[str, ...], unsent: bool = False) -> sa.Update:
    """``unsent``: the row leaves ``ready`` without being sent; a destination key that was never used is free again."""
    sets: dict[str, Any] = {name: sa.bindparam(name) for name in names}
    if unsent:
        sets["destination_key"] = sa.case((submission.c.attempt > 0, submission.c.destination_key), else_=sa.null())
    return (
        submission.update()
        .where(
            submission.c.id == sa.bindparam("b_id"),
            submission.c.state == sa.bindparam("b_state"),
            submission.c.revision == sa.bindparam("b_revision"),
        )
        .values(sets)
    )


_INSERT_EVENT = event.insert()


def change(tx: Transaction, rows: Sequence[Movable], each: Mapping[int, Mapping[str, Any]]) -> None:
    """Change columns without a move: no event, but a new revision, so that decisions on the old content fail.

    ``each`` holds the same columns for every row. Raises ``StaleRevision`` as ``move`` does.
    """
    sets = [
        {
            **each[row.id], "b_id": row.id, "b_state": row.state, "b_revision": row.revision,
            "revision": row.revision + 1,
        }
        for row in rows
    ]
    if not sets:
        return
    names = tuple(sorted(sets[0].keys() - {"b_id", "b_state", "b_revision"}))
    touched = tx.many(_update(names), sets)
    if touched != len(sets):
        raise StaleRevision(f"{len(sets) - touched} of {len(sets)} submissions were changed by somebody else")


def born(tx: Transaction, ids: Sequence[int], state: State, cause: Cause) -> None:
    """Write the first event of new submissions (revision 1)."""
    tx.many(_INSERT_EVENT, [
        {
            "submission_id": number, "from_state": "", "to_state": state, "revision": 1, "at": tx.now,
            "run": cause.ctx.run, "who": cause.ctx.who, "why": cause.why or cause.reason,
        }
        for number in ids
    ])


@lru_cache(maxsize=64)
def _select(names: tuple[str, ...]) -> sa.Select[Any]:
    columns = [submission.c[name] for name in ("id", "state", "revision", *names)]
    return (
        sa.select(*columns).where(among(submission.c.id, "ids")).order_by(submission.c.id)
        .with_for_update(of=submission)
    )


def lock(tx: Transaction, ids: Iterable[int], *names: str) -> list[Any]:
    """Read submissions (id, state, revision and ``names``) and keep them from others until the transaction ends.

    Locks are taken in key order, so that two transactions over the same rows never wait for each other in a ring.
    """
    return list(tx.run(_select(names), {"ids": sorted(set(ids))}))
