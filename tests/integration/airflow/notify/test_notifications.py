"""Messages reach their target, once for each cause; a target that fails fails nothing else."""

from __future__ import annotations

import json
import logging
import smtplib
import socketserver
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import sqlalchemy as sa

from order_relay.airflow.notify import notifications, notifiers
from order_relay.errors import ConfigurationError
from order_relay.ledger import Alert, Delivery, Ledger, migrate
from order_relay.ledger.schema.tables import alert

NAME = "supercat_to_shopatron"
VARIABLE = "AIRFLOW_CONN_ORDER_RELAY_ALERTS"
HELD = Alert("stuck", "stuck:held", "2 orders are held", ("N1", "N{{ var.value.secret }}"), size=2)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(url)
    with closing(Ledger.open(url)) as opened:
        yield opened


def connect(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(fields))


def try_again(ledger: Ledger) -> None:
    """As if the minutes until the next try had passed."""
    ledger.database.write(lambda tx: tx.run(alert.update().values(next_at=alert.c.first_at)))


class Webhook(HTTPServer):
    """Keeps what it was sent; answers with ``status``."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/s3cr3t"


class _Hook(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with serving(Webhook()) as server:
        yield server


def test_by_default_they_are_logged(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        notifications.notify(ledger, NAME, [HELD])
        notifications.notify(ledger, NAME, [HELD])
    assert caplog.text.count("2 orders are held") == 1
    assert "N{{ var.value.secret }}" in caplog.text


def test_a_webhook_gets_each_cause_once(ledger: Ledger, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, conn_type="http", host=webhook.url, extra={"X-Team": "orders"})
    for _ in range(3):
        notifications.notify(ledger, NAME, [HELD])
    ((path, headers, body),) = webhook.got
    assert path == "/hooks/s3cr3t"
    assert headers["X-Team"] == "orders"
    assert body == {
        "text": "2 orders are held\n  N1\n  N{{ var.value.secret }}",
        "subject": "2 orders are held",
        "kind": "stuck",
        "cause": "stuck:held",
        "pipeline": NAME,
        "orders": 2,
        "over": False,
    }


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_target_that_fails_is_tried_again_and_fails_nothing(
    ledger: Ledger, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    connect(monkeypatch, conn_type="http", host=webhook.url)
    webhook.status = status
    notifications.notify(ledger, NAME, [HELD])
    assert len(webhook.got) == 1
    assert "could not be delivered" in caplog.text
    webhook.status = 200
    assert notifications.deliver_due(ledger) == {"told": 0, "failed": 0}, "not at once"
    try_again(ledger)
    assert notifications.deliver_due(ledger) == {"told": 1, "failed": 0}
    assert [row["told_at"] is not None for row in ledger.alerts.unresolved()] == [True]


def test_no_server(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with serving(Webhook()) as closed:
        url = closed.url
    connect(monkeypatch, conn_type="http", host=url)
    ledger.alerts.record(NAME, [HELD, Alert("stuck", "stuck:ready", "1 order is ready")])
    assert notifications.deliver_due(ledger) == {"told": 0, "failed": 1}, "the second would wait for the same target"
    ours = [record for record in caplog.records if record.name == notifications.log.name]
    assert ours
    assert not any("s3cr3t" in record.getMessage() for record in ours)


def test_a_recovery_notice_states_the_end() -> None:
    note = Delivery(NAME, "stuck:held", "stuck", "2 orders are held", "2 orders are held\n  N1", 2, over=True)
    assert notifiers.webhook_body(note)["text"] == "over: 2 orders are held"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "ftp", "host": "x"}, "order_relay_alerts.*type must be http .* or smtp"),
        ({"conn_type": "http", "host": "hooks.example"}, "order_relay_alerts.*'host'"),
        ({"conn_type": "http"}, "order_relay_alerts.*'host'"),
        ({"conn_type": "smtp", "host": "mail.example", "extra": {"from_email": "a@b.example"}}, "'to'.*missing"),
        ({"conn_type": "smtp", "host": "mail.example", "extra": {"to": "a@b.example"}}, "'from_email'.*missing"),
        ({"conn_type": "smtp", "extra": {"to": "a@b.example", "from_email": "a@b.example"}}, "'host'"),
    ],
)
def test_a_wrong_target_is_named_and_still_fails_no_run(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    message: str,
) -> None:
    connect(monkeypatch, **fields)
    notifications.notify(ledger, NAME, [HELD])
    assert "alert delivery failed" in caplog.text
    assert "2 orders are held" in caplog.text
    try_again(ledger)
    with pytest.raises(ConfigurationError, match=message):
        notifications.deliver_due(ledger)


def test_the_doctor_can_ask_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notifiers.describe_target() == "task logs"
    connect(monkeypatch, conn_type="http", host="https://hooks.example/x")
    assert notifiers.describe_target() == "a webhook"
    connect(monkeypatch, conn_type="smtp", host="mail", extra={"to": "a@b.example", "from_email": "a@b.example"})
    assert notifiers.describe_target() == "e-mail"


def test_a_ledger_error_while_recording_fails_no_run(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    ledger.database.write(lambda tx: tx.run(sa.text("DROP TABLE alert")))
    notifications.notify(ledger, NAME, [HELD])
    assert "2 orders are held" in caplog.text


class MailServer(socketserver.TCPServer):
    """Takes e-mails and keeps them."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Mail)


class _Mail(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.strip().upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                text = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(text.decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def test_an_e_mail(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(MailServer()) as server:
        connect(
            monkeypatch,
            conn_type="smtp",
            host="127.0.0.1",
            port=server.server_address[1],
            extra={
                "to": "ops@shop.example",
                "from_email": "relay@shop.example",
                "disable_ssl": True,
                "disable_tls": True,
                "retry_limit": 1,
            },
        )
        notifications.notify(ledger, NAME, [Alert("stuck", "stuck:held", "2 orders <are> held", ("N1",))])
    mail = message_from_string(server.mails[0], policy=policy.default)
    assert (mail["To"], mail["From"]) == ("ops@shop.example", "relay@shop.example")
    assert mail["Subject"] == "Order Relay: 2 orders <are> held"
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "<pre>2 orders &lt;are&gt; held\n  N1</pre>"
    assert len(server.mails) == 1


def test_a_mail_server_that_is_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise smtplib.SMTPServerDisconnected("away")

    monkeypatch.setattr("smtplib.SMTP.__init__", refuse)
    connect(
        monkeypatch,
        conn_type="smtp",
        host="127.0.0.1",
        port=9,
        extra={
            "to": "a@b.example",
            "from_email": "a@b.example",
            "disable_ssl": True,
            "disable_tls": True,
            "retry_limit": 1,
        },
    )
    ledger.alerts.record(NAME, [HELD])
    assert notifications.deliver_due(ledger) == {"told": 0, "failed": 1}
