from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow import connections
from order_relay.airflow.metadata import stop_variable, stored_values
from order_relay.errors import ConfigurationError, TransientError
from order_relay.pipeline.runs.stop_switch import StopSwitch


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(connections, "executors", lambda: ("LocalExecutor",))
    return tmp_path


def define(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def test_fields_and_unknown_extras_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    define(
        monkeypatch,
        "shop_a",
        conn_type="http",
        host="https://h/api",
        login="key",
        password="pass-word",
        port=8443,
        extra={"manufacturer_id": 7, "headers": {"x-tenant": "1"}, "unheard_of": [1]},
    )
    found = connections.connection("shop_a")
    assert (found.conn_id, found.host, found.login, found.password) == ("shop_a", "https://h/api", "key", "pass-word")
    assert found.port == 8443
    assert found.extra == {"manufacturer_id": 7, "headers": {"x-tenant": "1"}, "unheard_of": [1]}
    assert "pass-word" not in repr(found)


def test_a_missing_connection_names_itself_and_the_way_to_define_it() -> None:
    with pytest.raises(ConfigurationError, match=r"'nowhere_default' is not defined.*AIRFLOW_CONN_NOWHERE_DEFAULT"):
        connections.connection("nowhere_default")


def test_the_ledger_is_sqlite_under_airflow_home_by_default(own_home: Path) -> None:
    assert connections.ledger_url() == f"sqlite:///{own_home}/order_relay/ledger.sqlite"
    assert (own_home / "order_relay").is_dir()


@pytest.mark.parametrize("place", ["host", "schema"])
def test_a_sqlite_ledger_elsewhere(place: str, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, "order_relay_ledger", conn_type="sqlite", **{place: str(own_home / "x" / "l.db")})
    assert connections.ledger_url() == f"sqlite:///{own_home}/x/l.db"


@pytest.mark.parametrize("kind", ["postgres", "postgresql", "order_relay_ledger"])
def test_a_postgres_ledger_keeps_odd_passwords(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.engine import make_url

    define(
        monkeypatch,
        "order_relay_ledger",
        conn_type=kind,
        host="db",
        port=5433,
        schema="relay",
        login="me",
        password="p@ss/w:rd",
        extra={"sslmode": "require"},
    )
    url = make_url(connections.ledger_url())
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+psycopg", "db", 5433, "relay")
    assert (url.username, url.password, url.query["sslmode"]) == ("me", "p@ss/w:rd", "require")


def test_a_ledger_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, "order_relay_ledger", conn_type="mysql", host="db")
    with pytest.raises(ConfigurationError, match="postgres or sqlite"):
        connections.ledger_url()


def test_a_missing_postgres_database_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, "order_relay_ledger", conn_type="postgres", host="db")
    with pytest.raises(ConfigurationError, match="'schema'"):
        connections.ledger_url()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("LocalExecutor",), False),
        (("SequentialExecutor",), False),
        (("CeleryExecutor",), True),
        (("LocalExecutor", "KubernetesExecutor"), True),
        (("MyOwnExecutor",), True),
    ],
)
def test_which_executors_spread(names: tuple[str, ...], expected: bool) -> None:
    assert connections.may_use_several_machines(names) is expected


def test_sqlite_and_local_files_are_refused_where_tasks_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "executors", lambda: ("CeleryExecutor",))
    with pytest.raises(ConfigurationError, match=r"CeleryExecutor.*postgres"):
        connections.ledger_url()
    with pytest.raises(ConfigurationError, match="order_relay_batches_shared"):
        connections.store_url()
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES_SHARED", "true")
    assert connections.store_url().startswith("file:///")
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES", "s3://aws@bucket/relay")
    assert connections.store_url() == "s3://aws@bucket/relay"


def test_the_store_must_be_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES", "/var/relay")
    with pytest.raises(ConfigurationError, match="must be a URL"):
        connections.store_url()


def test_a_store_without_connection_needs_no_file_system_of_airflow() -> None:
    assert connections.store_filesystem("file:///var/x@y/z") == ("file:///var/x@y/z", None)
    assert connections.store_filesystem("memory://bucket/x") == ("memory://bucket/x", None)


@pytest.mark.parametrize("name", ["my airflow", "a%20b", "100%", "a#b?c", "Grüße 日本"])
def test_ledger_and_archive_are_in_airflow_home_with_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from order_relay.batches import BatchStore
    from order_relay.ledger import Ledger, migrate

    home = tmp_path / name
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    BatchStore(*connections.store_filesystem(connections.store_url())).write_text("x", "y")
    migrate(connections.ledger_url())
    Ledger.open(connections.ledger_url()).close()
    assert sorted(path.name for path in (home / "order_relay").iterdir())[:2] == ["batches", "ledger.sqlite"]
    assert (home / "order_relay" / "batches" / "x").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_archive_that_earlier_versions_misplaced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They took the encoded path for the folder's name; starting an empty archive beside it would lose orders."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "my airflow"))
    misplaced = tmp_path / "my%20airflow" / "order_relay" / "batches"
    misplaced.mkdir(parents=True)
    with pytest.raises(
        ConfigurationError, match=r"my%20airflow/order_relay/batches.*move it.*my airflow/order_relay/batches"
    ):
        connections.store_url()
    moved = tmp_path / "my airflow" / "order_relay" / "batches"
    moved.parent.mkdir(parents=True)
    misplaced.rename(moved)
    assert connections.store_url().endswith("my%20airflow/order_relay/batches")


