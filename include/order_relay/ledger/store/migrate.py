"""Migrates a ledger's tables, and checks their revision.

The Alembic migrations are packaged beside this module and run without an ini file.
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
_LOCK = 7_203_114_551  # an arbitrary number: PostgreSQL's advisory lock for migrating
# It would log the same two lines in every task, whenever a ledger is opened.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

VERSION_TABLE = "order_relay_revision"
"""Not Alembic's default name, so that the ledger can share a database with other programs that use Alembic."""


def migrate(url: str) -> str:
    """Migrate the ledger at ``url`` to the newest revision, creating it if necessary; returns that revision.

    Runs in one transaction under a lock: if several processes start together, one migrates and the others wait. Raises
    ``ConfigurationError`` if the ledger is newer than this version, ``TransientError`` if it cannot be reached.
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
    """The newest revision known to this version."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current_revision(conn: Connection) -> str | None:
    """The revision of the ledger's tables; ``None`` if there are none."""
    return MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE}).get_current_revision()


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
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise ConfigurationError(
            f"the ledger is at revision {found}, which this version of Order Relay does not know: update Order Relay"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
