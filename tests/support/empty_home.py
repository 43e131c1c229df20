"""An Airflow home of its own for each test process, so that no test reads or changes the user's Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile


def settle() -> None:
    """Let this process and those that it starts find an empty Airflow home; tests on Airflow make another one."""
    home, me = tempfile.mkdtemp(prefix="order-relay-home-"), os.getpid()
    os.environ["AIRFLOW_HOME"] = home
    atexit.register(_remove, home, me)


def _remove(home: str, owner: int) -> None:
    if os.getpid() == owner:  # not a forked child
        shutil.rmtree(home, ignore_errors=True)
