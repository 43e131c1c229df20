"""Migrates a ledger's tables, and checks their revision.

The Alembic migrations are packaged beside this module and run without an ini file. Alembic is imported only to migrate:
every task opens a ledger, and nearly always finds it at the newest revision.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from order_relay import COMMAND
from order_relay.errors import ConfigurationError
from order_relay.ledger.store.database import DATABASE_ERRORS, Database, translate_error

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_203_114_551  # an arbitrary number: PostgreSQL's advisory lock for migrating
# It would log the same two lines in every task, whenever a ledger is opened.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

VERSION_TABLE = "order_relay_revision"
"""Not Alembic's default name, so that the ledger can share a database with other programs that use Alembic."""

_version = sa.table(VERSION_TABLE, sa.column("version_num")).c.version_num


def migrate(url: str) -> str:
    """Migrate the ledger at ``url`` to the newest revision, creating it if necessary; returns that revision.

    Runs in one transaction under a lock: if several processes start together, one migrates and the others wait. Raises
    ``ConfigurationError`` if the ledger is newer than this version, ``TransientError`` if it cannot be reached.
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
    from alembic import command

    with database.engine.begin() as conn:  # BEGIN IMMEDIATE is the lock on SQLite
        if conn.dialect.name == "postgresql":
            conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _refuse_newer(conn)
        config = _config()
        config.attributes["connection"] = conn
        command.upgrade(config, "head")


def head() -> str:
    """The newest revision known to this version."""
    return _revisions()[-1]


@cache
def _revisions() -> tuple[str, ...]:
    """All revisions, the oldest first: the numbers in the migrations' file names (``v0019_batches_by_time.py``)."""
    return tuple(sorted(path.stem[1:].partition("_")[0] for path in (_FOLDER / "versions").glob("v*.py")))


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
