"""Backup and restore of the ledger.

Two formats, recognized by their first bytes. A **SQLite file**, made by SQLite's online backup API while the ledger
stays in use; SQLite ledgers only. A **portable dump**, which either kind of database can write and restore: gzip, one
JSON value per line, first a header with the revision, then the rows table by table from one snapshot, last a checksum.

A backup contains personal data, as the ledger does; the file is readable by its owner only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from order_relay.errors import ConfigurationError
from order_relay.iteration import batched
from order_relay.ledger.operators.completed_checks import BACKUP, CompletedChecks
from order_relay.ledger.schema.tables import metadata, pipeline
from order_relay.ledger.store.column_types import UtcTime
from order_relay.ledger.store.database import Database, Transaction, sqlite_url
from order_relay.ledger.store.migrate import check_revision, head, migrate
from order_relay.ledger.submissions import runs

FORMAT = "order-relay-ledger"
DUMP_SUFFIX = ".jsonl.gz"
_ROWS = 500
_SQLITE, _GZIP = b"SQLite format 3\x00", b"\x1f\x8b"

Rows = Iterable[tuple[str, Mapping[str, Any]]]


ProgressCallback = Callable[[int], None]
"""Called repeatedly with the number of rows processed since the last call."""


def _no_progress(_: int) -> None:
    """Ignore the progress."""


def back_up(url: str, path: Path, done: ProgressCallback = _no_progress) -> dict[str, Any]:
    """Write a backup of the ledger at ``url`` to a new file.

    A SQLite ledger is written as a SQLite file, or as a portable dump if the name ends with ``.jsonl.gz``; a PostgreSQL
    ledger is written as a portable dump. Returns the file, format, revision, bytes, and rows by table. Raises
    ``ConfigurationError`` if the file exists or cannot be written.
    """
    if path.exists():
        raise ConfigurationError(f"{path} already exists; choose another name, since a backup never overwrites a file")
    with closing(Database(url)) as database:
        check_revision(database)
        portable = database.url.get_backend_name() != "sqlite" or path.name.endswith(DUMP_SUFFIX)
        try:
            with _new_file(path) as target_file:
                rows = _dump(database, target_file, done) if portable else _copy_sqlite(database, target_file, done)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"{path} cannot be written: {error}") from None
        with suppress(ConfigurationError):  # a user who may only read may back up as well
            facts = {"bytes": path.stat().st_size, "format": "portable" if portable else "sqlite"}
            CompletedChecks(database).record(BACKUP, facts)
    return {
        "file": str(path),
        "format": "portable" if portable else "sqlite",
        "revision": head(),
        "bytes": path.stat().st_size,
        "rows": rows,
    }


def restore(url: str, path: Path, *, replace: bool = False, done: ProgressCallback = _no_progress) -> dict[str, Any]:
    """Restore a backup into the ledger at ``url``, in one transaction.

    Creates the ledger if it does not exist. A ledger with data is refused unless ``replace`` allows its removal.
    Afterwards every pipeline starts like one with a history: orders that are not imported are looked up before their
    first POST. Returns the file, revision, rows by table, and pipelines. Raises ``ConfigurationError`` if the file is
    not a backup, is damaged, or has a revision that this version cannot read.
    """
    with _opened(path) as rows:
        migrate(url)
        with closing(Database(url)) as database:
            counts, pipelines = database.write(
                lambda tx: (_insert_rows(tx, rows(), done, replace=replace), _require_preflight(tx))
            )
    return {"file": str(path), "revision": head(), "rows": counts, "pipelines": pipelines}


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """A file that gets its name only once it is complete and durable."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    target_file = Path(name)
    try:
        yield target_file
        with target_file.open("rb") as written:
            os.fsync(written.fileno())
        target_file.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        target_file.unlink(missing_ok=True)


# SQLite files


