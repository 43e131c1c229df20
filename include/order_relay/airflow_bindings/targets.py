"""Where messages for people go: Airflow's own notifiers, chosen by the connection ``order_relay_alerts``.

Not defined: the task's log. Type ``http``: a webhook, whose address is the host (fields of the extra become headers,
login and password basic authentication). Type ``smtp``: an e-mail, to the addresses in the extra field ``to``.
"""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseNotifier
from airflow.sdk.log import mask_secret

from order_relay.airflow_bindings.asking import ask_connection
from order_relay.airflow_bindings.connections import to_connection
from order_relay.connections import Connection
from order_relay.errors import WrongSetup
from order_relay.ledger import Note

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

CONNECTION = "order_relay_alerts"
TIMEOUT_S = 15.0

_PLACES = {"LogNotifier": "the logs of the tasks", "HttpNotifier": "a webhook", "SmtpNotifier": "e-mail"}


class LogNotifier(BaseNotifier):
    """Writes a message into the log of the task that tells it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Context) -> None:
        """See ``BaseNotifier.notify``."""
        log.warning("%s", self.text)


def deliver(note: Note) -> None:
    """Deliver one message. Raises ``WrongSetup`` where the connection is wrong, and what its notifier raises.

    The notifier's templates are not rendered: order numbers come from outside, and ``{{`` in one must stay text.
    """
    notifier_for(note).notify({})


def check() -> str:
    """Where messages go, in words. Raises ``WrongSetup`` where the connection is wrong; nobody is contacted."""
    return _PLACES[type(notifier_for(Note("", "", "", "", ""))).__name__]


def notifier_for(note: Note) -> BaseNotifier:
    """The notifier that the connection says, made for this message. Raises ``WrongSetup`` naming connection and field.

    The notifiers of providers are imported when they are used: each takes a second.
    """
    raw = ask_connection(CONNECTION)
    if raw is None:
        return LogNotifier(words(note))
    known = to_connection(CONNECTION, raw)
    match raw.conn_type:
        case "http":
            return _webhook(note, known)
        case "smtp":
            return _mail(note, known)
    raise WrongSetup(f"connection {CONNECTION!r}: type must be http (a webhook) or smtp (e-mail)")


def title(note: Note) -> str:
    """One line: what it is about, and whether it is over."""
    return f"over: {note.subject}" if note.over else note.subject


def words(note: Note) -> str:
    """The whole message."""
    return title(note) if note.over else note.text


def _webhook(note: Note, known: Connection) -> BaseNotifier:
    """A POST of JSON; ``text`` is what chat services show."""
    from airflow.providers.http.notifications.http import HttpNotifier  # noqa: PLC0415

    if "://" not in known.host:
        raise known.wrong("host", "is no whole address; give https://host/path")
    mask_secret(urlsplit(known.base_url()).path)  # many services put the secret there, and errors show it
    return HttpNotifier(
        http_conn_id=CONNECTION,
        json=body(note),
        extra_options={"timeout": TIMEOUT_S, "max_redirects": 0},  # a redirected POST would arrive as a GET, empty
    )


def body(note: Note) -> dict[str, Any]:
    """What a webhook gets."""
    return {
        "text": words(note),
        "subject": title(note),
        "kind": note.kind,
        "cause": note.cause,
        "pipeline": note.pipeline,
        "orders": note.size,
        "over": note.over,
    }


def _mail(note: Note, known: Connection) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # noqa: PLC0415

    if not known.host:
        raise known.wrong("host", "is empty; give the mail server's name")
    return SmtpNotifier(
        to=known.text("to"),
        from_email=known.text("from_email"),
        subject=f"Order Relay: {title(note)}"[:200],
        html_content=f"<pre>{html.escape(words(note))}</pre>",
        smtp_conn_id=CONNECTION,
    )
