"""Access to the database: durable transactions, its clock, and the translation of its errors.

Guarantees, asserted when a ledger is opened: SQLite runs in WAL mode with ``synchronous=FULL``, PostgreSQL with
``synchronous_commit=on`` and ``fsync=on``, so that commits survive a power cut. Every write goes through
``Database.write``: on SQLite it begins with ``BEGIN IMMEDIATE`` (one writer at a time, no upgrade from a reader), on
PostgreSQL rows are locked in key order by the functions that read them.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from order_relay import COMMAND
from order_relay.backoff import backoff
from order_relay.errors import ConfigurationError, OrderRelayError, TransientError
from order_relay.failpoints import failpoint

T = TypeVar("T")

BUSY_TIMEOUT_S = 30.0
"""Seconds that a SQLite writer waits for another one."""

_TRIES, _GIVEN_UP = 6, frozenset({"40001", "40P01"})  # of a transaction that the database aborted (deadlock)


class Transaction:
    """An open transaction. ``now`` is the database's clock, read once on first use."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._now: datetime | None = None
        self._read_at = 0.0

    @property
    def now(self) -> datetime:
        """The database's time (aware UTC), constant within this transaction."""
        if self._now is None:
            self._now, self._read_at = read_clock(self.conn), time.monotonic()
        return self._now

    @property
    def begun(self) -> datetime | None:
        """The value of ``now``, or ``None`` if it was not used yet."""
        return self._now

    def seconds_since_begun(self) -> float:
        """Seconds since ``now`` was read."""
        return time.monotonic() - self._read_at

    def renew(self) -> datetime:
        """Read the clock again: ``now`` from here on."""
        self._now = None
        return self.now

    def run(self, statement: Any, values: Any = None) -> sa.CursorResult[Any]:
        """Execute one statement, with one set of values or a list of them."""
        return self.conn.execute(statement, values)

    def rows(self, kind: type[T], statement: Any, values: Any = None) -> list[T]:
        """The rows of a query as dictionaries; ``kind`` is the ``TypedDict`` that names its columns."""
        return [cast(T, dict(row)) for row in self.conn.execute(statement, values).mappings()]

    def many(self, statement: Any, rows: list[dict[str, Any]]) -> int:
        """Execute a statement for each of ``rows``; returns the number of rows changed. Does nothing without rows."""
        return self.conn.execute(statement, rows).rowcount if rows else 0


def read_clock(conn: Connection) -> datetime:
    """The database's clock, not the clock of this machine: leases of several machines compare by it."""
    if conn.dialect.name == "sqlite":
        text = conn.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')").scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    moment: datetime = conn.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return moment.astimezone(UTC)


class Database:
    """An engine that hands out durable write transactions and snapshot reads.

    ``before_commit`` is the last thing that every write transaction does. A missing SQLite file is created only with
    ``create``; otherwise ``ConfigurationError`` names its path, since a wrong path must not leave an empty ledger.
    """

    def __init__(
        self, url: str | URL, before_commit: Callable[[Transaction], None] = lambda _: None, *, create: bool = False
    ) -> None:
        self.url = database_url(url)
        _prepare_file(self.url, create=create)
        self.engine = make_engine(self.url)
        self._before_commit = before_commit
        self.write_times: deque[float] = deque(maxlen=10_000)  # of the latest durable transactions, in seconds

    def write(self, work: Callable[[Transaction], T], name: str = "") -> T:
        """Run ``work`` in one transaction and commit it durably; roll back if it raises. ``name``: of its failpoint.

        If the database aborts the transaction (deadlock), it is run again, so ``work`` must have no effect outside the
        database. Raises ``TransientError`` or ``ConfigurationError`` for errors of the database.
        """
        for again in range(_TRIES):
            try:
                with self.engine.connect() as conn, conn.begin() as transaction:
                    tx = Transaction(conn)
                    result = work(tx)
                    self._before_commit(tx)
                    with failpoint(f"ledger {name or work.__qualname__}"):
                        transaction.commit()
                    return result
            except DATABASE_ERRORS as error:
                if _sqlstate(error) not in _GIVEN_UP or again == _TRIES - 1:
                    raise translate_error(error, self.url) from error
                time.sleep(backoff(0.02, again, 1.0))
        raise AssertionError("unreachable")

    def write_with_insert_retry(self, work: Callable[[Transaction], T], name: str = "") -> T:
        """As ``write``, and once more if another process inserted the same row at the same time."""
        try:
            return self.write(work, name)
        except IntegrityError:
            return self.write(work, name)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one read-only snapshot: all reads see the same state."""
        try:
            with self.engine.connect() as conn, conn.execution_options(**_SNAPSHOT[self.engine.name]).begin():
                return work(Transaction(conn))
        except DATABASE_ERRORS as error:
            raise translate_error(error, self.url) from error

    def assert_durable(self) -> None:
        """Raise ``ConfigurationError`` unless a commit survives a power cut."""
        try:
            with self.engine.connect() as conn:
                _assert_durable(conn)
        except DATABASE_ERRORS as error:
            raise translate_error(error, self.url) from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


_SNAPSHOT: dict[str, dict[str, Any]] = {
    "sqlite": {"order_relay_read": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def database_url(url: str | URL) -> URL:
    """The URL with the supported driver. Raises ``ConfigurationError`` for another kind of database, or SQLite without
    a file.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "the ledger's URL is not a database URL; use sqlite:///FILE or postgresql://..."
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"a ledger in {backend!r} is not supported; use sqlite:///FILE or postgresql://...")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError(
            "a SQLite ledger needs a file, such as sqlite:////data/ledger.sqlite; a database in memory is not durable"
        )
    return parsed


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, with any characters in its path."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def _prepare_file(url: URL, *, create: bool) -> None:
    """Create the folder of a SQLite file if ``create``; otherwise raise ``ConfigurationError`` if it is missing."""
    if url.get_backend_name() != "sqlite":
        return
    file = Path(url.database or "")
    if create:
        file.parent.mkdir(parents=True, exist_ok=True)
    elif not file.exists():
        raise ConfigurationError(
            f"there is no ledger at {file}. Check AIRFLOW_HOME and the connection order_relay_ledger; a ledger is "
            f"created by the first run of a pipeline, or by '{COMMAND} ledger migrate'"
        )


