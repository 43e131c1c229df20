"""What stands in the ``CloudSuiteAuthorization`` header: an OAuth token (client credentials), or the old static token.

Source: page "Usage Info": client id and secret in the form body, scope ``openid``, header word ``Bearer``; the
deprecated scheme has the header word ``AcommerceToken``. The token's lifetime is not stated there; the answer tells it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx

from order_relay.errors import ConfigurationError, SourceAuthError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http import oauth
from order_relay.http.bodies import read_whole
from order_relay.http.client import VendorClient
from order_relay.http.retry_after import retry_after_s
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

DEFAULT_LIFETIME_S = 300.0
"""Assumed where the answer states no lifetime (the usual default of the server software that the path looks like)."""


class CloudSuiteAuthorization:
    """One token for all threads of a client. Only one renewal is under way at a time."""

    def __init__(
        self, settings: CloudSuiteSettings, peer: VendorClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._clock = clock
        self._lock = threading.Lock()
        self._header = f"Token {settings.password}" if settings.auth == "token" else ""
        self._renew_at = float("inf") if self._header else 0.0

    def header(self, client: httpx.Client) -> str:
        """The header's value, its token renewed where it is about to expire.

        Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``TransientError``.
        """
        return self._header if self._clock() < self._renew_at else self._renew(client, "")

    def replace(self, client: httpx.Client, refused: str) -> str:
        """Another header than ``refused``. Raises ``SourceAuthError`` if there is none, and as ``header``."""
        if self._settings.auth == "token":
            raise SourceAuthError("CloudSuite refused the static token (HTTP 401): mend the connection")
        return self._renew(client, refused)

    def _renew(self, client: httpx.Client, refused: str) -> str:
        with self._lock:
            if self._clock() < self._renew_at and self._header != refused:
                return self._header
            asked_at = self._clock()
            token, lifetime = self._fetch(client)
            self._header = f"Bearer {token}"
            self._renew_at = asked_at + oauth.renewal_delay_s(lifetime)
            return self._header

    def _fetch(self, client: httpx.Client) -> tuple[str, float]:
        form = {
            "grant_type": "client_credentials",
            "scope": "openid",
            "client_id": self._settings.login,
            "client_secret": self._settings.password,
        }
        with (
            failpoint("source token"),
            self._peer.reading(),
            client.stream("POST", self._settings.token_url, data=form) as response,
        ):
            status = response.status_code
            if status == 429:
                raise ThrottledError("the token address asked to slow down", retry_after_s(response.headers))
            body = (
                read_whole(self._peer.body(response, oauth.MAX_TOKEN_RESPONSE_BYTES), oauth.MAX_TOKEN_RESPONSE_BYTES)
                if status in (200, 201)
                else b""
            )
        try:
            return oauth.parse_token_response(
                status, body, lifetime_s=DEFAULT_LIFETIME_S, check="token_url, client id and client secret"
            )
        except ConfigurationError as error:
            raise SourceAuthError(str(error)) from None
