"""Imports the engine in the processes that start tasks, so that each task finds it imported.

Airflow runs a task in a fork of an executor's worker: with LocalExecutor a fork of the scheduler, with Celery a fork of
``airflow celery worker``. Airflow imports this module in all its processes (entry point ``airflow.policy``). It acts in
these two only, and only if the environment variable ``ORDER_RELAY_PRELOAD`` is 1.

What is imported starts no thread and opens no connection, so that forking stays safe. pandas is left out for that
reason: NumPy's OpenBLAS starts threads when it is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

log = logging.getLogger(__name__)

VARIABLE = "ORDER_RELAY_PRELOAD"

_MODULES = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "order_relay.airflow.dags",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
_VENDOR_PARTS = ("payload", "transform")
"""Modules of a vendor's folder that a run imports besides those that its declaration names."""


def starts_tasks(arguments: Sequence[str], executor: str) -> bool:
    """Whether this Airflow command starts tasks by fork. ``executor``: the value of ``[core] executor``."""
    command = [argument for argument in arguments if not argument.startswith("-")]
    return command[:2] == ["celery", "worker"] or (command[:1] == ["scheduler"] and "LocalExecutor" in executor)


def preload_if_enabled(environment: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Import the engine if ``environment`` asks for it and the command ``arguments`` starts tasks."""
    if environment.get(VARIABLE) != "1":
        return
    from airflow.sdk.configuration import conf

    if starts_tasks(arguments, conf.get("core", "executor")):
        preload()


def preload() -> None:
    """Import the engine and all vendors. What cannot be imported is logged; tasks that need it will say why."""
    jobs = (f"{__package__}.{module.name}" for module in iter_modules([str(Path(__file__).parent)]))
    for name in (*_MODULES, *jobs, *_vendor_modules()):
        try:
            import_module(name)
        except Exception:  # must not stop the scheduler or the worker
            log.exception("%s=1: %s could not be imported", VARIABLE, name)


def _vendor_modules() -> Iterator[str]:
    from order_relay import vendors

    for name in vendors.vendor_names():
        package = f"{vendors.__name__}.{name}"
        yield f"{package}.vendor"
        declared = getattr(sys.modules.get(f"{package}.vendor"), "VENDOR", None)
        for role in ("source", "destination", "status_source"):
            if spec := getattr(declared, role, ""):
                yield f"{package}.{spec.partition(':')[0]}"
        yield from (f"{package}.{part}" for part in _VENDOR_PARTS if name in vendors.vendor_names(part))


preload_if_enabled(os.environ, sys.argv[1:])
