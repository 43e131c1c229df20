"""Reads and writes Airflow's connections and Variables, and distinguishes "not defined" from "cannot be read".

Airflow's accessors also report "not defined" if the Execution API did not answer. Using the default ledger because the
defined one could not be read would start a second, empty ledger.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from order_relay.errors import ConfigurationError, TransientError

_MISSING = object()


class StoredConnection(Protocol):
    """The members of an Airflow connection that we read; Airflow has several classes for it."""

    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    schema: str | None
    port: int | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra fields."""


def read_connection(conn_id: str) -> StoredConnection | None:
    """An Airflow connection; ``None`` if it is not defined. Raises ``TransientError`` if that cannot be determined."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    comms = _supervisor()
    try:
        found: StoredConnection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        if comms is not None:
            from airflow.sdk.execution_time.comms import GetConnection

            _confirm_undefined(comms, GetConnection(conn_id=conn_id), f"connection {conn_id!r}")
        return None
    return found


def read_variable(name: str) -> str | None:
    """An Airflow Variable; ``None`` if it is not defined. Raises ``TransientError`` if that cannot be determined."""
    from airflow.sdk import Variable

    comms = _supervisor()
    value = Variable.get(name, default=_MISSING)
    if value is not _MISSING:
        return None if value is None else str(value)
    if comms is not None:
        from airflow.sdk.execution_time.comms import GetVariable

        _confirm_undefined(comms, GetVariable(key=name), f"Variable {name}")
    return None


def read_variable_strictly(name: str) -> str | None:
    """As ``read_variable``, for a Variable whose absence permits something: ``None`` only if it is certainly absent.

    Raises ``TransientError`` if any secrets backend fails, denies access, or holds a value that cannot be decrypted.
    Airflow's own accessor treats all of these as "not defined".
    """
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    comms, what = _supervisor(), f"Variable {name}"
    for backend in ensure_secrets_backend_loaded():
        try:
            value = backend.get_variable(key=name)
        except Exception as error:
            raise TransientError(f"{what}: {type(backend).__name__} failed ({type(error).__name__})") from error
        if value is not None:
            return str(value)
    if comms is not None:
        from airflow.sdk.execution_time.comms import GetVariable

        _confirm_undefined(comms, GetVariable(key=name), what)
    if _is_stored(comms, name):
        raise TransientError(f"{what} is defined, but Airflow cannot read its value (was the Fernet key changed?)")
    return None


def write_variable(name: str, value: str, description: str) -> None:
    """Store a Variable in Airflow's database; not for tasks.

    Raises ``ConfigurationError`` without a database, or if an environment variable or a secrets backend, which have
    precedence, defines the Variable; ``TransientError`` if a backend or the database fails.
    """
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    _supervisor()
    if not has_database():
        raise ConfigurationError(f"Variable {name} cannot be set: Airflow's database does not exist yet")
    try:
        from airflow.models import Variable
        from airflow.secrets.metastore import MetastoreBackend

        others = [one for one in ensure_secrets_backend_loaded() if not isinstance(one, MetastoreBackend)]
        overriding = next((one for one in others if one.get_variable(key=name) is not None), None)
        if overriding is None:
            Variable.set(key=name, value=value, description=description)  # noqa: AIR311
    except Exception as error:
        raise TransientError(f"Variable {name} could not be set ({type(error).__name__})") from error
    if overriding is not None:
        raise ConfigurationError(
            f"Variable {name} is defined outside Airflow's database ({type(overriding).__name__}), "
            "which has precedence. Change it there."
        )


def _is_stored(comms: Any, name: str) -> bool:
    """Whether Airflow's database holds the Variable. Raises ``TransientError`` if it cannot be queried."""
    try:
        if comms is not None:
            from airflow.sdk.execution_time.comms import GetVariableKeys

            return name in comms.send(GetVariableKeys(prefix=name)).keys
        from order_relay.airflow.metadata.database import stores_variable

        return stores_variable(name)
    except Exception as error:
        raise TransientError(f"Variable {name}: Airflow's keys could not be listed ({type(error).__name__})") from error


def _supervisor() -> Any:
    """The task's channel to Airflow; ``None`` outside a task.

    Outside a task Airflow's database is used directly, so that the command line sees connections defined in the UI.
    """
    from airflow.sdk.execution_time import task_runner

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if comms is None and has_database():
        os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    return comms


def has_database() -> bool:
    """Whether Airflow's database exists, as far as known: an SQLite file may not have been created yet."""
    from airflow.sdk.configuration import conf

    scheme, _, rest = str(conf.get("database", "sql_alchemy_conn", fallback="")).partition(":///")
    path = unquote(rest.partition("?")[0])
    return not scheme.startswith("sqlite") or (Path(path).is_file() and Path(path).stat().st_size > 0)


def _confirm_undefined(comms: Any, request: Any, what: str) -> None:
    """Ask the API server directly, since Airflow's accessors hide errors. Raises unless the value is not defined."""
    try:
        answer = comms.send(request)
    except Exception as error:
        raise TransientError(f"{what}: Airflow's API server did not answer ({type(error).__name__})") from error
    kind = str(getattr(getattr(answer, "error", None), "value", ""))
    if not kind.endswith("_NOT_FOUND"):
        raise TransientError(
            f"{what}: Airflow's API server did not confirm that it is undefined ({kind or 'it is defined by now'})"
        )
