"""Migrates a ledger's tables, and checks their revision.

A ledger in use is not held up: the long part of a migration runs beside it first (``migrations.large_tables``), and the
transaction that changes tables gives way to whoever uses them, and is tried again. The Alembic migrations are packaged
beside this module and run without an ini file. Alembic is imported only to migrate: every task opens a ledger, and
nearly always finds it at the newest revision.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from order_relay import COMMAND
from order_relay.backoff import backoff
from order_relay.errors import ConfigurationError
from order_relay.ledger.store.database import DATABASE_ERRORS, Database, translate_error
from order_relay.ledger.store.migrations.large_tables import LargeTables

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_203_114_551  # an arbitrary number: PostgreSQL's advisory lock for migrating
_TRY_LOCK = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
_POLL_S = 0.2
_TRIES, _LOCKED = 12, "55P03"  # of a transaction that found its tables in use, and PostgreSQL's code for it

LOCK_TIMEOUT_S = 3.0
"""Seconds that a migration waits for a table in use before it gives way."""

# It would log the same two lines in every task, whenever a ledger is opened.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

VERSION_TABLE = "order_relay_revision"
"""Not Alembic's default name, so that the ledger can share a database with other programs that use Alembic."""

_version = sa.table(VERSION_TABLE, sa.column("version_num")).c.version_num


def migrate(url: str) -> str:
    """Migrate the ledger at ``url`` to the newest revision, creating it if necessary; returns that revision.

    If several processes start together, one migrates and the others wait. A new ledger is made in one transaction;
    otherwise an interrupted migration resumes where it was. Raises ``ConfigurationError`` if the ledger is newer than
    this version, ``TransientError`` if it cannot be reached, or its tables are in use for longer than a minute.
    """
    database = Database(url, create=True)
    try:
        with database.engine.connect() as conn:
            newest = current_revision(conn) == head()
        if not newest:
            _upgrade(database)
    except DATABASE_ERRORS as error:
        raise translate_error(error, database.url) from error
    finally:
        database.close()
    return head()


def _upgrade(database: Database) -> None:
    with _alone(database.engine):
        with database.engine.connect() as conn:
            _refuse_newer(conn)
            found = current_revision(conn)
        for number, name in _files().items():
            if found is not None and number > found:
                module = import_module(f"{__package__}.migrations.versions.{name}")
                if prepare := getattr(module, "prepare", None):
                    upgrade_to(database, module.down_revision)
                    prepare(LargeTables(database.engine))
        upgrade_to(database, head())


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Nobody else migrates. On SQLite, the transactions exclude each other, and nothing is prepared."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as conn:
        # not waiting within a statement: its snapshot would hold up an index that is built beside it
        while not conn.execute(_TRY_LOCK, {"key": _LOCK}).scalar():
            conn.rollback()
            time.sleep(_POLL_S)
        # The result of the last query keeps its snapshot until the next statement, and this one needs none.
        conn.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield
        conn.rollback()


def upgrade_to(database: Database, revision: str) -> None:
    """Migrate to a revision in one transaction; nothing if the ledger has it.

    On PostgreSQL it waits at most ``LOCK_TIMEOUT_S`` for a table, since others queue behind it, then tries again later.
    """
    from alembic import command

    for again in range(_TRIES):
        try:
            with database.engine.begin() as conn:  # BEGIN IMMEDIATE is the lock on SQLite
                if conn.dialect.name == "postgresql":
                    conn.exec_driver_sql(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_S * 1000)}")
                _refuse_newer(conn)
                if (current_revision(conn) or "") < revision:
                    config = _config()
                    config.attributes["connection"] = conn
                    command.upgrade(config, revision)
                return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != _LOCKED or again == _TRIES - 1:
                raise
            time.sleep(backoff(_POLL_S, again, 5.0))


def head() -> str:
    """The newest revision known to this version."""
    return _revisions()[-1]


def _revisions() -> tuple[str, ...]:
    """All revisions, the oldest first."""
    return tuple(_files())


@cache
def _files() -> dict[str, str]:
    """The migrations' modules by revision, the oldest first: the numbers in their names (``v0019_batches_by_time``)."""
    names = sorted(path.stem for path in (_FOLDER / "versions").glob("v*.py"))
    return {name[1:].partition("_")[0]: name for name in names}


def current_revision(conn: Connection) -> str | None:
    """The revision of the ledger's tables; ``None`` if there are none."""
    if not sa.inspect(conn).has_table(VERSION_TABLE):
        return None
    revision: str | None = conn.execute(sa.select(_version)).scalar()
    return revision


def check_revision(database: Database) -> None:
    """Raise ``ConfigurationError`` unless the tables have the revision that this version needs."""
    try:
        with database.engine.connect() as conn:
            found = current_revision(conn)
            if found == head():
                return
            _refuse_newer(conn)
    except DATABASE_ERRORS as error:
        raise translate_error(error, database.url) from error
    what = (
        "has no tables yet"
        if found is None
        else f"is at revision {found}, but this version of Order Relay needs {head()}"
    )
    raise ConfigurationError(f"the ledger {what}: run '{COMMAND} ledger migrate'")


def _refuse_newer(conn: Connection) -> None:
    found = current_revision(conn)
    if found is not None and found not in _revisions():
        raise ConfigurationError(
            f"the ledger is at revision {found}, which this version of Order Relay does not know: update Order Relay"
        )


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
