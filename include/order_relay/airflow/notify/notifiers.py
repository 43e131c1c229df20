"""Airflow notifiers for alerts, chosen by the connection ``order_relay_alerts``.

Not defined: the task's log. Type ``http``: a webhook; the host is its URL, extra fields become headers, login and
password Basic authentication. Type ``smtp``: an e-mail to the addresses in the extra field ``to``.
"""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.sdk import BaseNotifier
from airflow.sdk.log import mask_secret

from order_relay.airflow.connections import to_connection
from order_relay.airflow.metadata.stored_values import read_connection
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Delivery

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

CONNECTION = "order_relay_alerts"
TIMEOUT_S = 15.0

_TARGET_NAMES = {"LogNotifier": "task logs", "HttpNotifier": "a webhook", "SmtpNotifier": "e-mail"}


class LogNotifier(BaseNotifier):
    """Writes an alert to the log of the task."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Context) -> None:
        """See ``BaseNotifier.notify``."""
        log.warning("%s", self.text)


def deliver(note: Delivery) -> None:
    """Deliver one alert. Raises ``ConfigurationError`` if the connection is invalid, and any error of the notifier.

    The notifier's templates are not rendered, because order numbers are external input that may contain ``{{``.
    """
    notifier_for(note).notify({})


def describe_target() -> str:
    """A description of the target. Raises ``ConfigurationError`` if the connection is invalid; nothing is contacted."""
    return _TARGET_NAMES[type(notifier_for(Delivery("", "", "", "", ""))).__name__]


def notifier_for(note: Delivery) -> BaseNotifier:
    """The notifier for an alert. Raises ``ConfigurationError`` that names connection and field.

    Notifiers of providers are imported on use: each import takes a second.
    """
    raw = read_connection(CONNECTION)
    if raw is None:
        return LogNotifier(alert_text(note))
    known = to_connection(CONNECTION, raw)
    match raw.conn_type:
        case "http":
            return _webhook_notifier(note, known)
        case "smtp":
            return _mail_notifier(note, known)
    raise ConfigurationError(f"connection {CONNECTION!r}: type must be http (a webhook) or smtp (e-mail)")


def alert_title(note: Delivery) -> str:
    """One line: the subject, and whether the cause has ended."""
    return f"over: {note.subject}" if note.over else note.subject


def alert_text(note: Delivery) -> str:
    """The complete alert."""
    return alert_title(note) if note.over else note.text


def _webhook_notifier(note: Delivery, known: Connection) -> BaseNotifier:
    """A POST of JSON; chat services show its member ``text``."""
    from airflow.providers.http.notifications.http import HttpNotifier

    if "://" not in known.host:
        raise known.wrong("host", "must be an absolute URL such as https://host/path")
    mask_secret(urlsplit(known.base_url()).path)  # often contains the secret, and errors show it
    return HttpNotifier(
        http_conn_id=CONNECTION,
        json=webhook_body(note),
        extra_options={"timeout": TIMEOUT_S, "max_redirects": 0},  # a redirected POST would arrive as an empty GET
    )


def webhook_body(note: Delivery) -> dict[str, Any]:
    """The JSON body of a webhook call."""
    return {
        "text": alert_text(note),
        "subject": alert_title(note),
        "kind": note.kind,
        "cause": note.cause,
        "pipeline": note.pipeline,
        "orders": note.size,
        "over": note.over,
    }


def _mail_notifier(note: Delivery, known: Connection) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    if not known.host:
        raise known.wrong("host", "is missing; give the mail server's name")
    return SmtpNotifier(
        to=known.text("to"),
        from_email=known.text("from_email"),
        subject=f"Order Relay: {alert_title(note)}"[:200],
        html_content=f"<pre>{html.escape(alert_text(note))}</pre>",
        smtp_conn_id=CONNECTION,
    )
