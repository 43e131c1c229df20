"""Rows of code tables that operators make. They win over the rows of the vendors' and pipelines' files.

Every change adds a version; the id of the newest one is the row's version. A run records the newest version when it
begins and reads the rows as of then, so that all its tasks use the same ones. Retention keeps all versions: they
contain no personal data and explain the payloads that were built with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError, ConfigurationError
from order_relay.ledger.operators.activity import record_action
from order_relay.ledger.schema.operator_tables import code_table_row
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import refusal, submission
from order_relay.ledger.schema.tables import run as run_table
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text, dump_json, load_json
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.mapping.mapping_rules import normalize_words
from order_relay.orders.messages import RunContext

TABLE = "table"
"""The kind of these actions in ``operator_action``."""

MAX_KEY, MAX_VALUE = 200, 4_000  # bytes
_ALL = 2**63 - 1


class RowKey(NamedTuple):
    """A row's table, and its key as the operator writes it."""

    table: str
    key: str


class CodeTableRow(NamedTuple):
    """One version of a row. ``code``: the key as codes are compared. ``previous``: the value of the version before, if
    there was one. ``value`` is ``None`` if the row was ``removed``."""

    version: int
    table: str
    code: str
    key: str
    value: Any
    previous: Any
    removed: bool
    who: str
    why: str
    at: datetime


_COLUMNS = [
    code_table_row.c[name]
    for name in ("id", "table_name", "code", "key", "value", "previous", "removed", "who", "why", "at")
]


class CodeTableRows(Repository):
    """The rows of code tables that operators made."""

    @reads
    def rows(self, tx: Transaction, pipeline: str, run: str = "") -> list[CodeTableRow]:
        """The present rows of a pipeline, or those that its run ``run`` uses if it has begun; by table and code."""
        row = code_table_row.c
        used = sa.select(run_table.c.tables_version).where(run_table.c.pipeline == pipeline, run_table.c.run == run)
        newest = (
            sa.select(sa.func.max(row.id))
            .where(row.pipeline == pipeline, row.id <= sa.func.coalesce(used.scalar_subquery(), _ALL))
            .group_by(row.table_name, row.code)
        )
        query = sa.select(*_COLUMNS).where(row.id.in_(newest), ~row.removed).order_by(row.table_name, row.code)
        return [_row(found) for found in tx.run(query)]

    @reads
    def history(self, tx: Transaction, pipeline: str, table: str, limit: int = 100) -> list[CodeTableRow]:
        """The newest versions of a table's rows, newest first."""
        row = code_table_row.c
        chosen = (row.pipeline == pipeline, row.table_name == table)
        return [_row(one) for one in tx.run(sa.select(*_COLUMNS).where(*chosen).order_by(row.id.desc()).limit(limit))]

    @reads
    def version(self, tx: Transaction, pipeline: str) -> int:
        """The newest version of any row of a pipeline; 0 if there is none. It changes with every change."""
        chosen = code_table_row.c.pipeline == pipeline
        return int(tx.run(sa.select(sa.func.max(code_table_row.c.id)).where(chosen)).scalar() or 0)

    @reads
    def refused_orders(
        self, tx: Transaction, pipeline: str, reasons: Sequence[str], limit: int
    ) -> list[tuple[WorkItem, datetime]]:
        """Quarantined orders with one of these reason codes, and since when they are; at most ``limit``, oldest first.

        Reads the pipeline's quarantined orders, never its history.
        """
        each = refusal.alias("each")
        newest = sa.select(sa.func.max(each.c.revision)).where(each.c.submission_id == submission.c.id)
        fits = sa.exists().where(
            refusal.c.submission_id == submission.c.id,
            refusal.c.revision == newest.scalar_subquery(),
            refusal.c.code.in_(reasons),
        )
        query = (
            sa.select(submission.c.id, submission.c.changed_at)
            .where(submission.c.pipeline == pipeline, submission.c.state == State.QUARANTINED, fits)
            .order_by(submission.c.id + 0)  # by id alone, a database would read all orders in their order
            .limit(limit)
        )
        since = {row.id: row.changed_at for row in tx.run(query)}
        return [(work, since[work.id]) for work in work_items(tx, since)]

    @writes
    def put(
        self, tx: Transaction, ctx: RunContext, of: RowKey, value: Any, why: str, *, shown: int | None = None
    ) -> CodeTableRow:
        """Add or change a row; returns its newest version. A value that the row already has adds no version.

        ``value`` is a text, number, boolean, list or object, never ``None``. ``shown``: the version that the operator
        saw (0: none); ``None`` accepts any. Raises ``ConfigurationError`` for an empty or too long key or value, and
        ``ConcurrentUpdateError`` if the row has another version than the one shown.
        """
        of = _clean(of)
        found = _locked(tx, ctx.pipeline, of, shown)
        if found is not None and (found.key, found.value, found.removed) == (of.key, value, False):
            return found
        return _add(tx, ctx, of, value, why, before=found)

    @writes
    def remove(
        self, tx: Transaction, ctx: RunContext, of: RowKey, why: str, *, shown: int | None = None
    ) -> CodeTableRow:
        """Remove a row, which uncovers a row of the files with the same key; returns the version that says so.

        Raises ``ConfigurationError`` if no operator made such a row, and otherwise as ``put``.
        """
        found = _locked(tx, ctx.pipeline, _clean(of), shown)
        if found is None or found.removed:
            raise ConfigurationError(
                f"code table {of.table!r} has no row {of.key!r} that was made here; rows of a file are changed "
                "in the file, or covered by a row of your own"
            )
        return _add(tx, ctx, RowKey(of.table, found.key), None, why, before=found)


