"""The scratch ledger of a dry run: a SQLite copy of one pipeline's part of the ledger, which the run may change.

Between the tasks of the run it is kept in the batch store, so that tasks on other machines find it.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.database import Database, Transaction, sqlite_url
from order_relay.ledger.store.migrate import check_revision
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_prefix
from order_relay.pipeline.runs.trials import SCRATCH_LEDGER

_ROWS = 1000
_BYTES = 48 * 1024


def scratch_object(pipeline: str, run: str) -> str:
    """The object with a dry run's ledger."""
    return f"{run_prefix(RunContext(pipeline, run))}/{SCRATCH_LEDGER}"


@contextmanager
def scratch_ledger(store: BatchStore, pipeline: str, run: str, real_url: str, *, keep: bool = True) -> Iterator[Ledger]:
    """The scratch ledger of this run: copied from ``real_url`` on first use, and kept unless an error is raised.

    A real ledger that does not exist counts as empty. Raises ``ConfigurationError`` if it has another schema revision.
    """
    name = scratch_object(pipeline, run)
    with tempfile.TemporaryDirectory(prefix="order-relay-dry-") as folder:
        file = Path(folder) / "ledger.sqlite"
        if store.exists(name):
            _fetch(store, name, file)
        else:
            migrate(sqlite_url(file))
            _copy(real_url, pipeline, sqlite_url(file))
        with closing(Ledger.open(sqlite_url(file))) as ledger:
            yield ledger
        if keep:
            _checkpoint(file)
            store.write_jsonl(name, _lines(file))


def _fetch(store: BatchStore, name: str, file: Path) -> None:
    with file.open("wb") as target:
        for text in store.read_jsonl(name):
            target.write(base64.b64decode(text))


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while block := source.read(_BYTES):
            yield base64.b64encode(block)


def _checkpoint(file: Path) -> None:
    """Move everything from the write-ahead log into the database file."""
    with closing(Database(sqlite_url(file))) as database, database.engine.connect() as conn:
        raw = conn.connection.driver_connection
        if raw is not None:
            raw.rollback()
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copy(real_url: str, pipeline: str, scratch_url: str) -> None:
    """Copy the rows of one pipeline, from one snapshot of the real ledger."""
    if _is_missing(real_url):
        return
    with closing(Database(real_url)) as real, closing(Database(scratch_url)) as scratch:
        check_revision(real)
        real.read(lambda source: scratch.write(lambda target: _copy_tables(source, target, pipeline)))


def _copy_tables(source: Transaction, target: Transaction, pipeline: str) -> None:
    for table in metadata.sorted_tables:
        wanted = _of_pipeline(table, pipeline)
        if wanted is None:
            continue
        rows = source.run(wanted.execution_options(yield_per=_ROWS))
        for portion in rows.mappings().partitions(_ROWS):
            target.many(table.insert(), [dict(row) for row in portion])


def _is_missing(url: str) -> bool:
    parsed = sa.engine.make_url(url)
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists()


def _of_pipeline(table: sa.Table, pipeline: str) -> sa.Select[tuple[object, ...]] | None:
    """A pipeline's rows; ``None`` for tables that belong to no pipeline (statuses), which no run reads."""
    if table.name == "pipeline":
        return sa.select(table).where(table.c.name == pipeline)
    if "pipeline" in table.c:
        return sa.select(table).where(table.c.pipeline == pipeline)
    found = None
    for key in table.foreign_keys:
        parents = _of_pipeline(key.column.table, pipeline)
        if parents is None:
            return None
        found = sa.select(table).where(key.parent.in_(parents.with_only_columns(key.column)))
    return found
