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

from order_relay.errors import WrongSetup
from order_relay.ledger.database import TROUBLES, Database, trouble

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_203_114_551  # any number of our own: PostgreSQL's advisory lock for migrating
# It says the same two lines whenever a ledger is opened, in every task's log.
logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)

VERSION_TABLE = "order_relay_revision"
"""Its own name, so that the ledger may share a database with programs that use Alembic too."""


def migrate(url: str) -> str:
    """Bring the ledger at ``url`` to the newest revision, making it where there is none; returns that revision.

    Runs in one transaction under a lock: of several processes that start at once, one migrates and the others find it
    done. Raises ``WrongSetup`` where the ledger is newer than this program, ``RetryLater`` where it can not be reached.
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
    except TROUBLES as error:
        raise trouble(error, database.url) from error
    finally:
        database.close()
    return head()


@lru_cache(maxsize=1)
def head() -> str:
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(conn: Connection) -> str | None:
    """The revision of the ledger's tables; ``None`` where there are none."""
    return MigrationContext.configure(conn, opts={"version_table": VERSION_TABLE}).get_current_revision()


def check_revision(database: Database) -> None:
    """Raise ``WrongSetup`` unless the tables are of the revision that this program needs."""
    try:
        with database.engine.connect() as conn:
            found = current(conn)
            if found == head():
                return
            _refuse_newer(conn)
    except TROUBLES as error:
        raise trouble(error, database.url) from error
    what = "has no tables yet" if found is None else f"is at revision {found}, this program needs {head()}"
    raise WrongSetup(f"the ledger {what}: run 'python -m order_relay ledger migrate'")


def _refuse_newer(conn: Connection) -> None:
    found = current(conn)
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise WrongSetup(f"the ledger is at revision {found}, which this program does not know: update the program")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