def _clean(of: RowKey) -> RowKey:
    """The key without needless spaces, which do not matter for codes."""
    key = " ".join(of.key.split())
    if not key or not key.isprintable() or len(key.encode()) > MAX_KEY:
        raise ConfigurationError(
            f"code table {of.table!r}: a key must be a text of at most {MAX_KEY} bytes without control characters"
        )
    return RowKey(of.table, key)


def _locked(tx: Transaction, pipeline: str, of: RowKey, shown: int | None) -> CodeTableRow | None:
    """The newest version of a row, which no other transaction changes until this one ends."""
    table, key = of
    if tx.conn.dialect.name == "postgresql":  # so that versions rise in the order of commits; SQLite has one writer
        tx.conn.exec_driver_sql("LOCK TABLE code_table_row IN SHARE ROW EXCLUSIVE MODE")
    row = code_table_row.c
    which = (row.pipeline == pipeline, row.table_name == table, row.code == normalize_words(key))
    newest = tx.run(sa.select(*_COLUMNS).where(*which).order_by(row.id.desc()).limit(1)).one_or_none()
    found = None if newest is None else _row(newest)
    present = 0 if found is None or found.removed else found.version
    if shown is not None and shown != present:
        raise ConcurrentUpdateError(
            f"row {key!r} of code table {table!r} was changed since it was shown: it "
            + (f"is now {dump_json(found.value)}, made by {found.who}" if found and present else "was removed")
        )
    return found


def _add(
    tx: Transaction, ctx: RunContext, of: RowKey, value: Any, why: str, *, before: CodeTableRow | None
) -> CodeTableRow:
    stored = None if value is None else dump_json(value)
    if len(stored or "") > MAX_VALUE:
        raise ConfigurationError(
            f"code table {of.table!r}, row {of.key!r}: the value is longer than {MAX_VALUE} characters"
        )
    previous = None if before is None or before.removed else before.value
    row = CodeTableRow(
        0,
        of.table,
        normalize_words(of.key),
        of.key,
        value,
        previous,
        removed=value is None,
        who=clean_text(ctx.who, 200),
        why=clean_text(why),
        at=tx.now,
    )
    values = row._asdict() | {"value": stored, "previous": None if previous is None else dump_json(previous)}
    added = {"pipeline": ctx.pipeline, "table_name": values.pop("table"), **values}
    del added["version"]
    version = int(tx.run(code_table_row.insert().returning(code_table_row.c.id), added).scalar_one())
    details = {"table": of.table, "key": of.key, "version": version, "removed": row.removed}
    record_action(tx, who=ctx.who, action=TABLE, why=why, pipeline=ctx.pipeline, details=details)
    return row._replace(version=version)


def _row(found: Any) -> CodeTableRow:
    row = CodeTableRow(*found)
    return row._replace(value=load_json(row.value), previous=load_json(row.previous))
