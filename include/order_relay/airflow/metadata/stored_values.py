"""Ask Airflow for connections and variables, and tell "not defined" from "could not be asked".

Airflow's own accessors answer "not defined" also when the Execution API did not answer. For us the difference matters:
taking the default ledger because the defined one could not be read would start an empty one beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from order_relay.errors import TransientError

_MISSING = object()


class StoredConnection(Protocol):
    """What we read of an Airflow connection, whichever class the Airflow at hand uses for it."""

    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    schema: str | None
    port: int | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra field as an object."""


def read_connection(conn_id: str) -> StoredConnection | None:
    """Airflow's connection, or ``None`` where it is defined nowhere. Raises ``TransientError`` where nobody can say."""
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
    """An Airflow Variable, or ``None`` where it is defined nowhere. Raises ``TransientError`` where nobody can say."""
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
    """As ``ask_variable``, for a Variable whose absence allows something: ``None`` only where that is certain.

    Raises ``TransientError`` where any place that may hold it fails, denies access, or holds a value that cannot be
    decrypted. Airflow's own accessor passes over all of these as "not defined".
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


def _is_stored(comms: Any, name: str) -> bool:
    """Whether Airflow's database holds the Variable. Raises ``TransientError`` where it cannot be asked."""
    try:
        if comms is not None:
            from airflow.sdk.execution_time.comms import GetVariableKeys

            return name in comms.send(GetVariableKeys(prefix=name)).keys
        from order_relay.airflow.metadata.database import stores_variable

        return stores_variable(name)
    except Exception as error:
        raise TransientError(f"Variable {name}: Airflow's keys could not be listed ({type(error).__name__})") from error


def _supervisor() -> Any:
    """The task's line to Airflow; ``None`` outside a task, where Airflow's database is asked directly.

    That is how the command line sees connections that were made in the UI.
    """
    from airflow.sdk.execution_time import task_runner

    comms = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if comms is None and has_database():
        os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    return comms


def has_database() -> bool:
    """Whether Airflow's database may hold something; one in SQLite that was never made can only be complained about."""
    from airflow.sdk.configuration import conf

    scheme, _, rest = str(conf.get("database", "sql_alchemy_conn", fallback="")).partition(":///")
    path = unquote(rest.partition("?")[0])
    return not scheme.startswith("sqlite") or (Path(path).is_file() and Path(path).stat().st_size > 0)


def _confirm_undefined(comms: Any, question: Any, what: str) -> None:
    """Ask again, without Airflow's swallowing of errors; return only where the answer is "there is none"."""
    try:
        answer = comms.send(question)
    except Exception as error:
        raise TransientError(f"{what}: Airflow's API server did not answer ({type(error).__name__})") from error
    kind = str(getattr(getattr(answer, "error", None), "value", ""))
    if not kind.endswith("_NOT_FOUND"):
        raise TransientError(
            f"{what}: Airflow's API server could not say whether it is defined ({kind or 'it is now'})"
        )
