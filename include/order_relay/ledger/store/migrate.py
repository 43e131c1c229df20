"""Bringing a ledger's tables up to date, and telling whether they are.

Migrations are Alembic's, packaged beside this module and run without any ini file.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from order_relay import COMMAND
from order_relay.errors import ConfigurationError
from order_relay.ledger.store.database import DATABASE_ERRORS, Database, translate_error

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_203_114_551  # any number of our own: PostgreSQL's advisory lock for migrating
# It says the same two lines whenever a ledger is opened, in every task's log.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

VERSION_TABLE = "order_relay_revision"
"""Its own name, so that the ledger may share a database with programs that use Alembic too."""


def migrate(url: str) -> str:
    """Bring the ledger at ``url`` to the newest revision, making it where there is none; returns that revision.

    Runs in one transaction under a lock: of several processes that start at once, one migrates and the others find it
    done. Raises ``ConfigurationError`` where the ledger is newer than this program, ``TransientError`` where it can not
    be reached.
    """
    database = Database(url, create=True)
    try:
        with database.engine.begin() as conn:  # BEGIN IMMEDIATE is the lock on SQLite
            if conn.dialect.name == "postgresql":
                conn.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _refuse_newer(conn)
            config = _config()
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    except DATABASE_ERRORS as error:
        raise translate_error(error, database.url) from error
    finally:
        database.close()
    return head()


@lru_cache(maxsize=1)
def head() -> str:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current_revision(conn: Connection) -> str | None:
    """The revision of the ledger's tables; ``None`` where there are none."""
    return MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE}).get_current_revision()


def check_revision(database: Database) -> None:
    """Raise ``ConfigurationError`` unless the tables are of the revision that this program needs."""
    try:
        with database.engine.connect() as conn:
            found = current_revision(conn)
            if found == head():
                return
            _refuse_newer(conn)
    except DATABASE_ERRORS as error:
        raise translate_error(error, database.url) from error
    what = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head()}"
    raise ConfigurationError(f"the ledger {what}: run '{COMMAND} ledger migrate'")


def _refuse_newer(conn: Connection) -> None:
    found = current_revision(conn)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationError(
            f"the ledger is at revision {found}, which this program does not know: update the program"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
