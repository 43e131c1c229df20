"""What thousands of small tests in one process need not do each by themselves."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import ssl
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import URL

from order_relay.ledger.store import database
from order_relay.ledger.store import migrate as migrations

LONG = bool(os.environ.get("ORDER_RELAY_LONG"))
"""Whether this is the long profile: ``make prove``."""

_make_engine = database.make_engine
_upgrade = migrations._upgrade
_first: dict[str, Engine] = {}
_SETTINGS = "_hypothesis_internal_use_settings"  # which Hypothesis's own plugin for pytest changes too


def settle() -> None:
    """Once a process: certificates are read once, a statement is compiled once for each kind of database, the
    migrations of an empty SQLite ledger run once, and files are in memory."""
    if "TMPDIR" not in os.environ and (folder := memory()):
        # Each commit waits for the disk otherwise, of ledgers and of Airflow's database; no test cuts the power.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
    # Each HTTP client reads the certificates anew, which costs as much as forty requests; here all speak plain HTTP.
    ssl.create_default_context = lru_cache(ssl.create_default_context)  # type: ignore[assignment]
    database.make_engine = _engine_with_shared_statements
    migrations._upgrade = _upgrade_or_copy  # type: ignore[assignment]
    gc.disable()  # until the tests are collected


def collected() -> None:
    """What was collected stays until the end: garbage is sought elsewhere, and less often than Python does."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


def memory() -> str | None:
    """A folder in memory, where it has room."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free > 2**31 else None


def _engine_with_shared_statements(url: URL) -> Engine:
    """An engine that knows the statements which earlier ones compiled; they belong to a dialect that has connected."""
    engine = _make_engine(url)
    first = _first.setdefault(engine.dialect.name, engine)
    if getattr(first.dialect, "server_version_info", None) is not None:
        engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine


def _upgrade_or_copy(ledger: database.Database) -> None:
    """Migrate; an empty SQLite ledger gets the tables and rows that the migrations made of the first one."""
    if ledger.engine.dialect.name != "sqlite":
        return _upgrade(ledger)
    with ledger.engine.begin() as conn:
        if conn.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar() == 0:
            for statement in _migrated():
                conn.exec_driver_sql(statement)
            return None
    return _upgrade(ledger)


@lru_cache(maxsize=1)
def _migrated() -> list[str]:
    """The statements that make a migrated, empty ledger."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ledger.sqlite")
        made = database.Database(f"sqlite:///{file}", create=True)
        _upgrade(made)
        made.close()
        with closing(sqlite3.connect(file)) as opened:
            return [one for one in opened.iterdump() if one not in ("BEGIN TRANSACTION;", "COMMIT;")]


def fewer_examples(items: Iterable[pytest.Item]) -> None:
    """A quarter of the examples of property tests, at least 20; all of them in the long profile."""
    if LONG or "hypothesis" not in sys.modules:
        return
    from hypothesis import is_hypothesis_test, settings

    tests = {getattr(item.obj, "__func__", item.obj) for item in items if isinstance(item, pytest.Function)}
    for test in filter(is_hypothesis_test, tests):
        full: settings = getattr(test, _SETTINGS)
        few = min(full.max_examples, max(20, full.max_examples // 4))
        setattr(test, _SETTINGS, settings(full, max_examples=few))
