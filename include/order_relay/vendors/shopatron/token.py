"""The OAuth2 token of the OMS: fetched with client credentials, shared by all workers, renewed before it expires.

Source: page "Authentication" (form body, Basic auth, lifetime in the answer, normally an hour; a new token is to be
tried after a 401 or a 403). The keys of the answer are those that public clients read.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Mapping

import aiohttp

from order_relay.errors import ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http import oauth
from order_relay.http.retry_after import retry_after_s
from order_relay.vendors.shopatron.outcomes import is_throttle

DEFAULT_LIFETIME_S = 3600.0
"""Assumed where the answer states no lifetime ("normally one hour")."""


class TokenStore:
    """One token for all workers of a session. Only one renewal is under way at a time."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        key: str,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._url = url
        self._headers = {
            "Authorization": "Basic " + b64encode(f"{key}:{secret}".encode()).decode(),
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    def fresh(self) -> str:
        """The token if it is good for a while yet, else empty: the cheap way for the common case."""
        return self._token if self._clock() < self._renew_at else ""

    async def get(self) -> str:
        """The token, renewed if it is about to expire. Raises ``ConfigurationError``, ``ThrottledError`` or
        ``TransientError``.
        """
        return self.fresh() or await self._renew(stale="")

    async def replace(self, refused: str) -> str:
        """A token other than ``refused``, fetched unless another worker did so meanwhile. Raises as ``get``."""
        return await self._renew(stale=refused)

    async def _renew(self, stale: str) -> str:
        async with self._lock:
            if self.fresh() and self._token != stale:
                return self._token
            asked_at = self._clock()
            token, lifetime = await self._fetch()
            self._token = token
            self._renew_at = asked_at + oauth.renewal_delay_s(lifetime)
            return token

    async def _fetch(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"}
        try:
            async with (
                failpoint("destination token"),
                self._http.post(self._url, data=form, headers=self._headers, allow_redirects=False) as response,
            ):
                return read_token(
                    response.status, response.headers, await bounded(response, oauth.MAX_TOKEN_RESPONSE_BYTES)
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise TransientError(f"the token address could not be reached ({type(exc).__name__})") from exc


def read_token(status: int, headers: Mapping[str, str], body: bytes) -> tuple[str, float]:
    """Token and lifetime in seconds from an answer of the token address.

    Raises ``ConfigurationError`` where our credentials or the address are refused, ``ThrottledError``, or
    ``TransientError``.
    """
    if is_throttle(status, headers):
        raise ThrottledError("the token address asked to slow down", retry_after_s(headers))
    check = "token_url, API key and client secret"
    return oauth.parse_token_response(status, body, lifetime_s=DEFAULT_LIFETIME_S, check=check)


async def bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body up to ``limit`` bytes. What lies beyond is not read, and the connection is then not used again."""
    length = response.content_length
    if length is not None and length <= limit and "Content-Encoding" not in response.headers:
        return await response.read()
    parts = bytearray()
    while len(parts) <= limit and (more := await response.content.read(limit + 1 - len(parts))):
        parts += more
    if len(parts) > limit:
        response.close()
        del parts[limit:]
    return bytes(parts)
