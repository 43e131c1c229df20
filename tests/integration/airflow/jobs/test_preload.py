"""Preloading the engine where tasks are forked: only if asked, and without anything that a fork would break."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from order_relay.airflow.jobs.preload import starts_tasks


@pytest.mark.parametrize(
    ("arguments", "executor", "expected"),
    [
        (["scheduler"], "LocalExecutor", True),
        (["scheduler", "--num-runs", "5"], "CeleryExecutor,LocalExecutor", True),
        (["scheduler"], "CeleryExecutor", False),
        (["celery", "worker", "--concurrency", "8"], "CeleryExecutor", True),
        (["celery", "flower"], "CeleryExecutor", False),
        (["api-server"], "LocalExecutor", False),
        (["jobs", "check"], "LocalExecutor", False),
        ([], "LocalExecutor", False),
    ],
)
def test_only_commands_that_fork_tasks_preload(arguments: list[str], executor: str, expected: bool) -> None:
    assert starts_tasks(arguments, executor) is expected


def test_the_engine_is_imported_without_threads_and_connections() -> None:
    code = """
import json, os, stat, sys
def opened():
    return sum(stat.S_ISSOCK(os.fstat(fd).st_mode) for fd in map(int, os.listdir("/dev/fd")) if is_open(fd))
def is_open(fd):
    return os.path.exists(f"/dev/fd/{fd}")
before = opened()
from order_relay.airflow.jobs.preload import preload_if_enabled
preload_if_enabled({}, ["scheduler"])
nothing = "order_relay.ledger" in sys.modules
preload_if_enabled({"ORDER_RELAY_PRELOAD": "1"}, ["scheduler"])
print(json.dumps({
    "without the variable": nothing,
    "engine": "order_relay.airflow.jobs.orders" in sys.modules,
    "client": "order_relay.vendors.supercat.client" in sys.modules,
    "threads": len(os.listdir("/proc/self/task")),
    "sockets": opened() - before,
}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "without the variable": False,
        "engine": True,
        "client": True,
        "threads": 1,
        "sockets": 0,
    }
    assert "could not be imported" not in done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}


def test_the_package_names_the_module_to_airflow() -> None:
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())
    (module,) = project["project"]["entry-points"]["airflow.policy"].values()
    assert import_module(module).VARIABLE == "ORDER_RELAY_PRELOAD"
