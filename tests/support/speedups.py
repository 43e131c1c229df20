"""What thousands of small tests in one process need not do each by themselves."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from order_relay.ledger.store import database

_make_engine = database.make_engine
_first: dict[str, Engine] = {}


def settle() -> None:
    """Once a process: certificates are read once, a statement is compiled once for each kind of database, and files
    are in memory."""
    if "TMPDIR" not in os.environ and (folder := memory()):
        # Each commit waits for the disk otherwise, of ledgers and of Airflow's database; no test cuts the power.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
    # Each HTTP client reads the certificates anew, which costs as much as forty requests; here all speak plain HTTP.
    ssl.create_default_context = lru_cache(ssl.create_default_context)  # type: ignore[assignment]
    database.make_engine = _engine_with_shared_statements


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
