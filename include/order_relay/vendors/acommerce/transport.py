"""Single requests to aCommerce: the kit's, with the vendor's token, statuses and clock.

Statuses are read as HTTP defines them, because errors are not documented (docs/vendors/acommerce.md, "Facts").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from order_relay.errors import ConfigurationError, MalformedResponseError
from order_relay.http.json.strict_json import NUMBER_OUT_OF_RANGE, read_value
from order_relay.http.reading.bodies import check_headers
from order_relay.http.reading.client import VendorClient
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.reply import Reply
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import NotFoundError, Query, RequestRefusedError, Transport
from order_relay.orders.json_text import encode
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.token import credentials

CLOCK_TOLERANCE_S = 2.0
"""Smaller clock differences are ignored: the ``Date`` header has whole seconds."""

STATUSES = StatusTable(
    auth=(403,),
    auth_hint="check channel or partner",
    configuration=(400, 405, 501),
    configuration_hint="check the host, auth_url, and channel or partner",
    message_member="message",
)
"""501 is seen in older public tests."""


@dataclass(frozen=True)
class StatusReply:
    """A successful response: its JSON value (``None`` for an empty body) and the URL of the next page, or empty.

    ``asked_at`` (UTC) is the time of the request by the vendor's clock, see ``asked_at``.
    """

    value: Any
    next_url: str
    asked_at: datetime


class AcommerceTransport:
    """The requests of one client; for one thread."""

    def __init__(self, settings: AcommerceSettings) -> None:
        secrets = tuple(filter(None, (settings.api_key, settings.login, settings.hook_secret)))
        server = VendorClient("aCommerce", settings, secrets)
        limits = ReadLimits(max_wait_s=settings.max_wait_s, parallel=1)
        self._kit = Transport(server, credentials(settings), STATUSES, limits)
        self.is_own = self._kit.is_own

    def close(self) -> None:
        """Close the connections."""
        self._kit.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> StatusReply:
        """A JSON value. Requested pauses are waited for, up to ``max_wait_s``.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
        ``TransientError``.
        """
        return _checked(partial(self._kit.read, url, _parse, None, headers))

    def request(
        self,
        method: str,
        url: str,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
    ) -> StatusReply:
        """One request; requested pauses are not waited for.

        Raises the errors of ``get``, and ``OutcomeUnknownError`` if a document was sent without a usable response.
        """
        body = None if document is None else encode(document)
        given = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        return _checked(partial(self._kit.send_once, method, url, _parse, query=query, headers=given, body=body))


def _checked(request: Callable[[], StatusReply]) -> StatusReply:
    try:
        return request()
    except NotFoundError as error:
        raise ConfigurationError(f"{error}: {STATUSES.configuration_hint}") from None
    except RequestRefusedError as error:
        raise ConfigurationError(f"aCommerce refused the request ({error}): {STATUSES.configuration_hint}") from None


def _parse(reply: Reply) -> StatusReply:
    body = b"".join(reply.server.body(reply.response))
    if body.strip():
        check_headers(reply.response)
    return StatusReply(_value(body), reply.next_link, asked_at(reply.sent_at, reply.answered_at, reply.headers))


def asked_at(sent: datetime, answered: datetime, headers: Mapping[str, str]) -> datetime:
    """The time of a request; by the vendor's clock if the ``Date`` header shows that it differs from ours."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return sent
    if date.tzinfo is None:
        return sent
    ahead = date - answered
    tolerance = timedelta(seconds=CLOCK_TOLERANCE_S) + (answered - sent)
    return sent if abs(ahead) <= tolerance else sent + ahead


def _value(body: bytes) -> Any:
    if not body.strip():
        return None
    found = read_value(body, "the response")
    if found.problem == NUMBER_OUT_OF_RANGE:
        raise MalformedResponseError("the response contains a number that is too long or too large")
    return found.document
