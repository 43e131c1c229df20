"""Converts Airflow's connections and Variables to the plain values that the engine takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from order_relay.airflow.metadata.stored_values import StoredConnection, read_connection, read_variable
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.locations import airflow_home

LEDGER_CONNECTION = "order_relay_ledger"
BATCHES_VARIABLE = "order_relay_batches"
SHARED_VARIABLE = "order_relay_batches_shared"

_SINGLE_MACHINE_EXECUTORS = {"LocalExecutor", "SequentialExecutor", "DebugExecutor"}
_TRUE_VALUES = {"true", "1", "yes", "on", "t", "y"}


def to_connection(conn_id: str, raw: StoredConnection) -> Connection:
    """An Airflow connection as the engine's ``Connection``, with all extra fields."""
    return Connection(
        conn_id=conn_id,
        host=raw.host or "",
        login=raw.login or "",
        password=raw.password or "",
        schema=raw.schema or "",
        port=raw.port,
        extra=dict(raw.extra_dejson or {}),
    )


def connection(conn_id: str) -> Connection:
    """A vendor's connection, with its TLS and proxy options.

    Raises ``ConfigurationError`` if it is not defined or one of these options is invalid.
    """
    from order_relay.airflow.http_options import with_http_options

    raw = read_connection(conn_id)
    if raw is None:
        raise ConfigurationError(
            f"connection {conn_id!r} is not defined; add it in Airflow (Admin, Connections) "
            f"or as AIRFLOW_CONN_{conn_id.upper()}"
        )
    return with_http_options(to_connection(conn_id, raw))


def variable(name: str, default: str = "") -> str:
    """An Airflow Variable, stripped. Raises ``TransientError`` if it cannot be read."""
    value = read_variable(name)
    return default if value is None else value.strip()


def executors() -> tuple[str, ...]:
    """Class names of the configured executors. ``[core] executor`` may list several, with teams, paths and aliases."""
    from airflow.sdk.configuration import conf

    entries = str(conf.get("core", "executor")).replace("=", ",").replace(";", ",").split(",")
    names = (entry.strip().rsplit(":", maxsplit=1)[-1].rsplit(".", maxsplit=1)[-1] for entry in entries)
    return tuple(name for name in names if name.endswith("Executor"))


def may_use_several_machines(names: tuple[str, ...]) -> bool:
    """Whether tasks may run on several machines; assumed of unknown executors."""
    return any(name not in _SINGLE_MACHINE_EXECUTORS for name in names)


def ledger_url(conn_id: str = LEDGER_CONNECTION) -> str:
    """The ledger's database URL for SQLAlchemy, from the optional connection ``order_relay_ledger``.

    Default: SQLite under ``$AIRFLOW_HOME/order_relay/``. Raises ``ConfigurationError`` for types other than PostgreSQL
    and SQLite, and for SQLite with an executor that uses several machines, because file locks do not work across them.
    """
    raw = read_connection(conn_id)
    kind = (raw.conn_type or "").lower() if raw else "sqlite"
    if kind in ("postgres", "postgresql", "order_relay_ledger"):
        return _postgres_url(to_connection(conn_id, raw))  # type: ignore[arg-type]
    if kind != "sqlite":
        raise ConfigurationError(f"connection {LEDGER_CONNECTION!r}: type must be postgres or sqlite")
    if may_use_several_machines(executors()):
        raise ConfigurationError(
            f"the ledger is SQLite, but the executor ({', '.join(executors())}) may use several machines; "
            f"define the connection {LEDGER_CONNECTION!r} of type postgres"
        )
    path = (raw.host or raw.schema or "") if raw else ""
    from order_relay.ledger.store.database import sqlite_url

    file = airflow_home() / (path or "order_relay/ledger.sqlite")
    file.parent.mkdir(parents=True, exist_ok=True)
    return sqlite_url(file)


def _postgres_url(conn: Connection) -> str:
    """``postgresql+psycopg://...``. Extra fields with text values, such as ``sslmode``, become query parameters."""
    from sqlalchemy.engine import URL

    if not conn.host or not conn.schema:
        missing = "host" if not conn.host else "schema"
        raise conn.wrong(missing, "is empty; a PostgreSQL ledger needs host, schema (database), login and password")
    query = {str(k): str(v) for k, v in conn.extra.items() if isinstance(v, str | int) and not isinstance(v, bool)}
    url = URL.create(
        "postgresql+psycopg",
        username=conn.login or None,
        password=conn.password or None,
        host=conn.host,
        port=conn.port,
        database=conn.schema,
        query=query,
    )
    return url.render_as_string(hide_password=False)


def store_url() -> str:
    """The batch store's root, from the Variable ``order_relay_batches``; default under ``$AIRFLOW_HOME``.

    Raises ``ConfigurationError`` for a ``file://`` root with an executor that uses several machines, unless the
    Variable ``order_relay_batches_shared`` confirms that every worker mounts the same volume there.
    """
    url = variable(BATCHES_VARIABLE)
    if not url:
        folder = airflow_home() / "order_relay" / "batches"
        url = folder.as_uri()
        _check_abandoned_store(url)
        folder.mkdir(parents=True, exist_ok=True)
    if "://" not in url:
        raise ConfigurationError(
            f"Variable {BATCHES_VARIABLE} must be a URL such as file:///path or s3://connection@bucket/prefix"
        )
    _check_abandoned_store(url)
    if (
        url.startswith("file:")
        and may_use_several_machines(executors())
        and variable(SHARED_VARIABLE).lower() not in _TRUE_VALUES
    ):
        raise ConfigurationError(
            f"the batch store is a local folder, but the executor ({', '.join(executors())}) may use several machines; "
            f"set the Variable {BATCHES_VARIABLE} to an object store, or {SHARED_VARIABLE} to true if every worker "
            "mounts the same volume"
        )
    return url


def _check_abandoned_store(url: str) -> None:
    """Raise ``ConfigurationError`` if the archive is still in the folder that earlier versions used, which has a
    percent-encoded name.
    """
    encoded = url.removeprefix("file://")
    if url == encoded or "%" not in encoded:
        return
    from order_relay.batches.filesystems import local_path

    path = Path(local_path(url))
    if Path(encoded) != path and Path(encoded).is_dir() and not (path.is_dir() and any(path.iterdir())):
        raise ConfigurationError(
            f"the archive is in {encoded}, the folder that earlier versions used; move it to {path}"
        )


def store_filesystem(url: str) -> tuple[str, Any]:
    """A store URL without its Airflow connection, and the fsspec file system of that connection.

    ``s3://conn@bucket/prefix`` gives ``s3://bucket/prefix`` and a file system; a URL without a connection is returned
    unchanged, with ``None``. Raises ``ConfigurationError``.
    """
    scheme, _, rest = url.partition("://")
    authority = rest.partition("/")[0]
    if scheme == "file" or "@" not in authority:
        return url, None
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.exceptions import AirflowNotFoundException

    from order_relay.batches.filesystems import unusable_scheme

    try:
        filesystem = ObjectStoragePath(url).fs
    except (ImportError, ValueError) as error:
        raise unusable_scheme(scheme, error) from None
    except AirflowNotFoundException:
        name = authority.partition("@")[0]
        raise ConfigurationError(f"Variable {BATCHES_VARIABLE}: connection {name!r} is not defined") from None
    return f"{scheme}://{rest.partition('@')[2]}", filesystem
