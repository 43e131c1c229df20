"""Single requests to aCommerce: authorized, checked and bounded; requested pauses are waited for.

Statuses are read as HTTP defines them, because errors are not documented (docs/vendors/acommerce.md, "Facts").
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx

from order_relay.backoff import backoff
from order_relay.errors import MalformedResponseError, SourceAuthError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth.oauth import TokenCache
from order_relay.http.json.strict_json import NUMBER_OUT_OF_RANGE, read_value
from order_relay.http.reading.bodies import check_headers
from order_relay.http.reading.client import VendorClient
from order_relay.http.reading.status_table import StatusTable
from order_relay.orders.json_text import encode
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.token import fetch_token

FIRST_PAUSE_S = 5.0
"""Pause after a throttling response that names none; doubled each time."""

CLOCK_TOLERANCE_S = 2.0
"""Smaller clock differences are ignored: the ``Date`` header has whole seconds."""

STATUSES = StatusTable(
    auth=(403,),
    auth_hint="check channel or partner",
    configuration=(400, 404, 405, 501),
    configuration_hint="check the host, auth_url, and channel or partner",
    message_member="message",
)
"""501 is seen in older public tests; a 401 is handled by renewing the token."""

_TRIES = 6


@dataclass(frozen=True)
class StatusReply:
    """A successful response: its JSON value (``None`` for an empty body) and the URL of the next page, or empty.

    ``asked_at`` (UTC) is the time of the request by the vendor's clock, see ``asked_at``.
    """

    value: Any
    next_url: str
    asked_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Request:
    method: str
    url: str
    query: list[tuple[str, str]] | None
    headers: Mapping[str, str]
    document: Any = None


class AcommerceTransport:
    """The requests of one client; for one thread."""

    def __init__(self, settings: AcommerceSettings) -> None:
        self._settings = settings
        secrets = tuple(filter(None, (settings.api_key, settings.login, settings.hook_secret)))
        self._server = VendorClient("aCommerce", settings, secrets)
        self._client = self._server.open_client(connections=2)
        self._tokens = TokenCache(partial(fetch_token, settings, self._server, self._client))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self,
        url: str,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patient: bool = True,
    ) -> StatusReply:
        """A JSON value. If ``patient``, requested pauses are waited for, up to ``max_wait_s`` in total.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
        ``TransientError``.
        """
        waited_s = 0.0
        for retry in range(_TRIES):
            try:
                return self.request("GET", url, query, headers)
            except ThrottledError as error:
                pause_s = error.wait_s if error.wait_s is not None else backoff(FIRST_PAUSE_S, retry, math.inf)
                waited_s += pause_s
                if not patient or waited_s > self._settings.max_wait_s or retry == _TRIES - 1:
                    raise
                time.sleep(pause_s)
        raise AssertionError("unreachable")

    def request(
        self,
        method: str,
        url: str,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
    ) -> StatusReply:
        """One request, repeated once with a new token after a 401. Raises the errors of ``get``."""
        request = _Request(method=method, url=url, query=query, headers=headers or {}, document=document)
        token = self._tokens.get()
        reply = self._send(request, token) or self._send(request, self._tokens.replace(token))
        if reply is None:
            raise SourceAuthError("aCommerce refused a new token (HTTP 401): edit the connection")
        return reply

    def _send(self, request: _Request, token: str) -> StatusReply | None:
        """``None`` if the token was refused."""
        headers = {**request.headers, "X-Subject-Token": token}
        if request.document is not None:
            headers["Content-Type"] = "application/json"
        content = None if request.document is None else encode(request.document)
        params = httpx.QueryParams([*request.query]) if request.query else None
        sent = datetime.now(UTC)
        with (
            failpoint(f"source {request.method}"),
            self._server.reading(),
            self._client.stream(
                request.method, request.url, params=params, content=content, headers=headers
            ) as response,
        ):
            answered = datetime.now(UTC)
            if response.status_code == 401:
                return None
            if not 200 <= response.status_code < 300:
                raise STATUSES.error(self._server, response)
            body = b"" if response.status_code == 204 else b"".join(self._server.body(response))
            if body.strip():
                check_headers(response)
            link = response.links.get("next", {}).get("url")
            next_url = str(response.url.join(link)) if link else ""
            return StatusReply(_value(body), next_url, asked_at(sent, answered, response.headers))


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
