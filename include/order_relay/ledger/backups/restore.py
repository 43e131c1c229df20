"""Restores a backup: verified as a whole before the first row, then all or nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from order_relay.errors import ConfigurationError
from order_relay.ledger.backups.backup import FORMAT, ProgressCallback, no_progress
from order_relay.ledger.backups.bulk_load import replace_all
from order_relay.ledger.backups.rows import LineReader, Rows, sqlite_rows
from order_relay.ledger.schema.tables import pipeline
from order_relay.ledger.store.database import Database, Transaction, sqlite_url
from order_relay.ledger.store.migrate import head, migrate
from order_relay.ledger.submissions import runs

_SQLITE, _GZIP = b"SQLite format 3\x00", b"\x1f\x8b"


def restore(url: str, path: Path, *, replace: bool = False, done: ProgressCallback = no_progress) -> dict[str, Any]:
    """Restore a backup into the ledger at ``url``, in one transaction.

    Creates the ledger if it does not exist. A ledger with data is refused unless ``replace`` allows its removal.
    Afterwards every pipeline starts like one with a history: orders that are not imported are looked up before their
    first POST. Returns the file, revision, rows by table, and pipelines. Raises ``ConfigurationError`` if the file is
    not a backup, is damaged, or has a revision that this version cannot read.
    """

    def work(tx: Transaction) -> tuple[dict[str, int], list[str]]:
        if tx.run(sa.select(sa.exists(sa.select(pipeline)))).scalar() and not replace:
            raise ConfigurationError("the ledger is not empty; use --replace to remove its data and restore the backup")
        return replace_all(tx, rows(), done), _require_preflight(tx)

    with _opened(path) as rows:
        migrate(url)
        with closing(Database(url)) as database:
            counts, pipelines = database.write(work)
    return {"file": str(path), "revision": head(), "rows": counts, "pipelines": pipelines}


@contextmanager
def _opened(path: Path) -> Iterator[Callable[[], Rows]]:
    try:
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    if start == _SQLITE:
        opener = _of_sqlite_file
    elif start.startswith(_GZIP):
        opener = _of_dump
    else:
        raise ConfigurationError(f"{path.name} is not a backup of a ledger")
    with opener(path) as rows:
        yield rows


@contextmanager
def _of_sqlite_file(path: Path) -> Iterator[Callable[[], Rows]]:
    """The rows of a SQLite file, read from a copy that is migrated to the current revision first."""
    with tempfile.TemporaryDirectory(prefix="order-relay-restore-") as folder:
        copy = Path(folder) / "ledger.sqlite"
        shutil.copyfile(path, copy)
        url = sqlite_url(copy)
        migrate(url)
        with closing(Database(url)) as database, database.engine.connect() as conn, conn.begin():
            yield lambda: sqlite_rows(conn)


@contextmanager
def _of_dump(path: Path) -> Iterator[Callable[[], Rows]]:
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
    yield lambda: map(LineReader().row, islice(_lines(path), 1, None))


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


def _require_preflight(tx: Transaction) -> list[str]:
    """Make every pipeline start like one with a history; returns their names."""
    names = list(tx.run(sa.select(pipeline.c.name).order_by(pipeline.c.name)).scalars())
    for name in names:
        runs.mark_unverified(tx, name)
    return names
