from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow_bindings import asking, connections
from order_relay.errors import RetryLater, WrongSetup

LEDGER = "AIRFLOW_CONN_ORDER_RELAY_LEDGER"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(connections, "executors", lambda: ("LocalExecutor",))
    return tmp_path


def define(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def test_fields_and_unknown_extras_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    define(
        monkeypatch, "shop_a", conn_type="http", host="https://h/api", login="key", password="pass-word",
        port=8443, extra={"manufacturer_id": 7, "headers": {"x-tenant": "1"}, "unheard_of": [1]},
    )  # fmt: skip
    found = connections.connection("shop_a")
    assert (found.conn_id, found.host, found.login, found.password) == ("shop_a", "https://h/api", "key", "pass-word")
    assert found.port == 8443
    assert found.extra == {"manufacturer_id": 7, "headers": {"x-tenant": "1"}, "unheard_of": [1]}
    assert "pass-word" not in repr(found)


def test_a_missing_connection_names_itself_and_the_way_to_define_it() -> None:
    with pytest.raises(WrongSetup, match=r"'nowhere_default' is not defined.*AIRFLOW_CONN_NOWHERE_DEFAULT"):
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
        monkeypatch, "order_relay_ledger", conn_type=kind, host="db", port=5433, schema="relay", login="me",
        password="p@ss/w:rd", extra={"sslmode": "require"},
    )  # fmt: skip
    url = make_url(connections.ledger_url())
    assert (url.drivername, url.host, url.port, url.database) == ("postgresql+psycopg", "db", 5433, "relay")
    assert (url.username, url.password, url.query["sslmode"]) == ("me", "p@ss/w:rd", "require")


def test_a_ledger_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, "order_relay_ledger", conn_type="mysql", host="db")
    with pytest.raises(WrongSetup, match="postgres or sqlite"):
        connections.ledger_url()


def test_a_postgres_ledger_without_database_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    define(monkeypatch, "order_relay_ledger", conn_type="postgres", host="db")
    with pytest.raises(WrongSetup, match="'schema'"):
        connections.ledger_url()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("LocalExecutor",), False), (("SequentialExecutor",), False), (("CeleryExecutor",), True),
     (("LocalExecutor", "KubernetesExecutor"), True), (("MyOwnExecutor",), True)],
)  # fmt: skip
def test_which_executors_spread(names: tuple[str, ...], expected: bool) -> None:
    assert connections.spreads(names) is expected


def test_sqlite_and_local_files_are_refused_where_tasks_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "executors", lambda: ("CeleryExecutor",))
    with pytest.raises(WrongSetup, match=r"CeleryExecutor.*postgres"):
        connections.ledger_url()
    with pytest.raises(WrongSetup, match="order_relay_batches_shared"):
        connections.store_url()
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES_SHARED", "true")
    assert connections.store_url().startswith("file:///")
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES", "s3://aws@bucket/relay")
    assert connections.store_url() == "s3://aws@bucket/relay"


def test_the_store_must_be_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES", "/var/relay")
    with pytest.raises(WrongSetup, match="not a URL"):
        connections.store_url()


def test_a_store_without_connection_needs_no_file_system_of_airflow() -> None:
    assert connections.store_filesystem("file:///var/x@y/z") == ("file:///var/x@y/z", None)
    assert connections.store_filesystem("memory://bucket/x") == ("memory://bucket/x", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", False), ("false", False), ("true", True), ("True", True), ("a_to_b", True), ("other, a_to_b", True),
     ("a_to", False), ("a_to_b__second", False)],
)  # fmt: skip
def test_who_is_stopped(text: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_STOP", text)
    assert connections.stopped("a_to_b") is expected


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
def test_an_api_server_that_can_not_answer_is_no_missing_connection(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a moment's trouble would start an empty default ledger beside the real one."""
    monkeypatch.setattr(asking, "_comms", lambda: Line(answer))
    with pytest.raises(RetryLater):
        connections.ledger_url()
    with pytest.raises(RetryLater):
        connections.store_url()


def test_not_found_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_comms", lambda: Line(error_answer("CONNECTION_NOT_FOUND")))
    assert connections.ledger_url().startswith("sqlite:///")
