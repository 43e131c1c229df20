"""The far side of a connection: how it is called, how long it is waited for, what going wrong on the wire means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from order_relay.errors import MalformedResponseError, TransientError
from order_relay.http.bodies import excerpt, inflate, is_gzip, read_whole
from order_relay.http.strict_json import read_object

NOT_SENT_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""What ends a request before its first byte is written."""

MAX_ERROR_BODY_BYTES = 1 << 16
"""Bytes of a failure's body that are read for its words."""


class UnreachableError(TransientError):
    """Not one byte of the request was sent."""


@dataclass(frozen=True)
class VendorClient:
    """One vendor's server. ``timeout_s`` is the longest silence, ``download_s`` the time of a whole answer.

    ``size_limit_bytes`` bounds an answer after decompression. ``hide`` are texts that no message may show.
    """

    name: str
    base_url: str
    timeout_s: float
    download_s: float
    size_limit_bytes: int
    trust_env: bool = False
    hide: tuple[str, ...] = field(default=(), repr=False)

    def open_client(self, auth: httpx.Auth | None = None, connections: int = 100) -> httpx.Client:
        """An HTTP client that keeps connections but no cookies: every request is like the first."""
        return httpx.Client(
            auth=auth,
            headers={"User-Agent": "order-relay", "Accept": "application/json", "Accept-Encoding": "gzip, identity"},
            timeout=httpx.Timeout(self.timeout_s, connect=min(self.timeout_s, 15.0)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=self.trust_env,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def unreachable_error(self, error: Exception) -> UnreachableError:
        """The error for a request of which no byte was sent."""
        return UnreachableError(f"{self.name} at {self.base_url} can not be reached ({type(error).__name__})")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what may happen on the wire while reading into ``TransientError`` and ``MalformedResponseError``."""
        try:
            yield
        except NOT_SENT_ERRORS as error:
            raise self.unreachable_error(error) from None
        except httpx.TimeoutException as error:
            raise TransientError(f"{self.name} was silent for {self.timeout_s:g} s ({type(error).__name__})") from None
        except httpx.RemoteProtocolError:
            raise MalformedResponseError(
                "the answer is cut off: the connection was closed before its end, or it is not HTTP"
            ) from None
        except httpx.TransportError as error:
            raise MalformedResponseError(
                f"the answer is cut off: the connection broke ({type(error).__name__})"
            ) from None

    def body(self, response: httpx.Response, limit: int | None = None) -> Iterator[bytes]:
        """The decompressed body in blocks of bounded size, up to ``limit`` bytes (default ``size_limit_bytes``).

        Raises ``MalformedResponseError`` where it is too large or cut off, ``TransientError`` where it trickles for too
        long.
        """
        deadline = time.monotonic() + self.download_s
        blocks = inflate(response) if is_gzip(response) else response.iter_raw()
        limit = self.size_limit_bytes if limit is None else limit
        total = 0
        for block in blocks:
            if time.monotonic() > deadline:
                raise TransientError(f"{self.name}'s answer was not complete after {self.download_s:g} s")
            total += len(block)
            if total > limit:
                raise MalformedResponseError(
                    f"the answer is larger than {limit} bytes; see size_limit_bytes of the connection"
                )
            yield block

    def error_excerpt(self, response: httpx.Response, member: str) -> str:
        """What a failure's body says in ``member``, if anything. Never fails: the status alone says enough."""
        try:
            text = read_whole(self.body(response, MAX_ERROR_BODY_BYTES), MAX_ERROR_BODY_BYTES)
            words = excerpt(read_object(text, "the answer").get(member), self.hide)
        except (TransientError, httpx.HTTPError):
            return ""
        return f"; it says: {words}" if words else ""

    def reach(self) -> int:
        """Contact the server without credentials; the status that it answered. Raises ``TransientError``."""
        with self.reading(), self.open_client(connections=1) as client, client.stream("GET", self.base_url) as response:
            return response.status_code
