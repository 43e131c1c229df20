"""Safe sending of orders: one request per attempt, and a ``SendResult`` for every way in which it can end.

"Not sent" differs from "in doubt" as follows. aiohttp raises ``NOT_SENT_ERRORS`` only while it connects, and
``_GuardedRequest.send`` records the moment before the first byte is written. An order is reported as not sent only if
both agree; every later failure is in doubt, including a kept-alive connection that the server had already closed.
aiohttp repeats a PUT or DELETE whose connection was dropped; ``_GuardedRequest`` prevents that, so that each attempt is
counted.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace

import aiohttp
from yarl import URL

from order_relay.connections import HttpOptions
from order_relay.errors import ConfigurationError, OrderRelayError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth.credentials import Grant, without_secrets
from order_relay.http.auth.oauth import AsyncTokenCache
from order_relay.http.sending.outcomes import OutcomeTable
from order_relay.http.throttle import AdaptiveThrottle
from order_relay.http.tls import tls_context
from order_relay.orders.messages import SendOutcome, SendResult

MAX_READ_BYTES = 1 << 20
"""Bytes of a response that are read to find the order id."""

KEEP_ALIVE_S = 4.0
"""Idle connections are closed early: a POST on one that the server has just closed would be in doubt."""

NOT_SENT_ERRORS = (
    aiohttp.ClientConnectorError,  # refused or unreachable; includes DNS and proxy failures
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class LeaseExpiredError(Exception):
    """The lease expired before the first byte could be written."""


class _SendGuard:
    """One attempt: the time after which it must not start, and whether its first byte may have been written."""

    __slots__ = ("not_after", "written")

    def __init__(self, not_after: float) -> None:
        self.not_after = not_after
        self.written = False


_send_guard: ContextVar[_SendGuard | None] = ContextVar("order_relay_send_guard", default=None)


class _GuardedRequest(aiohttp.ClientRequest):
    """Marks an order as written, or stops it, at the last moment before the first byte."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        guard = _send_guard.get()
        if guard is not None:
            if time.monotonic() > guard.not_after:
                raise LeaseExpiredError
            if guard.written:  # aiohttp repeats the request
                raise aiohttp.ServerDisconnectedError
            guard.written = True
        return await super().send(conn)


@asynccontextmanager
async def open_guarded_session(
    connections: int, timeout_s: float, *, trust_env: bool, http: HttpOptions
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for ``GuardedSender``, without cookies. ``timeout_s``: for a whole request. ``http``: proxy and TLS."""
    connector = aiohttp.TCPConnector(
        limit=connections, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60, ssl=tls_context(http) or True
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout_s, connect=min(30.0, timeout_s / 2)),
        headers={"User-Agent": "order-relay"},
        request_class=_GuardedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=trust_env,
        proxy=http.proxy or None,
    ) as session:
        yield session


class GuardedSender:
    """Sends orders to one endpoint of a vendor.

    ``url``: of the endpoint, by destination key. ``tokens``: ``None`` if the credentials never change, so that refused
    ones are not tried again. ``grant`` makes the headers for a token (or ""); its secrets are removed from kept bodies.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        method: str,
        url: Callable[[str], URL],
        tokens: AsyncTokenCache | None,
        throttle: AdaptiveThrottle,
        *,
        grant: Callable[[str], Grant],
        outcomes: OutcomeTable,
    ) -> None:
        self._http = http
        self._method = method
        self._url = url
        self._tokens = tokens
        self._throttle = throttle
        self._grant = grant
        self._outcomes = outcomes

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """POST one order; see ``DestinationSession.send``.

        After refused credentials it is posted once more with a new token, because such a response proves that nothing
        was stored.
        """
        if self._tokens is None:
            result = await self._post(payload, destination_key, not_after, "")
        else:
            result = await self._post_with_token(self._tokens, payload, destination_key, not_after)
        if result.outcome is SendOutcome.THROTTLED:
            self._throttle.throttled(result.wait_s)
        return result

    async def _post_with_token(
        self, tokens: AsyncTokenCache, payload: bytes, destination_key: str, not_after: float
    ) -> SendResult:
        try:
            token = tokens.fresh() or await tokens.get()
        except OrderRelayError as error:
            return _token_failure(error)
        result = await self._post(payload, destination_key, not_after, token)
        if result.outcome is SendOutcome.CONFIGURATION_ERROR and result.status in self._outcomes.credentials:
            try:
                token = await tokens.replace(token)
            except OrderRelayError as error:
                return _token_failure(error)
            result = await self._post(payload, destination_key, not_after, token)
        return result

    async def _post(self, payload: bytes, key: str, not_after: float, token: str) -> SendResult:
        guard = _SendGuard(not_after)
        reset = _send_guard.set(guard)
        status, grant = 0, self._grant(token)
        try:
            async with (
                failpoint("destination import"),
                self._http.request(
                    self._method, self._url(key), data=payload, headers=grant.headers, allow_redirects=False
                ) as response,
            ):
                status = response.status
                body = await read_bounded(response, MAX_READ_BYTES)
                result = self._outcomes.classify(status, response.headers, body, destination_key=key)
                if pause_s := self._outcomes.pause_s(response.headers):
                    self._throttle.pause(pause_s)
                return replace(result, body=without_secrets(result.body, grant.hidden))
        except (LeaseExpiredError, *NOT_SENT_ERRORS) as error:
            return _connection_failure(error, status, written=guard.written)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _connection_failure(error, status, written=True)
        finally:
            _send_guard.reset(reset)


def _connection_failure(error: BaseException, status: int, *, written: bool) -> SendResult:
    """No complete response arrived. Only the error's type is kept, because its text may contain addresses."""
    kind = type(error).__name__
    if written:
        return SendResult(SendOutcome.IN_DOUBT, status, code=kind, message=f"no complete response ({kind})")
    if isinstance(error, LeaseExpiredError):
        return SendResult(SendOutcome.NOT_SENT, code="lease_over", message="the lease expired before the request")
    return SendResult(SendOutcome.NOT_SENT, 0, code=kind, message=f"no connection ({kind})")


def _token_failure(error: OrderRelayError) -> SendResult:
    """The order was not posted (again), because there is no token: it is certainly not stored."""
    if isinstance(error, ConfigurationError):
        return SendResult(SendOutcome.CONFIGURATION_ERROR, code="token", message=str(error))
    if isinstance(error, ThrottledError):
        return SendResult(SendOutcome.THROTTLED, code="token", message=str(error), wait_s=error.wait_s)
    return SendResult(SendOutcome.NOT_SENT, code="token", message=str(error))


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body up to ``limit`` bytes. The connection is not reused if the body is longer."""
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
