"""Webhooks end to end on loopback: registered by command, sent and signed by the twin, kept by our server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner, Result

from order_relay.airflow.installation import Installation
from order_relay.cli import app as app_module
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment

Make = Callable[..., Any]


def add(order: str, status: str = "NEW") -> dict[str, Any]:
    return {"add": {"order_id": order, "level": "detailed", "status": status}}


@contextmanager
def served(here: Any) -> Iterator[str]:
    """Our endpoints on a free port; the webhook's address."""
    wiring = here.wiring
    parts = Deployment(wiring.connections, lambda: wiring.ledger_url, lambda: wiring.store)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(parts), access_log=False, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 60
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/acommerce/events"
        server.should_exit = True
        thread.join(60)
    parts.close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[..., Result]]:
    """``python -m order_relay hook`` for an account."""

    def of(here: Any) -> Callable[..., Result]:
        monkeypatch.setattr(Installation, "connection", lambda _self, conn_id: here.wiring.connections(conn_id))
        return lambda *arguments: CliRunner().invoke(app_module.app, ["hook", *arguments])

    return of


def test_registered_delivered_deleted(account: Make, hook: Any) -> None:
    here = account()
    call = hook(here)
    with served(here) as url:
        made = json.loads(call("register", url, "--json").stdout)
        (shown,) = json.loads(call("list", "--json").stdout)["hooks"]
        assert shown == made
        assert "hush" not in call("list").stdout
        here.sandbox.happen(add("A"), add("A", "IN_TRANSIT"), add("B"))
        assert here.sandbox.deliver() == {"delivered": 3, "waiting": 0}
        assert here.states() == here.expected()
        assert call("delete", made["id"]).exit_code == 0
        assert json.loads(call("list", "--json").stdout)["hooks"] == []
    here.sandbox.happen({"announce": {"order_id": "B", "parcel": "P1"}}, add("C"))
    here.poll()  # what no webhook told is filled by the poll
    assert here.states() == here.expected()


def test_another_secret_or_digest_is_refused(account: Make, hook: Any) -> None:
    here = account(signature="sha1")
    call = hook(here)
    with served(here) as url:
        call("register", url)
        here.sandbox.happen(add("A"))
        assert here.sandbox.deliver() == {"delivered": 0, "waiting": 1}
        here.sandbox.change({"acommerce": {"signature": "sha256"}})
        assert here.sandbox.deliver() == {"delivered": 1, "waiting": 0}
    assert here.sandbox.report()["acommerce"]["deliveries"] == {"401": 1, "200": 1}


@pytest.mark.parametrize("arguments", [("register", "ftp://x"), ("register", "https://me:pw@x"), ("delete", "../x")])
def test_nonsense_terms_send_no_request(account: Make, hook: Any, arguments: tuple[str, ...]) -> None:
    here = account()
    assert hook(here)(*arguments).exit_code != 0
    assert here.sandbox.report()["requests"] == {}
