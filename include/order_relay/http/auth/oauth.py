"""Access tokens: one per client or session, renewed before they expire, and the OAuth2 response that carries one.

Client credentials grant: RFC 6749, sections 4.4 and 5.1.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from order_relay.errors import ConfigurationError, TransientError

MAX_TOKEN_RESPONSE_BYTES = 65_536
"""Bytes of a token response that are read."""

RENEWAL_MARGIN_S = 60.0
"""A token is renewed this long before it expires, or after nine tenths of a short lifetime."""

TokenAndLifetime = tuple[str, float]
"""A token and the seconds for which it is valid."""


class _Cached:
    """The present token. Renewed by its cache, one request at a time."""

    def __init__(self) -> None:
        self._token = ""
        self._renew_at = 0.0

    def fresh(self, refused: str = "") -> str:
        """The token if it does not expire soon and is not ``refused``, else empty."""
        return self._token if time.monotonic() < self._renew_at and self._token != refused else ""

    def store(self, issued: TokenAndLifetime, requested_at: float) -> str:
        """Keep and return a new token. The lifetime counts from the request, not from the response."""
        self._token, lifetime_s = issued
        self._renew_at = requested_at + renewal_delay_s(lifetime_s)
        return self._token


class TokenCache:
    """One token for all threads of a client. Errors of ``fetch`` pass through."""

    def __init__(self, fetch: Callable[[], TokenAndLifetime]) -> None:
        self._fetch = fetch
        self._cached = _Cached()
        self._lock = threading.Lock()

    def get(self) -> str:
        """The token, renewed if it is about to expire."""
        return self._cached.fresh() or self.replace("")

    def replace(self, refused: str) -> str:
        """A token other than ``refused``, fetched unless another thread did so meanwhile."""
        with self._lock:
            if token := self._cached.fresh(refused):
                return token
            requested_at = time.monotonic()
            return self._cached.store(self._fetch(), requested_at)


class AsyncTokenCache:
    """``TokenCache`` for the tasks of one event loop."""

    def __init__(self, fetch: Callable[[], Awaitable[TokenAndLifetime]]) -> None:
        self._fetch = fetch
        self._cached = _Cached()
        self._lock = asyncio.Lock()

    def fresh(self) -> str:
        """The token if it does not expire soon, else empty. Avoids a coroutine in the common case."""
        return self._cached.fresh()

    async def get(self) -> str:
        """See ``TokenCache.get``."""
        return self._cached.fresh() or await self.replace("")

    async def replace(self, refused: str) -> str:
        """See ``TokenCache.replace``."""
        async with self._lock:
            if token := self._cached.fresh(refused):
                return token
            requested_at = time.monotonic()
            return self._cached.store(await self._fetch(), requested_at)


def parse_token_response(status: int, body: bytes, *, lifetime_s: float, check: str) -> TokenAndLifetime:
    """Token and lifetime from the response of a token URL.

    ``lifetime_s`` is the default if the response states none; ``check`` names the settings to check if it was refused.
    Raises ``ConfigurationError`` if the credentials or the URL are refused, otherwise ``TransientError``.
    """
    check_token_status(status, check)
    try:
        document: Any = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise TransientError("the response of the token URL is not JSON") from None
    token = document.get("access_token") if isinstance(document, dict) else None
    if not is_usable_token(token):
        raise TransientError("the response of the token URL has no usable access_token")
    return str(token), _lifetime(document.get("expires_in"), lifetime_s)


def check_token_status(status: int, check: str) -> None:
    """Raise the errors of ``parse_token_response`` for a status that is not a success."""
    if status >= 500 or status == 408:
        raise TransientError(f"the token URL answered HTTP {status}")
    if status not in (200, 201):
        raise ConfigurationError(f"the token URL answered HTTP {status}: check {check}")


def is_usable_token(token: object) -> bool:
    """Whether a token can be sent in a header."""
    return isinstance(token, str) and bool(token) and token.isascii() and token.isprintable()


def renewal_delay_s(lifetime_s: float) -> float:
    """Seconds after which a token of this lifetime is renewed."""
    return max(lifetime_s - RENEWAL_MARGIN_S, lifetime_s * 0.9)


def _lifetime(stated: object, default: float) -> float:
    """``expires_in`` as a number, also if sent as text; the default if it is missing or implausible."""
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():
        stated = int(stated[:9])
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 0 < stated < 1e9:
        return default
    return float(stated)
