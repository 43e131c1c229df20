"""Storage that fails on purpose: full disks, writes that fail, ledgers that are read-only, locked, or away."""

from __future__ import annotations

import errno
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine, make_url

from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.ledger.store.database import database_url
from tests.support.trials.crashes import shape

REPORTED = 7
"""Exit code of a worker that ended with one of our own errors."""


def exit_on_own_errors(work: Callable[[], Any]) -> Callable[[], None]:
    """Exit with ``REPORTED`` if an ``OrderRelayError`` is raised; any other exception is a defect."""

    def run() -> None:
        try:
            work()
        except OrderRelayError as error:
            with suppress(OSError):  # it may not be able to write
                sys.stdout.write(f"reported: {type(error).__name__}: {error}\n")
                sys.stdout.flush()
            raise SystemExit(REPORTED) from None

    return run


def no_file_beyond(limit: int) -> None:
    """From now on no file that this process writes may grow beyond ``limit`` bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def fails_from(point: str) -> Callable[[str], None]:
    """A hook: from the first call of failpoint ``point`` on, every write to that ledger or store fails."""
    side, hit = point.split()[1], threading.Event()

    def hook(failpoint: str) -> None:
        name = shape(failpoint)
        if name == point:
            hit.set()
        if hit.is_set() and name.startswith(f"before {side}"):
            raise (
                sqlite3.OperationalError("database or disk is full")
                if side == "ledger"
                else OSError(errno.ENOSPC, "No space left on device")
            )

    return hook


def reader(url: str) -> str:
    """The ledger as somebody sees it who may only read."""
    if url.startswith("sqlite"):
        return f"sqlite:///file:{url.removeprefix('sqlite:///')}?mode=ro&uri=true"
    engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT")
    name = f"reader_{make_url(url).database}"
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
        conn.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    engine.dispose()
    return url.replace("//relay@", f"//{name}@")


def hold(url: str, seconds: float, table: str, held: Callable[[], Any] = lambda: None) -> None:
    """Lock the ledger (in PostgreSQL this table of it) for so long; ``held`` is called once it is locked."""
    patience = {"timeout": 20} if url.startswith("sqlite") else {}
    engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT", connect_args=patience)
    with engine.connect() as conn:
        if url.startswith("sqlite"):
            conn.exec_driver_sql("BEGIN EXCLUSIVE")
        else:
            conn.exec_driver_sql("BEGIN")
            conn.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        held()
        time.sleep(seconds)
        conn.exec_driver_sql("ROLLBACK")
    engine.dispose()


def reachable(url: str) -> bool:
    """Whether the ledger can be opened."""
    try:
        Ledger.open(url).close()
    except OrderRelayError:
        return False
    return True


def wait(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.02)
