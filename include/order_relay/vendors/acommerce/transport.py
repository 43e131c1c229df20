"""One request to aCommerce: with a token, its answer judged and bounded, pauses that it asks for waited out.

What errors look like is not published: statuses are read as HTTP means them. A 501 stands in older public tests.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from order_relay.backoff import backoff
from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.failpoints import failpoint
from order_relay.http.bodies import check_headers
from order_relay.http.client import VendorClient
from order_relay.http.retry_after import retry_after_s
from order_relay.http.strict_json import NUMBER_OUT_OF_RANGE, read_value
from order_relay.orders.json_text import encode
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.vendors.acommerce.token import AcommerceToken

FIRST_PAUSE_S = 5.0
"""Where the vendor asks to slow down and names no time."""
CLOCK_TOLERANCE_S = 2.0
"""Clocks that differ by less are taken for the same: the header ``Date`` has whole seconds."""

_TRIES = 6


@dataclass(frozen=True)
class StatusReply:
    """A good answer: its JSON value (``None`` for an empty body), the next page's address, and when it was asked for.

    ``asked_at`` (UTC) is by the vendor's clock where that differs from ours and its header ``Date`` tells.
    """

    value: Any
    next_url: str
    asked_at: datetime


class AcommerceTransport:
    """The requests of one client, used by one thread."""

    def __init__(
        self,
        settings: AcommerceSettings,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._peer = VendorClient(
            "aCommerce",
            settings.base_url,
            settings.timeout_s,
            settings.download_s,
            settings.size_limit_bytes,
            settings.trust_env,
            tuple(filter(None, (settings.api_key, settings.login, settings.hook_secret))),
        )
        self._client = client or self._peer.open_client(connections=2)
        self._token = AcommerceToken(settings, self._peer, self._client)
        self._sleep = sleep

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def get(
        self,
        url: str,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        patient: bool = True,
    ) -> StatusReply:
        """A JSON value. A pause that the vendor asks for is waited out, as long as ``max_wait_s`` allows, if
        ``patient``. Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
        ``TransientError``.
        """
        waited = 0.0
        for again in range(_TRIES):
            try:
                return self.ask("GET", url, query, headers)
            except ThrottledError as error:
                pause_s = error.wait_s if error.wait_s is not None else backoff(FIRST_PAUSE_S, again, math.inf)
                waited += pause_s
                if not patient or waited > self._settings.max_wait_s or again == _TRIES - 1:
                    raise
                self._sleep(pause_s)
        raise AssertionError("unreachable")

    def ask(
        self,
        method: str,
        url: str,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        document: Any = None,
    ) -> StatusReply:
        """One request, once more with a new token where the first is refused. Raises as ``get``."""
        answer = self._once(method, url, query, headers or {}, document, self._token.get())
        if answer is None:
            answer = self._once(method, url, query, headers or {}, document, self._token.renew())
        if answer is None:
            raise SourceAuthError("aCommerce refused a new token (HTTP 401): mend the connection")
        return answer

    def _once(  # noqa: PLR0917 - all that a request has
        self,
        method: str,
        url: str,
        query: list[tuple[str, str]] | None,
        headers: Mapping[str, str],
        document: Any,
        token: str,
    ) -> StatusReply | None:
        """``None`` where the token was refused."""
        sent = {**headers, "X-Subject-Token": token}
        if document is not None:
            sent["Content-Type"] = "application/json"
        content = None if document is None else encode(document)
        asked = datetime.now(UTC)
        with (
            failpoint(f"source {method}"),
            self._peer.reading(),
            self._client.stream(
                method, url, params=httpx.QueryParams([*query]) if query else None, content=content, headers=sent
            ) as response,
        ):
            answered = datetime.now(UTC)
            if response.status_code == 401:
                return None
            if not 200 <= response.status_code < 300:
                raise self._error(response)
            body = b"" if response.status_code == 204 else b"".join(self._peer.body(response))
            if body.strip():
                check_headers(response)
            links = response.links.get("next", {})
            next_url = str(response.url.join(links["url"])) if links.get("url") else ""
            return StatusReply(_value(body), next_url, asked_at(asked, answered, response.headers))

    def _error(self, response: httpx.Response) -> OrderRelayError:
        status = response.status_code
        if status == 429 or (status in (403, 503) and "retry-after" in response.headers):
            return ThrottledError(f"aCommerce asked us to slow down (HTTP {status})", retry_after_s(response.headers))
        words = self._peer.error_excerpt(response, "message")
        if status == 403:
            return SourceAuthError(f"aCommerce refused this account (HTTP 403): is channel or partner right?{words}")
        if status in (400, 404, 405, 501) or 300 <= status < 400:
            return ConfigurationError(
                f"aCommerce answered HTTP {status}: is an address, channel or partner wrong?{words}"
            )
        if status >= 500 or status == 408:
            return TransientError(f"aCommerce answered HTTP {status}{words}")
        return MalformedResponseError(f"aCommerce answered HTTP {status}, which is not documented{words}")


def asked_at(asked: datetime, answered: datetime, headers: Mapping[str, str]) -> datetime:
    """When an answer was asked for, by the vendor's clock where its header ``Date`` shows that it differs from ours."""
    try:
        said = parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return asked
    if said.tzinfo is None:
        return asked
    ahead = said - answered
    trusted = timedelta(seconds=CLOCK_TOLERANCE_S) + (answered - asked)
    return asked if abs(ahead) <= trusted else asked + ahead


def _value(body: bytes) -> Any:
    if not body.strip():
        return None
    found = read_value(body, "the answer")
    if found.problem == NUMBER_OUT_OF_RANGE:
        raise MalformedResponseError("the answer holds a number that is too long or too large")
    return found.document