def _copy_sqlite(database: Database, target_file: Path, done: ProgressCallback) -> dict[str, int]:
    source_uri = Path(database.url.database or "").resolve().as_uri()
    with (
        closing(sqlite3.connect(f"{source_uri}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target_file)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a write-ahead log beside it
        (verdict,) = target.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise ConfigurationError(
                "the copy of the ledger fails SQLite's integrity check; check the disk of the ledger"
            )
        counts = {
            table.name: target.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()[0]  # noqa: S608 - our names
            for table in metadata.sorted_tables
        }
        done(sum(counts.values()))
        return counts


@contextmanager
def _sqlite_rows(path: Path) -> Iterator[Callable[[], Rows]]:
    """The rows of a SQLite file, read from a copy that is migrated to the current revision first."""
    with tempfile.TemporaryDirectory(prefix="order-relay-restore-") as folder:
        copy = Path(folder) / "ledger.sqlite"
        shutil.copyfile(path, copy)
        url = sqlite_url(copy)
        migrate(url)
        with closing(Database(url)) as database, database.engine.connect() as conn:
            yield lambda: _all_rows(Transaction(conn))


# Portable dumps


def _dump(database: Database, target_file: Path, done: ProgressCallback) -> dict[str, int]:
    digest, counts = hashlib.sha256(), Counter(dict.fromkeys(metadata.tables, 0))
    with gzip.open(target_file, "wb", compresslevel=6) as out:

        def write(value: Any) -> None:
            line = json.dumps(value, separators=(",", ":"), default=datetime.isoformat).encode() + b"\n"
            digest.update(line)
            out.write(line)

        def dump(tx: Transaction) -> None:
            write({"format": FORMAT, "revision": head(), "made_at": tx.now})
            for name, row in _all_rows(tx):
                write([name, dict(row)])
                counts[name] += 1
                done(1)

        database.read(dump)
        out.write(json.dumps({"sha256": digest.hexdigest(), "rows": counts}).encode() + b"\n")
    return dict(counts)


def _all_rows(tx: Transaction) -> Rows:
    for table in metadata.sorted_tables:
        found = tx.run(sa.select(table).order_by(*table.primary_key).execution_options(yield_per=_ROWS))
        for row in found.mappings():
            yield table.name, dict(row)


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a dump without the last one, the checksum, which is verified. Raises ``ConfigurationError``."""
    damaged = ConfigurationError(f"{path.name} is damaged or truncated: its checksum does not match")
    digest, before = hashlib.sha256(), b""
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                if before:
                    digest.update(before)
                    yield before
                before = line
        if json.loads(before)["sha256"] != digest.hexdigest():
            raise damaged
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError):
        raise damaged from None


@contextmanager
def _portable_rows(path: Path) -> Iterator[Callable[[], Rows]]:
    """The rows of a dump. The whole file is verified before the first row is returned."""
    lines = _lines(path)
    first = next(lines, b"null")
    header = json.loads(first)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ConfigurationError(f"{path.name} is not a backup of a ledger")
    if header.get("revision") != head():
        raise ConfigurationError(
            f"{path.name} has revision {header.get('revision')}, but this version of Order Relay reads {head()}: "
            "restore it with the version that wrote it, then update and migrate"
        )
    for _ in lines:
        pass
    yield lambda: map(_row, islice(_lines(path), 1, None))


def _row(line: bytes) -> tuple[str, Mapping[str, Any]]:
    name, values = json.loads(line)
    times = {column.name for column in metadata.tables[name].columns if isinstance(column.type, UtcTime)}
    return name, {
        key: datetime.fromisoformat(value) if key in times and value is not None else value
        for key, value in values.items()
    }


# Restoring


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[], Rows]]:
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    if start == _SQLITE:
        opener = _sqlite_rows
    elif start.startswith(_GZIP):
        opener = _portable_rows
    else:
        raise ConfigurationError(f"{path.name} is not a backup of a ledger")
    with opener(path) as rows:
        yield rows


def _insert_rows(tx: Transaction, rows: Rows, done: ProgressCallback, *, replace: bool) -> dict[str, int]:
    if tx.run(sa.select(sa.exists(sa.select(pipeline)))).scalar() and not replace:
        raise ConfigurationError("the ledger is not empty; use --replace to remove its data and restore the backup")
    for table in reversed(metadata.sorted_tables):
        tx.run(table.delete())
    counts: Counter[str] = Counter(dict.fromkeys(metadata.tables, 0))
    for name, chunk in _chunks(rows):
        tx.many(metadata.tables[name].insert(), chunk)
        counts[name] += len(chunk)
        done(len(chunk))
    if tx.conn.dialect.name == "postgresql":
        _advance_sequences(tx)
    return dict(counts)


def _chunks(rows: Rows) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Chunks of rows, each of one table."""
    for name, of_table in groupby(rows, key=itemgetter(0)):
        for chunk in batched((dict(row) for _, row in of_table), _ROWS):
            yield name, chunk


def _advance_sequences(tx: Transaction) -> None:
    """Move PostgreSQL's sequences past the inserted ids; inserts with an id do not advance them."""
    for table in metadata.sorted_tables:
        key = table.primary_key.columns.values()[0]
        if key.name != "id":
            continue
        sequence = sa.func.pg_get_serial_sequence(table.name, "id")
        highest = sa.select(sa.func.coalesce(sa.func.max(key), 1)).scalar_subquery()
        tx.run(sa.select(sa.func.setval(sequence, sa.func.greatest(highest, sa.func.nextval(sequence)))))


def _require_preflight(tx: Transaction) -> list[str]:
    """Make every pipeline start like one with a history; returns their names."""
    names = list(tx.run(sa.select(pipeline.c.name).order_by(pipeline.c.name)).scalars())
    for name in names:
        runs.mark_unverified(tx, name)
    return names
