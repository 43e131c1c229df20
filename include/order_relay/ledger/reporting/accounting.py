"""The accounting check: counts of orders, and the invariants that must hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay import COMMAND
from order_relay.ledger.reporting.count_check import COUNTED, Counts, maintained, wrong_counts
from order_relay.ledger.schema.listed_rows import ClosedBatch, OrderCounts
from order_relay.ledger.schema.order_counts import ACKNOWLEDGED, CURRENT, order_count
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE, of_pipeline
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import attempt, batch, event, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.migrations.versions.v0022_order_trends import count_again
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import load_json
from order_relay.ledger.write_back.acknowledgements import premature
from order_relay.orders.notes import notes_from_json

Scope = list[sa.ColumnElement[bool]]
_other = submission.alias("other")
_SHOWN = 5  # ids named per violation


PORTION = 20_000
"""Submissions that a statement reads in the check of a whole ledger."""


@dataclass(frozen=True)
class CheckProgress:
    """How far the check of a whole pipeline or ledger came: to the ledger id ``to``, then ``compared`` of ``COUNTED``.

    ``found``: by violated rule, the number of submissions and the first ids. ``wrong``: maintained counts that differ.
    """

    to: int = 0
    found: Mapping[str, tuple[int, list[int]]] = field(default_factory=dict)
    compared: int = 0
    wrong: list[str] = field(default_factory=list)

    def plus(self, to: int, more: Mapping[str, list[int]]) -> CheckProgress:
        """The progress after another portion."""
        found = dict(self.found)
        for what, ids in more.items():
            number, first = found.get(what, (0, []))
            found[what] = (number + len(ids), [*first, *ids][:_SHOWN])
        return replace(self, to=to, found=found)

    def texts(self) -> list[str]:
        """One line for each violated rule."""
        lines = [
            f"{number} submissions: {what} (ledger ids {', '.join(map(str, ids))}{', ...' if number > _SHOWN else ''})"
            for what, (number, ids) in self.found.items()
        ]
        if self.wrong:
            lines.append(f"the maintained counts are wrong ({'; '.join(self.wrong)}). Run {COMMAND} ledger recount")
        return lines


NOT_BEGUN = CheckProgress()


class Accounting(Repository):
    """Counts of orders, and the checks that they add up."""

    @reads
    def counts(self, tx: Transaction, name: str | None = None, run: str | None = None) -> OrderCounts:
        """Submissions by state and by (state, reason), and the number of confirmed acknowledgements.

        With ``run``: only submissions whose state this run changed, with their present states, and notes by code.
        """
        if run is None:
            named = IN_ANY_PIPELINE if name is None else submission.c.pipeline == name
            kept = maintained(tx, name, order_count.c.kind.in_(CURRENT))
            return _order_counts(kept + _by_reason(tx, [named, submission.c.state.in_(OPEN)]))
        where = _scope(tx, name, run)
        return {**_order_counts(_actual(tx, where)), "notes": _notes(tx, where)}

    @reads
    def imported_with_remarks(self, tx: Transaction, name: str, run: str, limit: int) -> list[tuple[str, str, str]]:
        """Orders that this run imported although the destination reported an error: number, OMS id, message.

        The message may contain customer data: it must not be logged.
        """
        return [
            tuple(row)
            for row in tx.run(
                sa.select(submission.c.order_number, attempt.c.oms_id, attempt.c.remark)
                .join(submission, submission.c.id == attempt.c.submission_id)
                .where(attempt.c.run == run, attempt.c.remark != sa.literal_column("''"), submission.c.pipeline == name)
                .order_by(attempt.c.submission_id, attempt.c.number)
                .limit(limit)
            )
        ]

    def invariant_violations(
        self,
        name: str | None = None,
        run: str | None = None,
        *,
        progress: CheckProgress = NOT_BEGUN,
        save: Callable[[CheckProgress], None] = lambda _: None,
    ) -> list[str]:
        """What breaks the accounting check, as far as the ledger alone shows it; empty if the check passes.

        With ``run``: of the submissions that this run changed, so that the cost depends on the run's work. Without, of
        the whole pipeline or ledger, in portions of ``PORTION`` submissions, and then the maintained counts, one kind
        after another: no snapshot is held for long, ``save`` gets the progress after each, and a check that was
        interrupted resumes from its ``progress``.
        """
        if run is not None:
            return self._violations_of_run(name, run).texts()
        while progress.to < self._newest_id():
            progress = self._check_portion(name, progress)
            save(progress)
        while progress.compared < len(COUNTED):
            progress = self._compare_counts(name, progress)
            save(progress)
        return progress.texts()

    @reads
    def _violations_of_run(self, tx: Transaction, name: str | None, run: str) -> CheckProgress:
        return NOT_BEGUN.plus(0, _violations(tx, _scope(tx, name, run)))

    @reads
    def _check_portion(self, tx: Transaction, name: str | None, progress: CheckProgress) -> CheckProgress:
        to = progress.to + PORTION
        scope = [submission.c.id > progress.to, submission.c.id <= to]
        return progress.plus(to, _violations(tx, [*scope, *([] if name is None else [of_pipeline(name)])]))

    @reads
    def _newest_id(self, tx: Transaction) -> int:
        return int(tx.run(sa.select(sa.func.max(submission.c.id))).scalar() or 0)

    @reads
    def _compare_counts(self, tx: Transaction, name: str | None, progress: CheckProgress) -> CheckProgress:
        wrong = [*progress.wrong, *wrong_counts(tx, name, progress.compared, PORTION)]
        return replace(progress, compared=progress.compared + 1, wrong=wrong)

    @writes
    def recount(self, tx: Transaction) -> None:
        """Count all orders again, for ``counts``."""
        count_again(tx.conn)

    @reads
    def unknown_source_ids(self, tx: Transaction, name: str, source_ids: Iterable[str]) -> set[str]:
        """Those of ``source_ids`` (from an archived batch) that are missing from the ledger, that is, lost."""
        wanted = set(source_ids)
        query = sa.select(submission.c.source_id).where(
            submission.c.pipeline == name, among(submission.c.source_id, "keys")
        )
        return wanted - set(tx.run(query, {"keys": sorted(wanted)}).scalars())

    @reads
    def batches(self, tx: Transaction, name: str, since: datetime | None = None) -> list[ClosedBatch]:
        """The closed batches of a pipeline, oldest first; with ``since``, those fetched from then on."""
        query = (
            sa.select(*(batch.c[column] for column in ClosedBatch.__annotations__))
            .where(batch.c.pipeline == name, *([batch.c.fetched_at >= since] if since else []))
            .order_by(batch.c.fetched_at, batch.c.batch_id)
        )
        return tx.rows(ClosedBatch, query)


def _violations(tx: Transaction, scope: Scope) -> dict[str, list[int]]:
    """The violated rules, each with the submissions of the scope that violate it."""
    found = {
        "the state differs from the last event": _state_without_event(tx, scope),
        "imported without an OMS id": _imported_without_id(tx, scope),
        "the OMS id is also that of another order": _shared_oms_ids(tx, scope),
        "the destination returned more than one OMS id": _contradicting_answers(tx, scope),
        "acknowledged too early": premature(tx, scope),
    }
    return {what: ids for what, ids in found.items() if ids}


def _notes(tx: Transaction, where: list[sa.ColumnElement[bool]]) -> dict[str, int]:
    """Number of orders with a note of each code, such as a truncated text."""
    rows = tx.run(
        sa.select(submission.c.notes, sa.func.count().label("n"))
        .where(*where, submission.c.notes != "[]")
        .group_by(submission.c.notes)
    ).all()
    found: Counter[str] = Counter()
    for row in rows:
        found.update(dict.fromkeys((note.code for note in notes_from_json(load_json(row.notes, []))), row.n))
    return dict(found)


def _scope(tx: Transaction, name: str | None, run: str | None) -> Scope:
    """The submissions of a pipeline, and of those the ones that a run changed.

    Those of a run are read first: with both conditions, SQLite would read the whole pipeline.
    """
    if run is None:
        return [] if name is None else [submission.c.pipeline == name]
    changed = tx.run(sa.select(event.c.submission_id).where(event.c.run == run).distinct()).scalars()
    query = sa.select(submission.c.id, submission.c.pipeline).where(among(submission.c.id, "changed", changed))
    return [among(submission.c.id, "scope", [row.id for row in tx.run(query) if name in {None, row.pipeline}])]


def _by_reason(tx: Transaction, where: Scope) -> Counts:
    query = (
        sa.select(submission.c.state, submission.c.reason, sa.func.count().label("n"))
        .where(*where)
        .group_by(submission.c.state, submission.c.reason)
    )
    return Counter({(row.state, row.reason): row.n for row in tx.run(query)})


def _actual(tx: Transaction, where: Scope) -> Counts:
    """Counted from the submissions."""
    confirmed = sa.select(sa.func.count()).select_from(submission).where(*where, submission.c.ack == "confirmed")
    return _by_reason(tx, where) + Counter({(ACKNOWLEDGED, ""): tx.run(confirmed).scalar_one()})


def _order_counts(found: Counts) -> OrderCounts:
    states: dict[str, int] = {str(state): 0 for state in State}
    for (state, _), n in found.items():
        if state != ACKNOWLEDGED:
            states[state] += n
    return {
        "received": sum(states.values()),
        "states": states,
        "reasons": {(state, reason): n for (state, reason), n in found.items() if reason},
        "acknowledged": found[ACKNOWLEDGED, ""],
        "notes": {},
    }


def _state_without_event(tx: Transaction, scope: Scope) -> list[int]:
    last = (
        sa.select(event.c.to_state)
        .where(event.c.submission_id == submission.c.id)
        .order_by(event.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = sa.select(submission.c.id).where(*scope, submission.c.state != sa.func.coalesce(last, ""))
    return list(tx.run(query).scalars())


def _imported_without_id(tx: Transaction, scope: Scope) -> list[int]:
    query = sa.select(submission.c.id).where(
        *scope, submission.c.state == State.IMPORTED, sa.func.coalesce(submission.c.oms_id, "") == ""
    )
    return list(tx.run(query).scalars())


def _shared_oms_ids(tx: Transaction, scope: Scope) -> list[int]:
    others = sa.select(_other.c.id).where(
        _other.c.oms_id == submission.c.oms_id,
        # an expression, since SQLite would read all orders of the destination for each order by that column's indexes
        sa.func.coalesce(_other.c.destination, sa.literal_column("''")) == submission.c.destination,
        _other.c.state == State.IMPORTED,
        _other.c.id != submission.c.id,
    )
    query = sa.select(submission.c.id).where(*scope, submission.c.state == State.IMPORTED, _has_any(others))
    return list(tx.run(query).scalars())


def _contradicting_answers(tx: Transaction, scope: Scope) -> list[int]:
    """A late answer to an earlier attempt, or another id than a lookup found."""
    answers = sa.select(attempt.c.number).where(
        attempt.c.submission_id == submission.c.id,
        attempt.c.oms_id != "",
        sa.or_(submission.c.oms_id.is_(None), submission.c.oms_id != attempt.c.oms_id),
    )
    return list(tx.run(sa.select(submission.c.id).where(*scope, _has_any(answers))).scalars())


def _has_any(query: sa.Select[Any]) -> sa.ColumnElement[bool]:
    """Whether a correlated query has a row. For ``EXISTS``, PostgreSQL would join the portion with the whole table."""
    return query.limit(1).scalar_subquery().is_not(None)