def make_engine(url: URL) -> Engine:
    """An engine whose errors hide parameters, since they contain order data.

    PostgreSQL's JIT is off: it takes seconds to compile a statement of ours. ``pgbouncer=true`` in the URL: no prepared
    statements and no ``options``, for PgBouncer in transaction mode.
    """
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
        sa_event.listen(engine, "connect", _set_up_sqlite)
        sa_event.listen(engine, "begin", _begin_sqlite)
        return engine
    pooled = str(url.query.get("pgbouncer", "")).lower() in {"1", "true"}
    direct = {"options": f"-c jit=off {url.query.get('options', '')}".strip()}  # the URL's win
    return sa.create_engine(
        url.difference_update_query(["pgbouncer"]),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=4,
        max_overflow=12,
        connect_args={"connect_timeout": 15, "application_name": "order_relay"}
        | ({"prepare_threshold": None} if pooled else direct),
    )


def _set_up_sqlite(raw: sqlite3.Connection, _record: Any) -> None:
    raw.isolation_level = None  # transactions are begun by ``_begin_sqlite``
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")
    raw.execute("PRAGMA foreign_keys=ON")
    raw.execute("PRAGMA cache_size=-8000")  # KiB per connection; more costs memory and measured no faster


def _begin_sqlite(conn: Connection) -> None:
    reading = conn.get_execution_options().get("order_relay_read", False)
    conn.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _assert_durable(conn: Connection) -> None:
    if conn.dialect.name == "sqlite":
        mode = conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        level = conn.exec_driver_sql("PRAGMA synchronous").scalar_one()
        if mode != "wal" or level != 2:
            raise ConfigurationError(
                f"the SQLite ledger runs with journal_mode={mode}, synchronous={level}; it needs WAL and FULL (2). "
                "Put it on a local disk: network file systems do not support WAL"
            )
        return
    for name, allowed in (("synchronous_commit", ("on", "remote_apply")), ("fsync", ("on",))):
        value = conn.exec_driver_sql(f"SHOW {name}").scalar_one()
        if value not in allowed:
            raise ConfigurationError(
                f"the ledger's PostgreSQL has {name}={value}; it needs {name}=on to survive a power cut"
            )


DATABASE_ERRORS = (DBAPIError, sqlite3.Error)
"""Errors of the database; the second is raised while a connection is opened."""


def _sqlstate(error: BaseException) -> str:
    return getattr(getattr(error, "orig", error), "sqlstate", None) or ""


def translate_error(error: DBAPIError | sqlite3.Error, url: URL) -> Exception:
    """The error as one of ``order_relay.errors``; an unknown one is returned unchanged."""
    text, state = str(getattr(error, "orig", error)).lower(), _sqlstate(error)
    where = f"ledger ({url.get_backend_name()})"
    if isinstance(error, IntegrityError):
        return error
    for phrases, states, kind, message in _TRANSLATIONS:
        if any(phrase in text for phrase in phrases) or (state and state.startswith(states)):
            return kind(f"{where} {message}")
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    lost = isinstance(error, OperationalError) and not state and url.get_backend_name() != "sqlite"
    if broken or lost:
        return TransientError(f"{where} cannot be reached, or the connection broke")
    return error


_Translation = tuple[tuple[str, ...], tuple[str, ...], type[OrderRelayError], str]
_TRANSLATIONS: tuple[_Translation, ...] = (
    # phrases in the driver's message, prefixes of SQLSTATEs, our error, message
    (
        ("readonly database", "read-only"),
        ("25006", "42501"),
        ConfigurationError,
        "cannot be written: it is read-only for this user",
    ),
    (
        ("no such table",),
        ("42P01",),
        ConfigurationError,
        f"has no tables yet: run '{COMMAND} ledger migrate'",
    ),
    (
        ("unable to open database file",),
        ("3D000", "28"),
        ConfigurationError,
        "cannot be opened: check its path or address, its name, and the permissions of this user",
    ),
    (
        ("not a database", "malformed"),
        ("XX001", "XX002"),
        ConfigurationError,
        "is damaged or not a database; restore it from a backup",
    ),
    (
        ("database is locked", "table is locked"),
        ("55P03",),
        TransientError,
        f"was locked by another process for more than {BUSY_TIMEOUT_S:.0f} s",
    ),
    (
        ("is full", "disk i/o"),
        ("53", "58"),
        TransientError,
        "cannot write: no space or other resources left, or a disk failure",
    ),
    ((), ("57P", "08"), TransientError, "cannot be reached, or the connection broke"),
)
