"""Synchronous HTTP client of a vendor's server: time and size limits, and what a failure on the wire means."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol

import httpx

from order_relay.connections import HttpOptions
from order_relay.errors import MalformedResponseError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.http.json.strict_json import read_object
from order_relay.http.reading.bodies import excerpt, inflate, is_gzip, read_whole
from order_relay.http.tls import tls_context

NOT_SENT_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Errors that can only occur before the first byte of the request is written."""

MAX_ERROR_BODY_BYTES = 1 << 16
"""Bytes of an error body that are read for its message."""


logging.getLogger("httpx").setLevel(logging.WARNING)
"""It logs the URL of each request, and a vendor's API key may be a query parameter."""


class ServerSettings(Protocol):
    """What a client needs of a connection; see ``HttpSettings``."""

    @property
    def base_url(self) -> str:
        """URL without a trailing slash."""

    @property
    def timeout_s(self) -> float:
        """Longest wait without receiving data."""

    @property
    def download_s(self) -> float:
        """Limit for a whole response."""

    @property
    def size_limit_bytes(self) -> int:
        """Limit of a response after decompression."""

    @property
    def trust_env(self) -> bool:
        """Whether the environment's proxy settings are used."""

    @property
    def http(self) -> HttpOptions:
        """Proxy and TLS options."""


class UnreachableError(TransientError):
    """The connection failed before the first byte of the request was sent."""


@dataclass(frozen=True)
class VendorClient:
    """One vendor's server. ``name`` is used in messages; ``hide`` are texts that no message may contain."""

    name: str
    settings: ServerSettings
    hide: tuple[str, ...] = field(default=(), repr=False)

    def open_client(self, auth: httpx.Auth | None = None, connections: int = 100) -> httpx.Client:
        """An HTTP client that keeps connections alive but no cookies."""
        return httpx.Client(
            auth=auth,
            headers={"User-Agent": "order-relay", "Accept": "application/json", "Accept-Encoding": "gzip, identity"},
            timeout=httpx.Timeout(self.settings.timeout_s, connect=min(self.settings.timeout_s, 15.0)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=self.settings.trust_env,
            proxy=self.settings.http.proxy or None,
            verify=tls_context(self.settings.http) or True,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def unreachable_error(self, error: Exception) -> UnreachableError:
        """The error to raise for one of ``NOT_SENT_ERRORS``."""
        return UnreachableError(f"cannot connect to {self.name} at {self.settings.base_url} ({type(error).__name__})")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Translate httpx errors into ``UnreachableError``, ``TransientError`` and ``MalformedResponseError``."""
        try:
            yield
        except NOT_SENT_ERRORS as error:
            raise self.unreachable_error(error) from None
        except httpx.TimeoutException as error:
            raise TransientError(
                f"{self.name} sent no data for {self.settings.timeout_s:g} s ({type(error).__name__})"
            ) from None
        except httpx.RemoteProtocolError:
            raise MalformedResponseError(
                "the response is truncated: the connection was closed early, or this is not HTTP"
            ) from None
        except httpx.TransportError as error:
            raise MalformedResponseError(
                f"the response is truncated: the connection failed ({type(error).__name__})"
            ) from None

    @contextmanager
    def writing(self, method: str) -> Iterator[None]:
        """``reading`` for a request that changes something: ``OutcomeUnknownError`` unless it certainly did not."""
        try:
            with self.reading():
                yield
        except (ThrottledError, UnreachableError):
            raise
        except TransientError as error:
            raise OutcomeUnknownError(f"the {method} was sent, but its outcome is unknown: {error}") from None

    def body(self, response: httpx.Response, limit: int | None = None) -> Iterator[bytes]:
        """The decompressed body in blocks of bounded size, up to ``limit`` bytes (default ``size_limit_bytes``).

        Raises ``MalformedResponseError`` if it is too large or truncated, ``TransientError`` after ``download_s``.
        """
        deadline = time.monotonic() + self.settings.download_s
        blocks = inflate(response) if is_gzip(response) else response.iter_raw()
        limit = self.settings.size_limit_bytes if limit is None else limit
        total = 0
        for block in blocks:
            if time.monotonic() > deadline:
                raise TransientError(
                    f"the response of {self.name} was not complete after {self.settings.download_s:g} s (download_s)"
                )
            total += len(block)
            if total > limit:
                raise MalformedResponseError(
                    f"the response is larger than {limit} bytes; see size_limit_bytes of the connection"
                )
            yield block

    def error_excerpt(self, response: httpx.Response, member: str) -> str:
        """The text in ``member`` of an error body, for the end of a message; empty if there is none. Never raises."""
        try:
            text = read_whole(self.body(response, MAX_ERROR_BODY_BYTES), MAX_ERROR_BODY_BYTES)
            message = excerpt(read_object(text, "the response").get(member), self.hide)
        except (TransientError, httpx.HTTPError):
            return ""
        return f"; its message: {message}" if message else ""

    def reach(self) -> int:
        """Contact the server without credentials; returns the HTTP status. Raises ``TransientError``."""
        url = self.settings.base_url
        with self.reading(), self.open_client(connections=1) as client, client.stream("GET", url) as response:
            return response.status_code
