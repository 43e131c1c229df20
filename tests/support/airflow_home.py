"""A separate Airflow home for each test process. It must be set before Airflow is imported."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts")]

import local_airflow as local_airflow  # noqa: E402, PLC0414  (re-exported)

DATABASE, _EMPTY = "airflow.db", "empty-airflow.db"
HOME, OWNER = "ORDER_RELAY_TEST_HOME", "ORDER_RELAY_TEST_OWNER"


def settle() -> None:
    """Point this process at an empty Airflow home. Idempotent."""
    me = os.getpid()
    if os.environ.get(OWNER) == str(me):
        return
    home = Path(tempfile.mkdtemp(prefix="order-relay-airflow-"))
    keys = {"AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64)}  # Airflow warns of its short default
    wanted = local_airflow.environment(home, {HOME: str(home), OWNER: str(me), **keys})
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    os.environ.update({k: v for k, v in wanted.items() if k.startswith(("AIRFLOW_", "ORDER_RELAY_TEST_"))})
    atexit.register(_remove, home, me)


def live_files() -> Path:
    """The shipped pipeline files in live mode, created once per process; only simulated vendors are reached."""
    folder = Path(os.environ[HOME]) / "live-files"
    if not folder.exists():
        local_airflow.live_files(folder)
    return folder


def make_database() -> None:
    """Airflow's own tables in this process's home, and an empty copy for ``copy_database``."""
    from airflow.utils import db

    db.initdb()
    home = Path(os.environ[HOME])
    with closing(sqlite3.connect(home / DATABASE)) as made, closing(sqlite3.connect(home / _EMPTY)) as empty:
        made.backup(empty)


def copy_database(home: Path) -> bool:
    """Give another Airflow home the empty database, which saves `airflow db migrate`; false if there is none."""
    if HOME not in os.environ or not (empty := Path(os.environ[HOME], _EMPTY)).exists():
        return False
    shutil.copy(empty, home / DATABASE)
    return True


def _remove(home: Path, owner: int) -> None:
    if os.getpid() == owner:  # not a child forked by a task
        shutil.rmtree(home, ignore_errors=True)
