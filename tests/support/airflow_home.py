"""A separate Airflow home for each test process. It must be set before Airflow is imported."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts")]

import local_airflow as local_airflow  # noqa: E402, PLC0414  (re-exported)

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


def _remove(home: Path, owner: int) -> None:
    if os.getpid() == owner:  # not a child forked by a task
        shutil.rmtree(home, ignore_errors=True)
