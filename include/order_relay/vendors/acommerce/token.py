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

from order_relay.errors import RecordRejectedError, SourceAuthError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http import oauth
from order_relay.http.bodies import read_whole
from order_relay.http.client import VendorClient
from order_relay.http.retry_after import retry_after_s
from order_relay.http.strict_json import read_object
from order_relay.orders.fulfilment.status_records import parse_timestamp
from order_relay.orders.json_text import encode
from order_relay.vendors.acommerce.connection import AcommerceSettings

DEFAULT_LIFETIME_S = 3300.0
"""Where the answer states no usable end: public callers keep a token for 55 minutes."""


class AcommerceToken:
    """One token for a client, used by one thread."""

    def __init__(
        self,
        settings: AcommerceSettings,
        peer: VendorClient,
        client: httpx.Client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._peer, self._client, self._clock = settings, peer, client, clock
        self._token = ""
        self._renew_at = 0.0

    def get(self) -> str:
        """The token, fetched where there is none that is good for a while. Raises ``SourceAuthError``,
        ``TransientError``.
        """
        if not self._token or self._clock() >= self._renew_at:
            self.renew()
        return self._token

    def renew(self) -> str:
        """Another token. Raises as ``get``."""
        asked_at = self._clock()
        self._token, lifetime = self._fetch()
        self._renew_at = asked_at + oauth.renewal_delay_s(lifetime)
        return self._token

    def _fetch(self) -> tuple[str, float]:
        body = {"auth": {"apiKeyCredentials": {"username": self._settings.login, "apiKey": self._settings.api_key}}}
        url = f"{self._settings.auth_url}/identity/token"
        with (
            failpoint("source token"),
            self._peer.reading(),
            self._client.stream(
                "POST", url, content=encode(body), headers={"Content-Type": "application/json"}
            ) as response,
        ):
            status = response.status_code
            if status == 429:
                raise ThrottledError("aCommerce's token address asked to slow down", retry_after_s(response.headers))
            if status >= 500 or status == 408:
                raise TransientError(f"aCommerce's token address answered HTTP {status}")
            if status not in (200, 201):
                raise SourceAuthError(
                    f"aCommerce's token address answered HTTP {status}: check auth_url, user name and API key"
                )
            limit = oauth.MAX_TOKEN_RESPONSE_BYTES
            document = read_object(read_whole(self._peer.body(response, limit), limit), "the token's answer")
        return read_token(document, datetime.now(UTC))


def read_token(document: dict[str, Any], now: datetime) -> tuple[str, float]:
    """Token and lifetime in seconds. Raises ``TransientError`` where there is no usable token."""
    inner = document.get("token")
    fields = inner if isinstance(inner, dict) else document
    token = fields.get("token_id")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise TransientError("aCommerce's token address answered without a usable token_id")
    try:
        until = parse_timestamp(fields.get("expires_at"), "/expires_at")
    except RecordRejectedError:
        until = None
    lifetime = (until - now).total_seconds() if until else DEFAULT_LIFETIME_S
    return token, lifetime if lifetime > 0 else DEFAULT_LIFETIME_S  # one that seems over: our clocks differ; 401 tells
