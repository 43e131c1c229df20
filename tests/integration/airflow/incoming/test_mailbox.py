"""CSV files that arrive by e-mail: a real IMAP server on loopback, through the provider's hook."""

from __future__ import annotations

import imaplib
import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from order_relay.airflow.incoming.mailbox import _ImapFolder, open_mailbox
from order_relay.batches import BatchStore
from order_relay.batches.incoming_files import IncomingFolder
from order_relay.errors import ConfigurationError, TransientError
from order_relay.pipeline.fulfilment.status_fetch import FetchReport
from order_relay.pipeline.fulfilment.status_mail import Mailbox, fetch_mail
from order_relay.pipeline.settings.status_account import MailSettings
from tests.support.failpoints import killed_at

USER, PASSWORD = "partner", "a-password"
SENDER = "reports@partner.example"
LIMIT = 10_000


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = int(free.getsockname()[1])
    command = [str(Path(sys.executable).parent / "pymap"), "--host", "127.0.0.1", "--port", str(number), "--no-tls"]
    account = ["--demo-data", "--demo-user", USER, "--demo-password", PASSWORD]
    server = subprocess.Popen([*command, "dict", *account], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(number, server)
        yield number
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the IMAP server did not start")


class Account:
    """The partner's mailbox."""

    def __init__(self, port: int) -> None:
        self.client = imaplib.IMAP4("127.0.0.1", port)
        self.client.login(USER, PASSWORD)
        for folder in ("INBOX", "Done"):
            self.client.create(folder)
            self.client.select(folder)
            self.client.store("1:*", "+FLAGS", "(\\Deleted)")
            self.client.expunge()

    def send(self, subject: str, *files: tuple[str, bytes], sender: str = SENDER) -> None:
        message = EmailMessage()
        message["From"], message["Subject"] = f"Reports <{sender}>", subject
        message.set_content("The report is attached.")
        for name, content in files:
            message.add_attachment(content, maintype="text", subtype="csv", filename=name)
        self.client.append("INBOX", "", "", message.as_bytes())

    def count(self, folder: str) -> int:
        return int(self.client.select(folder)[1][0] or b"0")


@pytest.fixture
def account(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    login = {"conn_type": "imap", "host": "127.0.0.1", "port": port, "login": USER, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps({**login, "extra": {"use_ssl": False}}))
    monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps({**login, "password": "x", "extra": {"use_ssl": False}}))
    made = Account(port)
    yield made
    made.client.logout()


def settings(**changed: Any) -> MailSettings:
    given = {"connection": "mail", "senders": [SENDER], "subject": "status", "afterwards": "move", "move_to": "Done"}
    return MailSettings(**{**given, **changed})


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore((tmp_path / "store").as_uri())


def fetch(store: BatchStore, chosen: MailSettings) -> FetchReport:
    with open_mailbox(chosen) as mailbox:
        return fetch_mail("acme_status", mailbox, store, chosen, size_limit=LIMIT)


def contents(store: BatchStore) -> list[bytes]:
    folder = IncomingFolder(store, "acme_status/drops")
    return sorted(folder.read(file, LIMIT) for file in folder.files())


def test_attachments_are_stored_and_their_message_is_moved(account: Account, store: BatchStore) -> None:
    account.send("Order Status 1. Mai", ("Bericht Nr. 1.csv", b"a;1"), ("สถานะ.CSV", b"b;2"), ("logo.png", b"\x89"))
    account.send("Order status", ("a.csv", b"c;3"), sender=f"x{SENDER}")  # a server's search finds parts of addresses
    account.send("Invoice", ("b.csv", b"d;4"))
    account.send("Order status, none attached")
    account.send("Order status, too large", ("c.csv", b"x" * (LIMIT + 1)))
    account.send("Order status, a path", ("../../etc/passwd.csv", b"e;5"))
    done = fetch(store, settings())
    assert contents(store) == [b"a;1", b"b;2"]
    assert (done.fetched, done.passed_over, len(done.trouble)) == (2, 2, 3)
    assert any("10001 bytes, more than files.size_limit_bytes (10000)" in line for line in done.trouble)
    assert (account.count("INBOX"), account.count("Done")) == (5, 1)
    assert fetch(store, settings()).fetched == 0


def test_a_message_stays_until_its_files_are_stored(account: Account, store: BatchStore) -> None:
    account.send("Status", ("a.csv", b"a;1"))
    for place in itertools.count():
        if not killed_at(place, lambda: fetch(store, settings())):
            break
        assert account.count("INBOX") == 1 or contents(store) == [b"a;1"]
    assert contents(store) == [b"a;1"], "stored again under the same name"
    assert (account.count("INBOX"), account.count("Done")) == (0, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"connection": "none"}, "connection 'none' .files.mail.connection. is not defined"),
        ({"connection": "wrong"}, "refused the login"),
        ({"folder": "Nowhere"}, "folder 'Nowhere' .files.mail.folder. cannot be opened"),
        (
            {"afterwards": "mark", "move_to": ""},
            "not store keywords in 'INBOX'; set files.mail.afterwards to move",
        ),
    ],
)
def test_wrong_settings_are_named(account: Account, store: BatchStore, changed: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(store, settings(**changed))


def test_a_missing_provider_is_named_with_its_setting(
    account: Account, store: BatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.imap.hooks.imap", None)
    with pytest.raises(ConfigurationError, match=r"files\.mail\.connection.*pip install 'order-relay\[imap\]'"):
        fetch(store, settings())


def test_an_unreachable_server_is_tried_again(
    account: Account, store: BatchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = {"conn_type": "imap", "host": "127.0.0.1", "port": closed.getsockname()[1], "login": "a"}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps({**nobody, "password": "b", "extra": {"use_ssl": False}}))
        with pytest.raises(TransientError, match="cannot be reached"):
            fetch(store, settings())


class KeywordServer:
    """The answers of a server that stores keywords, with one message; records what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def capability(self) -> tuple[str, list[bytes]]:
        return "OK", [b"IMAP4rev1"]

    def select(self, _folder: str) -> tuple[str, list[bytes]]:
        return "OK", [b"1"]

    def response(self, name: str) -> tuple[str, list[bytes]]:
        return name, [b"7"] if name == "UIDVALIDITY" else [b"(\\Seen \\*)"]

    def uid(self, *words: str) -> tuple[str, list[Any]]:
        self.asked.append(words)
        if words[0] == "SEARCH":
            return "OK", [b"12"]
        header = b"From: <reports@partner.example>\r\nSubject: Status\r\n\r\n"
        return "OK", [(b"1 (UID 12 BODY[HEADER.FIELDS (FROM SUBJECT)] {55}", header), b" RFC822.SIZE 99)"]


def test_messages_are_marked_with_a_keyword() -> None:
    server: Any = KeywordServer()
    mailbox: Mailbox = _ImapFolder(server, "mail", settings(afterwards="mark", move_to=""))
    (message,) = mailbox.messages([SENDER])
    assert (message.id, message.sender, message.size) == ("7/12", SENDER, 99)
    mailbox.mark(message)
    assert server.asked[0] == ("SEARCH", f'UNDELETED UNKEYWORD OrderRelay FROM "{SENDER}"')
    assert server.asked[-1] == ("STORE", "12", "+FLAGS.SILENT", "(OrderRelay)")
