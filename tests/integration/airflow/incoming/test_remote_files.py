"""Real FTP and SFTP servers on loopback, through the providers' hooks: both keep the same contract."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from order_relay.airflow.incoming.remote_files import open_file_server
from order_relay.airflow.jobs import statuses
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger import Ledger
from order_relay.pipeline.fulfilment.status_fetch import FileSkipped, RemoteFile
from tests.support.sftp_server import PASSWORD, USER, sftp, sftp_extra

OLD = {name: command for name, command in FTPHandler.proto_cmds.items() if name != "MLSD"}


@dataclass
class Served:
    """A server whose folder ``out`` is ``out`` here."""

    kind: str
    home: Path
    port: int

    @property
    def out(self) -> Path:
        return self.home / "out"

    def connection(self, password: str = PASSWORD, **extra: Any) -> str:
        """As Airflow takes it from its environment."""
        if self.kind == "sftp":
            extra = {**sftp_extra(), **extra}
        return json.dumps(
            {
                "conn_type": self.kind,
                "host": "127.0.0.1",
                "port": self.port,
                "login": USER,
                "password": password,
                "extra": {name: value for name, value in extra.items() if value is not None},
            }
        )


@contextmanager
def ftp(home: Path, **changes: Any) -> Iterator[int]:
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(home), perm="elradfmw")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer, "auth_failed_timeout": 0, **changes})
    server = FTPServer(("127.0.0.1", 0), handler)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.02, blocking=False)
        server.close_all()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.address[1]
    finally:
        stop.set()
        thread.join()


@pytest.fixture(params=["ftp", "ftp without MLSD", "sftp"])
def served(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    logging.getLogger("pyftpdlib").setLevel(logging.WARNING)
    home = tmp_path / "home"
    (home / "out" / "below").mkdir(parents=True)
    kind = request.param.partition(" ")[0]
    servers: dict[str, Callable[[], Any]] = {
        "ftp": lambda: ftp(home),
        "ftp without MLSD": lambda: ftp(home, proto_cmds=OLD),
        "sftp": lambda: sftp(home),
    }
    with servers[request.param]() as port:
        made = Served(kind, home, port)
        monkeypatch.setenv("AIRFLOW_CONN_FILES", made.connection())
        yield made


def test_files_are_listed_read_moved_and_deleted(served: Served) -> None:
    (served.out / "one.csv").write_bytes(b"a,b\r\n\xff\x00")
    (served.out / "empty.csv").write_bytes(b"")
    with open_file_server("files", "/out") as server:
        found = {file.name: file for file in server.files()}
        assert {name: file.size for name, file in found.items()} == {"one.csv": 7, "empty.csv": 0}
        assert list(server.files()) == list(found.values())
        assert server.read(found["one.csv"], 7) == b"a,b\r\n\xff\x00"
        assert server.read(found["empty.csv"], 0) == b""
        server.move(found["one.csv"], "/out/below", "1-one.csv")
        server.delete(found["empty.csv"])
        assert server.files() == []
    assert (served.out / "below" / "1-one.csv").read_bytes() == b"a,b\r\n\xff\x00"


def test_more_than_was_listed_is_not_read_on_and_the_next_one_is(served: Served) -> None:
    (served.out / "long.csv").write_bytes(b"x" * 300_000)
    (served.out / "next.csv").write_bytes(b"next")
    with open_file_server("files", "/out") as server:
        assert 5 < len(server.read(RemoteFile("long.csv", 5, ""), 5)) < 100_000
        assert server.read(RemoteFile("next.csv", 4, ""), 4) == b"next"


def test_what_is_refused_about_one_file_leaves_the_others(served: Served) -> None:
    (served.out / "one.csv").write_bytes(b"1")
    missing = RemoteFile("gone.csv", 1, "")
    with open_file_server("files", "/out") as server:
        for refused in (
            partial(server.read, missing, 1),
            partial(server.delete, missing),
            partial(server.move, missing, "/out/below", "x"),
        ):
            with pytest.raises(FileSkipped, match="refused access"):
                refused()
        assert server.read(RemoteFile("one.csv", 1, ""), 1) == b"1"


def test_a_missing_folder(served: Served) -> None:
    message = r"'/nowhere' \(files.fetch.folder\)"
    with pytest.raises(ConfigurationError, match=message), open_file_server("files", "/nowhere") as server:
        server.files()


def test_an_empty_folder_that_an_old_server_refuses_to_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    changes = {"proto_cmds": OLD, "ftp_NLST": lambda self, path: self.respond("550 No files found.")}
    with ftp(tmp_path, **changes) as port:
        monkeypatch.setenv("AIRFLOW_CONN_FILES", Served("ftp", tmp_path, port).connection())
        with open_file_server("files", "out") as server:
            assert server.files() == []
        with (
            pytest.raises(ConfigurationError, match=r"files\.fetch\.folder"),
            open_file_server("files", "nowhere") as server,
        ):
            server.files()


def test_a_refused_login(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", served.connection(password="wrong-password"))
    with pytest.raises(ConfigurationError, match="refused the login") as refused, open_file_server("files", "/out"):
        pass
    assert "wrong-password" not in str(refused.value)


def test_a_server_that_is_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.port = 1  # nobody listens there
    monkeypatch.setenv("AIRFLOW_CONN_FILES", served.connection())
    with pytest.raises(TransientError, match="cannot be reached"), open_file_server("files", "/out"):
        pass


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "home" / "out").mkdir(parents=True)
    with sftp(tmp_path / "home") as port:
        yield Served("sftp", tmp_path / "home", port)


OTHER = "ssh-ed25519 " + asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[1]


@pytest.mark.parametrize(
    ("host_key", "message"),
    [(None, "host key is unknown"), (OTHER, "host key has changed"), ("ssh-ed25519 x", "connection 'files'")],
    ids=["unknown", "another", "none"],
)
def test_host_keys_are_verified(
    strangers: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host_key: str | None, message: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # without known_hosts
    monkeypatch.setenv("AIRFLOW_CONN_FILES", strangers.connection(host_key=host_key))
    with pytest.raises(ConfigurationError, match=message), open_file_server("files", "/out"):
        pass


@pytest.mark.parametrize(("kind", "provider"), [("ftp", "ftp"), ("ftps", "ftp"), ("sftp", "sftp")])
def test_a_missing_provider_is_named_with_its_setting(
    kind: str, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"airflow.providers.{provider}.hooks.{provider}", None)
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({"conn_type": kind, "host": "127.0.0.1"}))
    message = rf"files\.fetch\.connection.*pip install 'apache-airflow-providers-{provider}'"
    with pytest.raises(ConfigurationError, match=message), open_file_server("files", "."):
        pass


def test_connections_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({"conn_type": "http", "host": "127.0.0.1"}))
    with pytest.raises(ConfigurationError, match="type must be ftp, ftps or sftp"), open_file_server("files", "."):
        pass
    with pytest.raises(ConfigurationError, match=r"'nothing'.*is not defined"), open_file_server("nothing", "."):
        pass


CONFIG = """
source: {vendor: acommerce, connection: acommerce_default}
files: {settled_s: 0, fetch: {connection: files, folder: /out, afterwards: delete, settled_s: 0}}
"""


def test_the_tasks_fetch_and_read(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    """What the DAG's tasks do, on what Airflow knows; one hostile file is told and left."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "acommerce_status.yaml").write_text(CONFIG)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("AIRFLOW_VAR_ORDER_RELAY_BATCHES", (tmp_path / "batches").as_uri())
    monkeypatch.setattr("order_relay.airflow.connections.ledger_url", lambda: sqlite_url)
    monkeypatch.setenv(
        "AIRFLOW_CONN_ACOMMERCE_DEFAULT",
        json.dumps(
            {
                "conn_type": "http",
                "host": "http://127.0.0.1:1",
                "login": "a",
                "password": "b",
                "extra": {"channel": "demo-channel", "auth_url": "http://127.0.0.1:1"},
            }
        ),
    )
    (served.out / "one.csv").write_text("orderId,status,eventId\nFILED,NEW,f-1\n")
    (served.out / "back\\slash.csv").write_text("x")
    context: Any = {"dag_run": SimpleNamespace(run_id="r", dag_id="acommerce_status", run_type="manual"), "ti": None}
    assert statuses.fetch("acommerce_status", context) == {"fetched": 1, "growing": 0, "passed_over": 0, "trouble": 1}
    assert statuses.files("acommerce_status", context)["new"] == 1
    backfill: Any = {
        "dag_run": SimpleNamespace(
            run_id="b", dag_id="acommerce_status", run_type="backfill", data_interval_start=None, data_interval_end=None
        ),
        "ti": None,
    }
    assert statuses.files("acommerce_status", backfill) == statuses.fetch("acommerce_status", backfill) == {}
    assert [path.name for path in served.out.glob("*.csv")] == ["back\\slash.csv"]
    assert len(list((tmp_path / "batches").glob("acommerce_status/archive/*-one.csv"))) == 1
    ledger = Ledger.open(sqlite_url)
    assert [row["order_number"] for row in ledger.statuses.recent()] == ["FILED"]
    ledger.close()
