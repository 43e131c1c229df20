"""``serve``: a wrong setting is refused before anything listens; the desk's login is safe or not served."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.batches import BatchStore
from order_relay.cli import app as app_module
from order_relay.connections import Connection
from order_relay.desk.standalone.passwords import hash_password, matches
from order_relay.errors import ConfigurationError

SOUND = {"login": "feeduser", "password": "long-and-random"}


def serve(monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any] | None) -> Result:
    def connection(_self: Installation, conn_id: str) -> Connection:
        if fields is None or conn_id != "shiprush_feed":
            raise ConfigurationError("not defined")
        return Connection(conn_id, **fields)

    monkeypatch.setattr(Installation, "connection", connection)
    return CliRunner().invoke(app_module.app, ["serve", "--port", "0"])


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"login": "u"}, "password"),
        ({**SOUND, "login": "a:b"}, "login"),
        ({**SOUND, "extra": {"words": {"cancelled": "annulled"}}}, "words"),
        ({**SOUND, "extra": {"unmatched_status": 500}}, "unmatched_status"),
        ({**SOUND, "extra": {"page_size": 0}}, "page_size"),
        ({**SOUND, "extra": {"entered": "sent"}}, "entered"),
    ],
)
def test_a_wrong_setting_of_the_feed_is_refused_before_it_listens(
    monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any], named: str
) -> None:
    def listens(*_: Any, **__: Any) -> None:
        raise AssertionError("it listens")

    monkeypatch.setattr(socket, "create_server", listens)
    result = serve(monkeypatch, fields)
    assert isinstance(result.exception, ConfigurationError), result.output
    assert named in str(result.exception)
    assert SOUND["password"] not in str(result.exception) + result.output


@pytest.mark.parametrize("fields", [SOUND, None], ids=["with a feed", "without a feed"])
def test_a_sound_setting_is_served(
    monkeypatch: pytest.MonkeyPatch, fields: Mapping[str, Any] | None, sqlite_url: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", BatchStore(tmp_path.as_uri()))
    ran = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _self, sockets: ran.append(sockets[0].getsockname()[1]))
    result = serve(monkeypatch, fields)
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"http://127.0.0.1:{ran[0]}/shiprush/orders" in result.output


class TestDesk:
    HASH = hash_password("correct horse battery")

    @pytest.fixture(autouse=True)
    def installation(self, monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
        monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
        monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)

    def run(self, monkeypatch: pytest.MonkeyPatch, users: Any, *options: str) -> Result:
        def connection(_self: Installation, conn_id: str) -> Connection:
            if users is None:
                raise ConfigurationError(f"connection {conn_id!r} is not defined")
            return Connection(conn_id, extra={"users": users})

        monkeypatch.setattr(Installation, "connection", connection)
        return CliRunner().invoke(app_module.app, ["serve", "--desk", "--port", "0", *options])

    @pytest.mark.parametrize(
        ("users", "named"), [(None, "'order_relay_desk' is not defined"), ({}, "at least one user")]
    )
    def test_nobody_can_sign_in(self, users: Any, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
        result = self.run(monkeypatch, users)
        assert isinstance(result.exception, ConfigurationError)
        assert named in str(result.exception)

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "desk.example"])
    def test_passwords_do_not_cross_a_network_in_clear_text(self, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
        result = self.run(monkeypatch, {"ann": {"role": "viewer", "password": self.HASH}}, "--host", host)
        assert isinstance(result.exception, ConfigurationError)
        assert "--behind-tls" in str(result.exception)

    @pytest.mark.parametrize("options", [(), ("--host", "0.0.0.0", "--behind-tls")])
    def test_it_serves(self, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Any] = []
        monkeypatch.setattr(uvicorn.Config, "__init__", lambda config, app, **fields: made.append((app, fields)))
        monkeypatch.setattr(uvicorn, "Server", lambda config: SimpleNamespace(run=lambda sockets: None))
        result = self.run(monkeypatch, {"ann": {"role": "viewer", "password": self.HASH}}, *options)
        assert result.exit_code == 0, (result.output, result.exception)
        ((app, fields),) = made
        assert app.state.access.secure is fields["proxy_headers"] is bool(options)
        assert fields["access_log"] is False


def test_a_password_becomes_a_hash() -> None:
    result = CliRunner().invoke(app_module.app, ["serve", "--hash-password"], input="correct horse battery\n")
    assert matches("correct horse battery", result.output.strip())
    short = CliRunner().invoke(app_module.app, ["serve", "--hash-password"], input="short\n")
    assert isinstance(short.exception, ConfigurationError)
