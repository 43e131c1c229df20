"""The runs of pipelines, and the orders that a run touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.tables import event, run, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.store.text import load_json


class RecordedRun(NamedTuple):
    """A run of a pipeline. ``ended_at`` is ``None`` before its end; ``facts``: its counts, empty before its end."""

    pipeline: str
    run: str
    kind: str
    who: str
    started_at: datetime
    ended_at: datetime | None
    facts: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """Whether a task or the accounting check failed."""
        return bool(self.facts.get("failed_tasks") or self.facts.get("balanced") == "no")


class TouchedOrder(NamedTuple):
    """An order that a run touched, as it is now. ``total_minor`` in the currency's minor unit."""

    id: int
    pipeline: str
    order_number: str
    state: str
    reason: str
    oms_id: str | None
    total_minor: int | None
    currency: str
    changed_at: datetime


class RunHistory(Repository):
    """Runs and what they did."""

    @reads
    def latest(self, tx: Transaction, pipelines: Collection[str], most: int) -> list[RecordedRun]:
        """The latest runs of each pipeline, newest first."""
        found: list[RecordedRun] = []
        for name in sorted(pipelines):
            found += _runs(tx, sa.select(run).where(run.c.pipeline == name).order_by(run.c.started_at.desc()), most)
        return found

    @reads
    def named(self, tx: Transaction, name: str, pipelines: Collection[str]) -> list[RecordedRun]:
        """The runs with this name; a run of several pipelines has one for each."""
        return _runs(tx, sa.select(run).where(among(run.c.pipeline, "names", pipelines), run.c.run == name), 100)

    @reads
    def orders(self, tx: Transaction, name: str, pipelines: Collection[str], most: int) -> list[TouchedOrder]:
        """At most ``most`` orders that the run with this name changed, in the order in which they were received."""
        changed = sa.select(event.c.submission_id).where(event.c.run == name).distinct()
        ids = list(tx.run(changed).scalars())
        columns = [submission.c[column] for column in TouchedOrder._fields]
        found: list[TouchedOrder] = []
        for pipeline in sorted(pipelines):
            query = sa.select(*columns).where(of_pipeline(pipeline), among(submission.c.id, "ids"))
            rows = tx.run(query.order_by(submission.c.id).limit(most - len(found)), {"ids": ids})
            found += [TouchedOrder(**row) for row in rows.mappings()]
        return found


def _runs(tx: Transaction, query: sa.Select[Any], most: int) -> list[RecordedRun]:
    columns = [run.c[name] for name in RecordedRun._fields]
    rows = tx.run(query.with_only_columns(*columns).limit(most)).mappings()
    return [RecordedRun(**{**row, "facts": load_json(row["facts"], {})}) for row in rows]
