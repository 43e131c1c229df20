"""Versions of one order: which version of a lineage is sent, and which are superseded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import load_json
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

if TYPE_CHECKING:
    import pandas as pd

RECHECK_AFTER = timedelta(minutes=15)
"""A waiting submission is evaluated again after this time, even if the source does not offer it again."""

_VERSIONS = tuple(dict.fromkeys((*VERSION_COLUMNS, *WORK_COLUMNS)))
_SIBLINGS = sa.select(submission.c.id).where(
    submission.c.pipeline == sa.bindparam("pipeline"), among(submission.c.lineage, "lineages")
)

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


class Versions(Repository):
    """Versions of one order."""

    @writes
    def resolve(
        self, tx: Transaction, ctx: RunContext, ids: Iterable[int], policies: VersionPolicies, limit: int | None = None
    ) -> list[WorkItem]:
        """Resolve the lineages of these submissions (any states); returns the winners to transform.

        All versions of the lineages in the ledger take part. ``limit`` counts lineages, oldest first; the submissions
        of the others stay ``received``.
        """
        lineages = list(dict.fromkeys(row.lineage for row in work_items(tx, ids)))[:limit]
        rows = _family(tx, ctx, lineages)
        if not rows:
            return []
        decided = resolve_versions(_version_frame(list(rows.values())), policies)
        winners = _carry_out(tx, ctx, rows, decided)
        return [work for work in work_items(tx, winners) if work.state == State.RECEIVED]

    def supersede_obsolete(self, ctx: RunContext, policies: VersionPolicies) -> int:
        """Supersede quarantined and rejected versions if a newer version of the order is at the destination.

        Returns their number. Versions that do not agree with the newer one (``orders.decisions.versions``) keep their
        state.
        """
        return self._supersede_obsolete(ctx, policies) if self._obsolete(ctx.pipeline) else 0

    @reads
    def _obsolete(self, tx: Transaction, name: str) -> set[int]:
        """Refused submissions with a newer version of their lineage at the destination."""
        return set(tx.run(_OBSOLETE, {"pipeline": name}).scalars())

    @writes
    def _supersede_obsolete(self, tx: Transaction, ctx: RunContext, policies: VersionPolicies) -> int:
        """See ``supersede_obsolete``."""
        rows = _family(
            tx, ctx, [work.lineage for work in work_items(tx, tx.run(_OBSOLETE, {"pipeline": ctx.pipeline}).scalars())]
        )
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
    import pandas as pd

    columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in VERSION_COLUMNS}
    columns["items"] = [tuple(load_json(text, [])) for text in columns["items"]]
    columns["suffix"] = pd.Series(columns["suffix"], dtype=object)
    return pd.DataFrame(columns)


def _carry_out(tx: Transaction, ctx: RunContext, rows: dict[int, Any], decided: pd.DataFrame) -> list[int]:
    """Write the decisions in sets; returns the ids of the winners."""
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
    """Winners: received and ready ones keep their state, others return to ``received``."""
    back = [row for row in group if row.state not in (State.RECEIVED, State.READY)]
    renamed = [row for row in back if row.id in lineages]
    transition(tx, renamed, State.RECEIVED, cause, each={row.id: {"lineage": lineages[row.id]} for row in renamed})
    transition(tx, [row for row in back if row.id not in lineages], State.RECEIVED, cause)
    stay = [row for row in group if row not in back and row.id in lineages]
    update(tx, stay, {row.id: {"lineage": lineages[row.id]} for row in stay})


def _transition_group(
    tx: Transaction, cause: TransitionCause, group: list[Any], state: State, lineages: dict[int, str]
) -> None:
    """The others: changed, unless they are in the state for the same reason already."""
    due = {"due_at": tx.now + RECHECK_AFTER} if state is State.WAITING else {}
    there = [row for row in group if row.state == state and (row.reason == cause.reason or state is State.SUPERSEDED)]
    stay = [row for row in there if row.id in lineages]
    update(tx, stay, {row.id: {"lineage": lineages[row.id]} for row in stay})
    moving = [row for row in group if row not in there]
    renamed = [row for row in moving if row.id in lineages]
    transition(tx, renamed, state, cause, due, each={row.id: {"lineage": lineages[row.id]} for row in renamed})
    transition(tx, [row for row in moving if row.id not in lineages], state, cause, due)
