"""A folder of a mailbox, through the hook of Airflow's IMAP provider.

The hook only connects and signs in: its own methods download whole messages of any size.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from order_relay.airflow.incoming.remote_files import socket_timeout
from order_relay.airflow.metadata.stored_values import read_connection
from order_relay.errors import ConfigurationError, TransientError, missing_package
from order_relay.iteration import batched
from order_relay.pipeline.fulfilment.status_fetch import FileSkipped
from order_relay.pipeline.fulfilment.status_mail import Mailbox, MailSummary
from order_relay.pipeline.settings.status_account import MailSettings

KEYWORD = "OrderRelay"

_HEADERS = "BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]"
_UID, _SIZE = re.compile(rb"\bUID (\d+)"), re.compile(rb"\bRFC822\.SIZE (\d+)")
_AT_ONCE = 100


@contextmanager
def open_mailbox(settings: MailSettings) -> Iterator[Mailbox]:
    """A folder of a mailbox, from an Airflow connection of type ``imap``.

    Raises ``ConfigurationError`` for an undefined connection, another type, a missing provider, a refused login, an
    untrusted certificate, a folder that cannot be opened, or one whose messages cannot be marked; ``TransientError`` if
    the server cannot be reached.
    """
    conn_id = settings.connection
    raw = read_connection(conn_id)
    if raw is None:
        raise ConfigurationError(f"connection {conn_id!r} (files.mail.connection) is not defined; add it in Airflow")
    if raw.conn_type != "imap":
        raise ConfigurationError(f"connection {conn_id!r} (files.mail.connection): type must be imap")
    try:
        with socket_timeout():
            client = _sign_in(conn_id)
            try:
                yield _ImapFolder(client, conn_id, settings)
            finally:
                with suppress(imaplib.IMAP4.error, OSError):
                    client.logout()
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"connection {conn_id!r}: the server's certificate is not trusted ({error.verify_message})"
        ) from None
    except (imaplib.IMAP4.error, OSError) as error:
        raise TransientError(
            f"connection {conn_id!r}: the mail server cannot be reached, or broke off ({type(error).__name__})"
        ) from None


def _sign_in(conn_id: str) -> imaplib.IMAP4:
    try:
        from airflow.providers.imap.hooks.imap import ImapHook
    except ImportError as error:
        setting = f"connection {conn_id!r} (files.mail.connection)"
        raise missing_package(setting, "apache-airflow-providers-imap", error, "imap") from None
    hook = ImapHook(conn_id)
    try:
        hook.get_conn()
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise ConfigurationError(f"connection {conn_id!r}: the mail server refused the login") from None
    if hook.mail_client is None or hook.mail_client.state != "AUTH":
        raise ConfigurationError(f"connection {conn_id!r}: login and password are needed")
    return hook.mail_client


class _ImapFolder:
    """A folder of a mailbox. Implements ``Mailbox``. Raises ``imaplib.IMAP4.error`` and ``OSError`` besides."""

    def __init__(self, client: imaplib.IMAP4, conn_id: str, settings: MailSettings) -> None:
        self._client, self._marks = client, settings.afterwards == "mark"
        # imaplib knows those before the login only
        self._can = _text(client.capability()[1]).upper().split()
        status, _ = client.select(f'"{settings.folder}"')
        if status != "OK":
            raise ConfigurationError(
                f"connection {conn_id!r}: folder {settings.folder!r} (files.mail.folder) cannot be opened"
            )
        self._validity = _text(client.response("UIDVALIDITY")[1])
        allowed = _text(client.response("PERMANENTFLAGS")[1])
        if self._marks and "\\*" not in allowed and KEYWORD not in allowed:
            raise ConfigurationError(
                f"connection {conn_id!r}: the server does not store keywords in {settings.folder!r}; "
                "set files.mail.afterwards to move"
            )

    def messages(self, senders: Sequence[str]) -> Iterator[MailSummary]:
        """See ``Mailbox``."""
        unmarked = f" UNKEYWORD {KEYWORD}" if self._marks else ""
        found: set[int] = set()
        for sender in senders:
            lines = self._ask("SEARCH", f'UNDELETED{unmarked} FROM "{sender}"')
            found |= {int(word) for line in lines if isinstance(line, bytes) for word in line.split() if word.isdigit()}
        for some in batched(sorted(found), _AT_ONCE):
            yield from self._summaries(some)

    def _summaries(self, uids: Sequence[int]) -> Iterator[MailSummary]:
        lines = self._ask("FETCH", ",".join(map(str, uids)), f"(UID RFC822.SIZE {_HEADERS})")
        for facts, header in _literals(lines):
            uid, size = _UID.search(facts), _SIZE.search(facts)
            if uid and size:
                parsed = message_from_bytes(header, EmailMessage, policy=policy.default)
                number = uid[1].decode()
                yield MailSummary(
                    f"{self._validity}/{number}", _header(_sender, parsed), _header(_subject, parsed), int(size[1])
                )

    def read(self, message: MailSummary, limit: int) -> bytes:
        """See ``Mailbox``."""
        lines = self._ask("FETCH", _uid(message), f"(BODY.PEEK[]<0.{limit}>)")
        found = [content for _, content in _literals(lines)]
        if len(found) != 1:
            raise FileSkipped("is no longer in the folder")
        return found[0]

    def mark(self, message: MailSummary) -> None:
        """See ``Mailbox``."""
        self._ask("STORE", _uid(message), "+FLAGS.SILENT", f"({KEYWORD})")

    def move(self, message: MailSummary, folder: str) -> None:
        """See ``Mailbox``. Without the server's MOVE: a copy, then the message is deleted."""
        if "MOVE" in self._can:
            self._ask("MOVE", _uid(message), f'"{folder}"')
            return
        self._ask("COPY", _uid(message), f'"{folder}"')
        self._ask("STORE", _uid(message), "+FLAGS.SILENT", "(\\Deleted)")
        if "UIDPLUS" in self._can:  # otherwise others' deleted messages would be expunged as well
            self._ask("EXPUNGE", _uid(message))

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        status, lines = self._client.uid(command, *arguments)
        if status != "OK":
            raise FileSkipped(f"the mail server refused {command}; check the folders and the account's permissions")
        return lines


def _literals(lines: Sequence[Any]) -> Iterator[tuple[bytes, bytes]]:
    """The facts and the literal of each message in a response to FETCH; facts may also follow the literal."""
    for number, line in enumerate(lines):
        if isinstance(line, tuple):
            after = lines[number + 1] if number + 1 < len(lines) else b""
            yield line[0] + (after if isinstance(after, bytes) else b""), line[1]


def _header(read: Callable[[EmailMessage], str], message: EmailMessage) -> str:
    """A header; empty if it cannot be parsed, as in hostile messages."""
    try:
        return read(message)
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return ""


def _sender(message: EmailMessage) -> str:
    """The address of the only sender."""
    addresses = message["From"].addresses
    return str(addresses[0].addr_spec) if len(addresses) == 1 else ""


def _subject(message: EmailMessage) -> str:
    return str(message["Subject"] or "")


def _uid(message: MailSummary) -> str:
    return message.id.rpartition("/")[2]


def _text(values: Sequence[Any]) -> str:
    return b" ".join(value for value in values if isinstance(value, bytes)).decode("ascii", "replace")
