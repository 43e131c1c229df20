"""The feed in a real Airflow API server and on our own, over HTTP; Airflow's own login stays what it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import local_airflow
import pytest
import yaml

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger, migrate
from tests.support.archived_orders import Relay, plain_orders

COMPOSE: dict[str, str] = yaml.safe_load((local_airflow.ROOT / "docker-compose.yaml").read_text())["x-airflow"][
    "environment"
]
LOGIN, PASSWORD = "feeduser-7431", "feed-Passw0rd-7431"
WINDOW = "action=export&start_date=01%2F01%2F2020+00%3A00&end_date=01%2F01%2F2099+00%3A00"
PAIR = f"SS-UserName={LOGIN}&SS-Password={PASSWORD}"
BASIC = {"Authorization": "Basic " + b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AIRFLOW_HOME whose ledger holds three imported orders."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "order_relay" / "batches").mkdir(parents=True)
    url = f"sqlite:///{folder / 'order_relay' / 'ledger.sqlite'}"
    migrate(url)
    with closing(Ledger.open(url)) as ledger:
        Relay(ledger, BatchStore((folder / "order_relay" / "batches").as_uri())).imported(*plain_orders(3))
    return folder


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    feed = {"conn_type": "shiprush", "login": LOGIN, "password": PASSWORD}
    return local_airflow.environment(home, {"AIRFLOW_CONN_SHIPRUSH_FEED": json.dumps(feed)})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path, patience_s: float = 90.0) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-3_000:]
        try:
            ask(url)
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise AssertionError(log.read_text(errors="replace")[-3_000:])


def ask(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def airflow(home: Path, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """Airflow's API server with our plugin; its address and its log."""
    port, log = free_port(), home / "api-server.log"
    mine = environment | {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES": COMPOSE["AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"],
    }
    command = [sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    with local_airflow.running(command, log, mine) as process:
        wait_until_it_answers(process, f"http://127.0.0.1:{port}/api/v2/version", log)
        yield f"http://127.0.0.1:{port}", log
        local_airflow.kill(process)


def test_the_feed_coexists_with_airflows_login(airflow: tuple[str, Path]) -> None:
    address, log = airflow
    feed = f"{address}/shiprush/orders?{WINDOW}"
    assert ask(feed)[0] == 401
    assert ask(f"{feed}&{PAIR}x")[0] == 401
    for headers, query in ((BASIC, ""), (None, f"&{PAIR}")):
        status, body = ask(feed + query, headers)
        assert (status, body.count("<OrderNumber>")) == (200, 3), body
    status, body = ask(f"{address}/shiprush/orders?action=shipnotify&order_number=no&{PAIR}", data=b"")
    assert (status, "unmatched" in body) == (200, True), "kept for an operator: it need not come again"
    for mistyped in ("/shiprsh/orders", "/shiprush/order", "/Shiprush/orders", "//shiprush//orders"):
        assert ask(f"{address}{mistyped}?{WINDOW}&{PAIR}")[0] in {200, 401, 404}
    text = log.read_text()
    assert "/shiprush/orders" in text, "the access log was written"
    assert "/shiprsh/orders" in text, "also for a path that nobody serves"
    assert LOGIN not in text
    assert PASSWORD not in text
    assert ask(f"{address}/api/v2/version")[0] == 200
    login = json.dumps({"username": LOGIN, "password": PASSWORD}).encode()
    opened: list[Any] = [
        ask(f"{address}/api/v2/dags", BASIC),
        ask(f"{address}/api/v2/dags?{PAIR}"),
        ask(f"{address}/api/v2/dags"),
        ask(f"{address}/auth/token", {"Content-Type": "application/json"}, login),
    ]
    assert [status for status, _ in opened] == [401, 401, 401, 401]
    assert PASSWORD not in log.read_text()


def test_it_is_served_without_airflow_as_well(home: Path, environment: dict[str, str]) -> None:
    log, port = home / "serve.log", free_port()
    command = [sys.executable, "-m", "order_relay", "serve", "--port", str(port)]
    with local_airflow.running(command, log, environment) as process:
        feed = f"http://127.0.0.1:{port}/shiprush/orders?{WINDOW}"
        wait_until_it_answers(process, feed, log)
        assert ask(feed)[0] == 401
        status, body = ask(f"{feed}&{PAIR}")
        assert (status, body.count("<OrderNumber>")) == (200, 3), body
        assert ask(f"{feed}&{PAIR}", BASIC)[0] == 200
        assert ask(feed.replace("/orders?", "/orders/?") + f"&{PAIR}")[0] == 200
        for other in ("/api/v2/version", "/shiprsh/orders", "/shiprush/order"):
            assert ask(f"http://127.0.0.1:{port}{other}?{PAIR}")[0] in {401, 404}
    text = log.read_text()
    assert f"http://127.0.0.1:{port}/shiprush/orders" in text
    for secret in (LOGIN, PASSWORD, "SS-"):  # nothing of a query, wherever a mistyped address sends it
        assert secret not in text