@pytest.mark.parametrize(("scheme", "package"), [("s3", "amazon"), ("gs", "google"), ("abfs", "microsoft-azure")])
def test_a_store_whose_provider_is_missing_names_the_package(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(monkeypatch, "cloud", conn_type="generic")
    from airflow.sdk.io import fs

    monkeypatch.setattr(fs, "_register_filesystems", dict)
    with pytest.raises(ConfigurationError, match=f"apache-airflow-providers-{package}"):
        connections.store_filesystem(f"{scheme}://cloud@bucket/orders")


STOP = "AIRFLOW_VAR_ORDER_RELAY_STOP"


@pytest.fixture
def two_pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a_to_b", "a_to_b__second"):
        (folder / f"{name}.yaml").write_text("")
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(folder))


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        ("", set()),
        ("false", set()),
        ("true", {"a_to_b", "a_to_b__second"}),
        ("a_to_b", {"a_to_b"}),
        ("a_to", {"a_to_b", "a_to_b__second"}),
        ("a_to_b__secnd", {"a_to_b", "a_to_b__second"}),
    ],
)
def test_who_is_stopped(text: str, stopped: set[str], two_pipelines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STOP, text)
    switch = stop_variable.read_stop_switch()
    assert {name for name in ("a_to_b", "a_to_b__second") if switch.stops(name)} == stopped


def test_a_switch_that_is_not_defined_stops_nothing(two_pipelines: None) -> None:
    assert stop_variable.read_stop_switch() == StopSwitch()


class Answers:
    """A task's line to Airflow: by the kind of question."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def send(self, question: Any) -> Any:
        answer = self.answers[type(question).__name__]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Backend:
    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def get_variable(self, key: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def keys(*names: str) -> Any:
    return SimpleNamespace(keys=list(names))


NOT_FOUND = SimpleNamespace(error=SimpleNamespace(value="VARIABLE_NOT_FOUND"))
BROKEN = SimpleNamespace(error=SimpleNamespace(value="API_SERVER_ERROR"))


@pytest.mark.parametrize(
    ("backend", "answers"),
    [
        (Backend(OSError("vault is sealed")), {"GetVariable": NOT_FOUND, "GetVariableKeys": keys()}),
        (Backend(PermissionError("denied")), {"GetVariable": NOT_FOUND, "GetVariableKeys": keys()}),
        (Backend(), {"GetVariable": BROKEN, "GetVariableKeys": keys()}),
        (Backend(), {"GetVariable": OSError("cut"), "GetVariableKeys": keys()}),
        (Backend(), {"GetVariable": NOT_FOUND, "GetVariableKeys": OSError("cut")}),
        (Backend(), {"GetVariable": NOT_FOUND, "GetVariableKeys": BROKEN}),
        (Backend(), {"GetVariable": NOT_FOUND, "GetVariableKeys": keys("order_relay_stop")}),
    ],
    ids=["backend fails", "denied", "server error", "cut", "keys cut", "keys unknown", "cannot be decrypted"],
)
def test_a_switch_that_cannot_be_read_is_not_taken_for_an_absent_one(
    backend: Backend, answers: dict[str, Any], two_pipelines: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's own accessor answers "not defined" in all of these cases."""
    monkeypatch.setattr(stored_values, "_supervisor", lambda: Answers(**answers))
    monkeypatch.setattr("airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded", lambda: [backend])
    with pytest.raises(TransientError):
        stop_variable.read_stop_switch()
    seen = stop_variable.read_or_stop_all()
    assert seen.everything
    assert "a_to_b, a_to_b__second" in seen.problem


def test_a_switch_that_is_surely_absent_stops_nothing(two_pipelines: None, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(GetVariable=NOT_FOUND, GetVariableKeys=keys("order_relay_stop_notes"))
    monkeypatch.setattr(stored_values, "_supervisor", lambda: answers)
    monkeypatch.setattr("airflow.sdk.execution_time.supervisor.ensure_secrets_backend_loaded", lambda: [Backend()])
    assert stop_variable.read_stop_switch() == StopSwitch()


class Line:
    """A task's line to Airflow that answers as told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def send(self, _: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def error_answer(kind: str) -> Any:
    return SimpleNamespace(error=SimpleNamespace(value=kind))


@pytest.mark.parametrize("answer", [error_answer("API_SERVER_ERROR"), error_answer("GENERIC_ERROR"), OSError("cut")])
def test_an_api_server_error_is_not_a_missing_connection(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a moment's trouble would start an empty default ledger beside the real one."""
    monkeypatch.setattr(stored_values, "_supervisor", lambda: Line(answer))
    with pytest.raises(TransientError):
        connections.ledger_url()
    with pytest.raises(TransientError):
        connections.store_url()


def test_not_found_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_values, "_supervisor", lambda: Line(error_answer("CONNECTION_NOT_FOUND")))
    assert connections.ledger_url().startswith("sqlite:///")
