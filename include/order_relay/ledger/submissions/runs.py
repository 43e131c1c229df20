"""Pipelines and runs: bindings to accounts, sequence numbers, suspension after refused credentials."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.operator_tables import code_table_row
from order_relay.ledger.schema.records import BatchInfo
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import pipeline, run, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes
from order_relay.ledger.store.text import clean_text, dump_json
from order_relay.orders.messages import RunContext

_NOT_IMPORTED = tuple(state for state in State if state is not State.IMPORTED)


class Runs(Repository):
    """Pipelines and their runs."""

    def bind(self, name: str, source_account: str, destination_account: str) -> None:
        """Bind a pipeline to its accounts on first use; afterwards check that they are unchanged.

        Raises ``ConfigurationError`` for other accounts, since the ledger's data is about other orders, and if another
        pipeline is bound to the same accounts, since each pipeline would send every order.
        """
        if not self._is_bound(name, source_account, destination_account):  # a read: the common case commits nothing
            self._bind(name, source_account, destination_account)

    @reads
    def _is_bound(self, tx: Transaction, name: str, source_account: str, destination_account: str) -> bool:
        """Whether the pipeline is bound to these accounts."""
        found = _pipeline(tx, name)
        return found is not None and (found.source_account, found.destination_account) == (
            source_account,
            destination_account,
        )

    @inserts
    def _bind(self, tx: Transaction, name: str, source_account: str, destination_account: str) -> None:
        """See ``bind``."""
        wanted = (source_account, destination_account)
        twin = tx.run(
            sa.select(pipeline.c.name).where(
                pipeline.c.source_account == source_account,
                pipeline.c.destination_account == destination_account,
                pipeline.c.name != name,
            )
        ).scalar()
        if twin is not None:
            raise ConfigurationError(
                f"pipeline {name!r}: pipeline {twin!r} of this ledger already moves orders from {source_account} to "
                f"{destination_account}; with both, each order would be sent twice"
            )
        found = _pipeline(tx, name)
        if found is None:
            tx.run(
                pipeline.insert(),
                {
                    "name": name,
                    "source_account": source_account,
                    "destination_account": destination_account,
                    "bound_at": tx.now,
                    "last_sequence": 0,
                    "unproven": True,
                },
            )
        elif (found.source_account, found.destination_account) != wanted:
            raise ConfigurationError(
                f"pipeline {name!r} is bound in this ledger to {found.source_account} and "
                f"{found.destination_account}, but the connections now name {source_account} and "
                f"{destination_account}. Correct the connections; or, for other accounts, start a new pipeline: "
                "another file in include/config with another name, or a ledger of its own"
            )

    @writes
    def begin(
        self, tx: Transaction, ctx: RunContext, kind: str, store_sequence: int = 0, *, behind: bool = False
    ) -> int:
        """Register a run; returns its sequence number, which the caller then writes to the batch store.

        ``store_sequence`` is the number in the batch store. If the ledger is new, empty, or behind the store (restored
        from a backup), or if ``behind`` is set, orders that are not imported become *unverified*: they are looked up
        before their first POST. A run that begins again (a retry) keeps its number. All tasks of the run use the code
        tables' rows of this moment.
        """
        found = require_pipeline(tx, ctx.pipeline, lock=True)
        empty = not tx.run(sa.select(sa.exists().where(submission.c.pipeline == ctx.pipeline))).scalar()
        past = behind or found.last_sequence < store_sequence or found.last_sequence == 0 or empty
        if past:
            mark_unverified(tx, ctx.pipeline)
        mine = tx.run(sa.select(run.c.sequence).where(run.c.pipeline == ctx.pipeline, run.c.run == ctx.run)).scalar()
        version = tx.run(
            sa.select(sa.func.max(code_table_row.c.id)).where(code_table_row.c.pipeline == ctx.pipeline)
        ).scalar()
        used = {"tables_version": version or 0}
        mine_only = run.update().where(run.c.pipeline == ctx.pipeline, run.c.run == ctx.run)
        if mine is not None and found.last_sequence >= store_sequence:
            tx.run(mine_only, used)
            return int(mine)
        number = max(int(found.last_sequence), store_sequence) + 1
        tx.run(pipeline.update().where(pipeline.c.name == ctx.pipeline), {"last_sequence": number})
        if mine is None:
            tx.run(
                run.insert(),
                {
                    "pipeline": ctx.pipeline,
                    "run": ctx.run,
                    "sequence": number,
                    "kind": kind,
                    "who": ctx.who,
                    "started_at": tx.now,
                    **used,
                },
            )
        else:
            tx.run(mine_only, {"sequence": number, **used})
        return number

    @writes
    def advance_sequence(self, tx: Transaction, name: str) -> int:
        """Advance the sequence number within a run, so that a backup taken before is recognized as behind."""
        number = int(require_pipeline(tx, name, lock=True).last_sequence) + 1
        tx.run(pipeline.update().where(pipeline.c.name == name), {"last_sequence": number})
        return number

    @writes
    def end(self, tx: Transaction, ctx: RunContext, facts: dict[str, Any]) -> None:
        """Record the end of a run and its facts (counts and durations, no order data)."""
        tx.run(
            run.update().where(run.c.pipeline == ctx.pipeline, run.c.run == ctx.run),
            {"ended_at": tx.now, "facts": dump_json(facts)},
        )
        order_counts.merge(tx, ctx.pipeline)

    @reads
    def last_sequence(self, tx: Transaction, name: str) -> int:
        """The newest sequence number of a pipeline; 0 if it never ran."""
        found = _pipeline(tx, name)
        return int(found.last_sequence) if found else 0

    @reads
    def watermark(self, tx: Transaction, name: str) -> datetime | None:
        """The watermark (UTC) up to which a source that is read by time was read without a gap."""
        found = _pipeline(tx, name)
        return found.read_to if found else None

    @writes
    def suspend(self, tx: Transaction, name: str, fingerprint: str, why: str) -> None:
        """Suspend the pipeline until its connection changes; ``fingerprint`` identifies the present connection."""
        require_pipeline(tx, name)
        tx.run(
            pipeline.update().where(pipeline.c.name == name),
            {"resting_fingerprint": fingerprint, "resting_why": clean_text(why)},
        )

    @reads
    def suspended_for(self, tx: Transaction, name: str) -> str | None:
        """The fingerprint of the connection that was refused; ``None`` if the pipeline is not suspended."""
        found = _pipeline(tx, name)
        return found.resting_fingerprint if found else None

    @writes
    def resume(self, tx: Transaction, name: str) -> None:
        """Resume a suspended pipeline."""
        tx.run(pipeline.update().where(pipeline.c.name == name), {"resting_fingerprint": None, "resting_why": None})

    @reads
    def pipelines(self, tx: Transaction) -> list[str]:
        """The names of all pipelines that ever ran, in order."""
        return list(tx.run(sa.select(pipeline.c.name).order_by(pipeline.c.name)).scalars())

    @reads
    def exists(self, tx: Transaction, name: str) -> bool:
        """Whether a run of this name began in any pipeline."""
        known = sa.exists().where(run.c.run == name, run.c.pipeline == pipeline.c.name)
        return bool(tx.run(sa.select(sa.exists(sa.select(pipeline.c.name).where(known)))).scalar())

    @reads
    def latest(self, tx: Transaction, most: int = 200) -> list[str]:
        """The names of at most ``most`` runs of each pipeline, latest first."""
        names: list[str] = []
        for bound in tx.run(sa.select(pipeline.c.name, pipeline.c.last_sequence)):
            latest = (
                sa.select(run.c.run).where(run.c.pipeline == bound.name).order_by(run.c.started_at.desc()).limit(most)
            )
            names += tx.run(latest).scalars()
        return names


def mark_unverified(tx: Transaction, name: str) -> None:
    """Require a lookup before the first POST of every order of the pipeline that is not imported."""
    tx.run(pipeline.update().where(pipeline.c.name == name), {"unproven": True})
    tx.run(
        submission.update().where(submission.c.pipeline == name, submission.c.state.in_(_NOT_IMPORTED)),
        {"proven": False},
    )


def advance_watermark(tx: Transaction, bound: Any, info: BatchInfo) -> None:
    """Advance the watermark, and end the start with a history."""
    changed: dict[str, Any] = {}
    if info.complete or info.read_to is not None:
        changed["unproven"] = False
    if info.read_to is not None and (bound.read_to is None or info.read_to > bound.read_to):
        changed["read_to"] = info.read_to
    if changed:
        tx.run(pipeline.update().where(pipeline.c.name == bound.name), changed)


def require_pipeline(tx: Transaction, name: str, lock: bool = False) -> Any:
    """The pipeline's row, locked if ``lock``. Raises ``ConfigurationError`` if it was never bound."""
    found = _pipeline(tx, name, lock)
    if found is None:
        raise ConfigurationError(f"pipeline {name!r} is not bound in this ledger; bind it to its accounts first")
    return found


def _pipeline(tx: Transaction, name: str, lock: bool = False) -> Any:
    query = sa.select(pipeline).where(pipeline.c.name == name)
    return tx.run(query.with_for_update() if lock else query).one_or_none()
