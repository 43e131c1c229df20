"""Fetches CSV files that arrive by e-mail into the batch store.

A message is marked or moved only after its attachments are stored durably in ``ACCOUNT/drops/``. Their names there are
derived from the message's id in the mailbox, so an interrupted run repeats the work without duplicates. Messages are
untrusted: anybody can send one, with any sender.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from fnmatch import fnmatchcase
from typing import Protocol

from order_relay.batches import BatchStore
from order_relay.batches.objects import safe_name
from order_relay.failpoints import failpoint
from order_relay.pipeline.fulfilment.status_fetch import FetchReport, FileSkipped, is_hostile_name
from order_relay.pipeline.fulfilment.status_files import DROPS
from order_relay.pipeline.settings.status_account import MailSettings

log = logging.getLogger(__name__)

MAX_PARTS = 100
"""Maximum parts of a message that are searched for attachments."""

_ENCODED = 1.4
"""Size of an attachment in a message, in proportion to its file: base64 with line breaks."""

_OVERHEAD = 256 << 10


@dataclass(frozen=True)
class MailSummary:
    """A message in the mailbox. ``id``: unique in the mailbox, also over its rebuilds. ``size`` in bytes."""

    id: str
    sender: str
    subject: str
    size: int

    @property
    def shown(self) -> str:
        """The subject for messages: printable ASCII on one line."""
        return f"message {self.subject[:80]!a}"


class Mailbox(Protocol):
    """One folder of a mailbox.

    Raises ``TransientError`` if the server is unreachable, ``ConfigurationError`` if it rejects the login.
    """

    def messages(self, senders: Sequence[str]) -> Iterator[MailSummary]:
        """Messages whose sender contains one of ``senders`` and that are not marked, oldest first."""

    def read(self, message: MailSummary, limit: int) -> bytes:
        """A message; at most ``limit`` bytes of it. Raises ``FileSkipped``."""

    def mark(self, message: MailSummary) -> None:
        """Mark a message as fetched. Raises ``FileSkipped``."""

    def move(self, message: MailSummary, folder: str) -> None:
        """Move a message to another folder. Raises ``FileSkipped``."""


def fetch_mail(
    account: str, mailbox: Mailbox, store: BatchStore, settings: MailSettings, *, size_limit: int
) -> FetchReport:
    """Fetch the attachments of every new message of the senders. A message with a problem does not affect others.

    Raises what ``Mailbox`` raises, and ``StoreUnavailableError``.
    """
    done = FetchReport()
    read = 0
    for message in mailbox.messages(settings.senders):
        if read == settings.most:
            break
        if not _is_meant(message, settings):
            done.passed_over += 1
            continue
        try:
            found = _read_attachments(mailbox, settings, message, size_limit)
            for name, content in found.items():
                store.write_bytes(f"{account}/{DROPS}/{name}", content)
            _finish(mailbox, settings, message)
            done.fetched += len(found)
            read += 1
        except FileSkipped as error:
            done.trouble.append(f"{message.shown}: {error}")
    for problem in done.trouble:
        log.warning("%s: mail: %s", account, problem)
    return done


def _is_meant(message: MailSummary, settings: MailSettings) -> bool:
    """Whether sender and subject fit: servers search for parts of words only."""
    sender = message.sender.casefold()
    known = any(
        sender.endswith(one.casefold()) if one.startswith("@") else sender == one.casefold()
        for one in settings.senders
    )  # fmt: skip
    return known and settings.subject.casefold() in message.subject.casefold()


def _read_attachments(
    mailbox: Mailbox, settings: MailSettings, message: MailSummary, size_limit: int
) -> dict[str, bytes]:
    """The matching attachments of a message, by the name under which they are stored. Raises ``FileSkipped``."""
    limit = int(size_limit * _ENCODED) + _OVERHEAD
    if message.size > limit:
        raise FileSkipped(f"has {message.size} bytes, more than files.size_limit_bytes ({size_limit}) allows")
    with failpoint("mail read"):
        data = mailbox.read(message, limit)
    found = {}
    for number, (name, content) in enumerate(_attachments(data)):
        if not fnmatchcase(name.casefold(), settings.pattern.casefold()):
            continue
        if len(content) > size_limit:
            shown = f"attachment {name[:80]!a} has {len(content)} bytes"
            raise FileSkipped(f"{shown}, more than files.size_limit_bytes ({size_limit})")
        stamp = hashlib.sha256(repr((message.id, number, name)).encode()).hexdigest()[:12]
        found[f"{stamp}-{safe_name(name)}"] = content
    if not found:
        raise FileSkipped(f"has no attachment that matches files.mail.pattern ({settings.pattern})")
    return found


def _finish(mailbox: Mailbox, settings: MailSettings, message: MailSummary) -> None:
    if settings.afterwards == "mark":
        with failpoint("mail mark"):
            mailbox.mark(message)
    else:
        with failpoint("mail move"):
            mailbox.move(message, settings.move_to)


def _attachments(data: bytes) -> Iterator[tuple[str, bytes]]:
    """File name and content of each part that has a name. Raises ``FileSkipped`` for an unreadable message."""
    try:
        message = message_from_bytes(data, EmailMessage, policy=policy.default)
        for number, part in enumerate(message.walk()):
            if number == MAX_PARTS:
                raise FileSkipped(f"has more than {MAX_PARTS} parts")
            name = part.get_filename()
            content = part.get_payload(decode=True)
            if name and isinstance(content, bytes):
                if is_hostile_name(name):
                    raise FileSkipped("an attachment's name is too long, or contains a path or control characters")
                yield name, content
    except (MessageError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise FileSkipped(f"cannot be read ({type(error).__name__})") from None
