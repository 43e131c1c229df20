"""The token that stands in ``X-Subject-Token`` (page "Authentication"): fetched with user name and API key.

Renewed before its ``expires_at``, and once where it is refused. An older shape of the answer has no ``token`` wrapper
(seen in a public test).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from order_relay.crossings import crossing
from order_relay.errors import RecordRefused, RetryLater, SourceRefused, Throttled
from order_relay.orders.json_text import encode
from order_relay.orders.status_records import moment_of
from order_relay.vendors.acommerce.connection import AcommerceSettings
from order_relay.web import token_answer
from order_relay.web.bodies import read_whole
from order_relay.web.peer import Peer
from order_relay.web.retry_after import retry_after_s
from order_relay.web.strict_json import read_object

DEFAULT_LIFETIME_S = 3300.0
"""Where the answer states no usable end: public callers keep a token for 55 minutes."""


class Token:
    """One token for a client, used by one thread."""

    def __init__(
        self,
        settings: AcommerceSettings,
        peer: Peer,
        client: httpx.Client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._peer, self._client, self._clock = settings, peer, client, clock
        self._token = ""
        self._renew_at = 0.0

    def get(self) -> str:
        """The token, fetched where there is none that is good for a while. Raises ``SourceRefused``, ``RetryLater``."""
        if not self._token or self._clock() >= self._renew_at:
            self.renew()
        return self._token

    def renew(self) -> str:
        """Another token. Raises as ``get``."""
        asked_at = self._clock()
        self._token, lifetime = self._fetch()
        self._renew_at = asked_at + token_answer.renewed_after(lifetime)
        return self._token

    def _fetch(self) -> tuple[str, float]:
        body = {"auth": {"apiKeyCredentials": {"username": self._settings.login, "apiKey": self._settings.api_key}}}
        url = f"{self._settings.auth_url}/identity/token"
        with (
            crossing("source token"),
            self._peer.reading(),
            self._client.stream(
                "POST", url, content=encode(body), headers={"Content-Type": "application/json"}
            ) as response,
        ):
            status = response.status_code
            if status == 429:
                raise Throttled("aCommerce's token address asked to slow down", retry_after_s(response.headers))
            if status >= 500 or status == 408:
                raise RetryLater(f"aCommerce's token address answered HTTP {status}")
            if status not in (200, 201):
                raise SourceRefused(
                    f"aCommerce's token address answered HTTP {status}: check auth_url, user name and API key"
                )
            limit = token_answer.MAX_ANSWER
            document = read_object(read_whole(self._peer.body(response, limit), limit), "the token's answer")
        return read_token(document, datetime.now(UTC))


def read_token(document: dict[str, Any], now: datetime) -> tuple[str, float]:
    """Token and lifetime in seconds. Raises ``RetryLater`` where there is no usable token."""
    inner = document.get("token")
    fields = inner if isinstance(inner, dict) else document
    token = fields.get("token_id")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise RetryLater("aCommerce's token address answered without a usable token_id")
    try:
        until = moment_of(fields.get("expires_at"), "/expires_at")
    except RecordRefused:
        until = None
    lifetime = (until - now).total_seconds() if until else DEFAULT_LIFETIME_S
    return token, lifetime if lifetime > 0 else DEFAULT_LIFETIME_S  # one that seems over: our clocks differ; 401 tells
