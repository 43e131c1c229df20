"""Judging: quarantine and recovery, resolving versions, and making submissions ready to be sent.

Each function takes what was decided on rows as they were read, and skips those that were moved since (another run has
them); nothing here overwrites a newer decision.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pandas as pd
import sqlalchemy as sa

from order_relay.errors import ValidationIssue
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import refusal, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text, dump_json, load_json, notes_text
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition, update
from order_relay.ledger.submissions.worklist import WORK_COLUMNS, work_items
from order_relay.orders.decisions.versions import (
    BASELINE,
    RESULT_COLUMNS,
    VERSION_COLUMNS,
    VersionDecision,
    resolve_versions,
)
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.orders.notes import OrderNote

RECHECK_AFTER = timedelta(minutes=15)
"""A waiting submission is judged again after this, also where the source does not offer it again."""

_QUARANTINABLE = (State.RECEIVED, State.WAITING, State.QUARANTINED, State.READY)


Notes = Mapping[int, Sequence[OrderNote]]
"""Notes on orders, by the ids of their submissions."""


def quarantine(
    tx: Transaction,
    ctx: RunContext,
    refused: Sequence[tuple[WorkItem, Sequence[ValidationIssue]]],
    notes: Notes = MappingProxyType({}),
) -> int:
    """Quarantine submissions with every reason, and their notes; how many were.

    One that is quarantined already for the same reasons gets no event. Those that were moved since are skipped.
    """
    wanted = {work.id: (work.revision, list(reasons)) for work, reasons in refused if reasons}
    rows = [
        row
        for row in lock(tx, wanted, "refusals_hash", "notes")
        if row.state in _QUARANTINABLE and row.revision == wanted[row.id][0]
    ]
    hashes = {row.id: _fingerprint(wanted[row.id][1]) for row in rows}
    news = [row for row in rows if row.state != State.QUARANTINED or row.refusals_hash != hashes[row.id]]
    each = {row.id: {"reason": wanted[row.id][1][0].code, "refusals_hash": hashes[row.id]} for row in news}
    transition(tx, news, State.QUARANTINED, TransitionCause(ctx), each=each)
    steps = {State.RECEIVED: 1, State.READY: 1, State.QUARANTINED: 2, State.WAITING: 2}
    tx.many(
        refusal.insert(),
        [
            {
                "submission_id": row.id,
                "revision": row.revision + steps[State(row.state)],
                "position": n,
                "code": clean_text(r.code, 100),
                "pointer": clean_text(r.pointer, 500),
                "message": clean_text(r.message, 1_000),
            }
            for row in news
            for n, r in enumerate(wanted[row.id][1])
        ],
    )
    texts = {row.id: notes_text(notes.get(row.id, ())) for row in rows}
    tx.many(_NOTES, [{"b_id": row.id, "notes": texts[row.id]} for row in rows if row.notes != texts[row.id]])
    return len(rows)


_NOTES = submission.update().where(submission.c.id == sa.bindparam("b_id")).values(notes=sa.bindparam("notes"))


def hold(tx: Transaction, ctx: RunContext, held: Sequence[tuple[WorkItem, str]], notes: Notes) -> int:
    """Hold received submissions for a reason, with their notes, until an operator decides; how many were.

    Those that were moved since are skipped.
    """
    wanted = {work.id: (work.revision, reason) for work, reason in held}
    rows = [row for row in lock(tx, wanted) if row.state == State.RECEIVED and row.revision == wanted[row.id][0]]
    each = {row.id: {"reason": wanted[row.id][1], "notes": notes_text(notes.get(row.id, ()))} for row in rows}
    transition(tx, rows, State.HELD, TransitionCause(ctx), each=each)
    return len(rows)


def _fingerprint(reasons: Iterable[ValidationIssue]) -> str:
    return hashlib.sha256(dump_json(sorted((r.code, r.pointer, r.message) for r in reasons)).encode()).hexdigest()


def recover(tx: Transaction, ctx: RunContext, given: Sequence[WorkItem]) -> list[WorkItem]:
    """What was judged in place and found clean (quarantined, waiting) goes back to ``received``; as it is then."""
    revisions = {work.id: work.revision for work in given}
    rows = [
        row
        for row in lock(tx, revisions)
        if row.state in (State.QUARANTINED, State.WAITING) and row.revision == revisions[row.id]
    ]
    transition(tx, rows, State.RECEIVED, TransitionCause(ctx, "judged again and found clean"))
    return work_items(tx, [row.id for row in rows])


_VERSIONS = tuple(dict.fromkeys((*VERSION_COLUMNS, *WORK_COLUMNS)))
_SIBLINGS = sa.select(submission.c.id).where(
    submission.c.pipeline == sa.bindparam("pipeline"), among(submission.c.lineage, "lineages")
)


def resolve(
    tx: Transaction, ctx: RunContext, ids: Iterable[int], policies: VersionPolicies, limit: int | None
) -> list[WorkItem]:
    """Resolve the lineages of these submissions (any states); the winners that are to be transformed now.

    All versions that the ledger ever saw of the lineages take part. ``limit`` counts lineages, the longest known
    first; the submissions of the others stay ``received``.
    """
    lineages = list(dict.fromkeys(row.lineage for row in work_items(tx, ids)))[:limit]
    rows = _family(tx, ctx, lineages)
    if not rows:
        return []
    decided = resolve_versions(_version_frame(list(rows.values())), policies)
    winners = _carry_out(tx, ctx, rows, decided)
    return [work for work in work_items(tx, winners) if work.state == State.RECEIVED]


_newer = submission.alias("newer")
_OBSOLETE = sa.select(submission.c.id).where(
    submission.c.pipeline == sa.bindparam("pipeline"),
    submission.c.state.in_([State.QUARANTINED, State.REJECTED]),
    sa.exists().where(
        _newer.c.pipeline == submission.c.pipeline,
        _newer.c.lineage == submission.c.lineage,
        sa.or_(_newer.c.state == State.IMPORTED, _newer.c.reason == BASELINE),
        _newer.c.version >= submission.c.version,
    ),
)


def obsolete(tx: Transaction, name: str) -> set[int]:
    """What is refused although a newer version of its lineage is at the destination."""
    return set(tx.run(_OBSOLETE, {"pipeline": name}).scalars())


def supersede_obsolete(tx: Transaction, ctx: RunContext, policies: VersionPolicies) -> int:
    """Supersede what is quarantined or rejected although a newer version of the same order is at the destination.

    However that one came there: by load, by a look-up or by an operator. How many were superseded. Those that do not
    agree with the newer version (``orders.versions``) stay as they are.
    """
    rows = _family(tx, ctx, [work.lineage for work in work_items(tx, obsolete(tx, ctx.pipeline))])
    if not rows:
        return 0
    decided = resolve_versions(_version_frame(list(rows.values())), policies)
    stopped = {row.id for row in rows.values() if row.state in (State.QUARANTINED, State.REJECTED)}
    decided = decided[decided["id"].isin(stopped)]
    _carry_out(tx, ctx, rows, decided)
    return len(decided)


def _family(tx: Transaction, ctx: RunContext, lineages: Sequence[str]) -> dict[int, Any]:
    """All versions of these lineages, locked."""
    family = tx.run(_SIBLINGS, {"pipeline": ctx.pipeline, "lineages": list(dict.fromkeys(lineages))}).scalars().all()
    return {row.id: row for row in lock(tx, family, *[n for n in _VERSIONS if n not in ("id", "state")])}


def _version_frame(rows: list[Any]) -> pd.DataFrame:
    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in VERSION_COLUMNS}
    columns["items"] = [tuple(load_json(text, [])) for text in columns["items"]]
    columns["suffix"] = pd.Series(columns["suffix"], dtype=object)
    return pd.DataFrame(columns)


def _carry_out(tx: Transaction, ctx: RunContext, rows: dict[int, Any], decided: pd.DataFrame) -> list[int]:
    """Write the decisions, in sets; the ids that go on."""
    groups: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    lineages: dict[int, str] = {}
    for number, decision, reason, lineage, detail in decided[list(RESULT_COLUMNS)].itertuples(index=False, name=None):
        row = rows[int(number)]
        groups[decision, reason or "", detail or ""].append(row)
        if lineage != row.lineage:
            lineages[row.id] = lineage
    going: list[int] = []
    for (decision, reason, detail), group in groups.items():
        cause = TransitionCause(ctx, ": ".join(filter(None, (reason or decision, detail))), reason)
        if decision in (VersionDecision.WINNER, VersionDecision.NEW_LINEAGE):
            going += [row.id for row in group]
            _release(tx, cause, group, lineages)
        else:
            _transition_group(tx, cause, group, _TARGET[VersionDecision(decision)], lineages)
    return going


_TARGET = {
    VersionDecision.SUPERSEDED: State.SUPERSEDED,
    VersionDecision.HELD: State.HELD,
    VersionDecision.WAITING: State.WAITING,
    VersionDecision.DISCARDED: State.DISCARDED,
}


def _release(tx: Transaction, cause: TransitionCause, group: list[Any], lineages: dict[int, str]) -> None:
    """Winners: received and ready ones stay where they are, others come back to ``received``."""
    back = [row for row in group if row.state not in (State.RECEIVED, State.READY)]
    renamed = [row for row in back if row.id in lineages]
    transition(tx, renamed, State.RECEIVED, cause, each={row.id: {"lineage": lineages[row.id]} for row in renamed})
    transition(tx, [row for row in back if row.id not in lineages], State.RECEIVED, cause)
    stay = [row for row in group if row not in back and row.id in lineages]
    update(tx, stay, {row.id: {"lineage": lineages[row.id]} for row in stay})


def _transition_group(
    tx: Transaction, cause: TransitionCause, group: list[Any], state: State, lineages: dict[int, str]
) -> None:
    """The others: moved, unless they are there for the same reason already."""
    due = {"due_at": tx.now + RECHECK_AFTER} if state is State.WAITING else {}
    there = [row for row in group if row.state == state and (row.reason == cause.reason or state is State.SUPERSEDED)]
    stay = [row for row in there if row.id in lineages]
    update(tx, stay, {row.id: {"lineage": lineages[row.id]} for row in stay})
    moving = [row for row in group if row not in there]
    renamed = [row for row in moving if row.id in lineages]
    transition(tx, renamed, state, cause, due, each={row.id: {"lineage": lineages[row.id]} for row in renamed})
    transition(tx, [row for row in moving if row.id not in lineages], state, cause, due)
