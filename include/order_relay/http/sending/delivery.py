"""Safe sending of orders: one POST per attempt, and a ``SendResult`` for every way in which it can end.

"Not sent" differs from "in doubt" as follows. aiohttp raises ``NOT_SENT_ERRORS`` only while it connects, and
``_GuardedRequest.send`` records the moment before the first byte is written. An order is reported as not sent only if
both agree; every later failure is in doubt, including a kept-alive connection that the server had already closed.
aiohttp repeats requests on stale connections for idempotent methods only, never a POST; a test verifies this.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from order_relay.connections import HttpOptions
from order_relay.errors import ConfigurationError, OrderRelayError, ThrottledError
from order_relay.failpoints import failpoint
from order_relay.http.auth.oauth import AsyncTokenCache
from order_relay.http.throttle import AdaptiveThrottle, retry_after_s
from order_relay.http.tls import tls_context
from order_relay.orders.messages import SendOutcome, SendResult

MAX_READ_BYTES = 1 << 20
"""Bytes of a response that are read to find the order id."""

KEPT_BYTES = 16_384
"""Bytes of a response body that are archived."""

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
    """One POST: the time after which it must not start, and whether its first byte may have been written."""

    __slots__ = ("not_after", "written")

    def __init__(self, not_after: float) -> None:
        self.not_after = not_after
        self.written = False


_send_guard: ContextVar[_SendGuard | None] = ContextVar("order_relay_send_guard", default=None)


class _GuardedRequest(aiohttp.ClientRequest):
    """Marks a POST as written, or stops it, at the last moment before the first byte."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        guard = _send_guard.get()
        if guard is not None:
            if time.monotonic() > guard.not_after:
                raise LeaseExpiredError
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


@dataclass(frozen=True, slots=True)
class ImportReply:
    """A success: the OMS order id, the external id that it repeats (or empty), and an error beside them."""

    oms_id: str = ""
    destination_key: str = ""
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class OutcomeTable:
    """What a complete response to a POST means for the order.

    The table is total: every status with any body has an outcome, and a status that is not listed is in doubt. The
    vendor defines which responses throttle, how a success and an error are read, and which refusals name an existing
    order.
    """

    imported: Collection[int] = (200, 201)
    credentials: Collection[int] = (401, 403)
    refused: Collection[int] = (400, 422)
    misplaced: Collection[int] = (404, 405)
    is_throttling: Callable[[int, Mapping[str, str]], bool]
    read_success: Callable[[bytes], ImportReply]
    names_existing: Callable[[bytes], bool]
    error_code: Callable[[bytes], str]

    def classify(
        self, status: int, headers: Mapping[str, str], body: bytes, *, destination_key: str = ""
    ) -> SendResult:
        """The outcome of one response, regardless of earlier attempts, which the ledger takes into account.

        ``headers`` must be case-insensitive; ``body`` is the part that was read.
        """
        kept = body[:KEPT_BYTES].decode("utf-8", "replace")
        if status in self.imported:
            reply = self.read_success(body)
            if not (doubt := _success_doubt(status, reply, destination_key)):
                code, message = (
                    (self.error_code(body), "imported, but the response also names an error")
                    if reply.remark
                    else ("", "")
                )
                return SendResult(SendOutcome.IMPORTED, status, reply.oms_id, code, message, kept, remark=reply.remark)
            return SendResult(SendOutcome.IN_DOUBT, status, "", self.error_code(body), doubt, kept)
        outcome, message = self._decide(status, headers, body)
        wait_s = retry_after_s(headers) if outcome is SendOutcome.THROTTLED else None
        return SendResult(outcome, status, "", self.error_code(body), message, kept, wait_s)

    def _decide(self, status: int, headers: Mapping[str, str], body: bytes) -> tuple[SendOutcome, str]:
        if self.is_throttling(status, headers):
            return SendOutcome.THROTTLED, f"HTTP {status}: asked to slow down"
        if status in self.credentials:
            return SendOutcome.CONFIGURATION_ERROR, f"HTTP {status}: the credentials were refused"
        if status in self.refused:
            return self._decide_refusal(status, body)
        if status in self.misplaced:
            return (
                SendOutcome.CONFIGURATION_ERROR,
                f"HTTP {status}: orders are not accepted at this URL; check the base URL",
            )
        if 300 <= status <= 399:
            # In doubt rather than a configuration error: 302 and 303 often mean that the POST was carried out.
            return SendOutcome.IN_DOUBT, f"HTTP {status}: a redirect, which is not followed; check the base URL"
        return SendOutcome.IN_DOUBT, f"HTTP {status}: unknown whether the order was stored"

    def _decide_refusal(self, status: int, body: bytes) -> tuple[SendOutcome, str]:
        if self.names_existing(body):
            return SendOutcome.IN_DOUBT, f"HTTP {status} that names an existing order"
        return SendOutcome.REJECTED, f"HTTP {status}: the order was refused"


def _success_doubt(status: int, reply: ImportReply, destination_key: str) -> str:
    if not reply.oms_id:
        return f"HTTP {status} without an order id"
    if destination_key and reply.destination_key and reply.destination_key != destination_key:
        return f"HTTP {status} for another order"
    return ""


Classify = Callable[..., SendResult]
"""``OutcomeTable.classify``, or a function with its parameters."""


class GuardedSender:
    """Posts orders to one URL. ``headers`` makes the headers for a token; ``secrets`` are removed from kept bodies."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: URL,
        tokens: AsyncTokenCache,
        throttle: AdaptiveThrottle,
        *,
        headers: Callable[[str], Mapping[str, str]],
        classify: Classify,
        credential_statuses: Collection[int],
        secrets: Sequence[str],
    ) -> None:
        self._http = http
        self._url = url
        self._tokens = tokens
        self._throttle = throttle
        self._headers = headers
        self._classify = classify
        self._credential_statuses = credential_statuses
        self._secrets = secrets

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """POST one order; see ``DestinationSession.send``.

        After refused credentials it is posted once more with a new token, because such a response proves that nothing
        was stored.
        """
        try:
            token = self._tokens.fresh() or await self._tokens.get()
        except OrderRelayError as error:
            return _token_failure(error)
        result = await self._post(payload, destination_key, not_after, token)
        if result.outcome is SendOutcome.CONFIGURATION_ERROR and result.status in self._credential_statuses:
            try:
                token = await self._tokens.replace(token)
            except OrderRelayError as error:
                return _token_failure(error)
            result = await self._post(payload, destination_key, not_after, token)
        if result.outcome is SendOutcome.THROTTLED:
            self._throttle.throttled(result.wait_s)
        return result

    async def _post(self, payload: bytes, key: str, not_after: float, token: str) -> SendResult:
        guard = _SendGuard(not_after)
        reset = _send_guard.set(guard)
        status = 0
        try:
            async with (
                failpoint("destination import"),
                self._http.post(
                    self._url, data=payload, headers=self._headers(token), allow_redirects=False
                ) as response,
            ):
                status = response.status
                body = await read_bounded(response, MAX_READ_BYTES)
                result = self._classify(status, response.headers, body, destination_key=key)
                return without_secrets(result, token, *self._secrets)
        except LeaseExpiredError:
            return SendResult(SendOutcome.NOT_SENT, code="lease_over", message="the lease expired before the request")
        except NOT_SENT_ERRORS as error:
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
    return SendResult(SendOutcome.NOT_SENT, 0, code=kind, message=f"no connection ({kind})")


def _token_failure(error: OrderRelayError) -> SendResult:
    """The order was not posted (again), because there is no token: it is certainly not stored."""
    if isinstance(error, ConfigurationError):
        return SendResult(SendOutcome.CONFIGURATION_ERROR, code="token", message=str(error))
    if isinstance(error, ThrottledError):
        return SendResult(SendOutcome.THROTTLED, code="token", message=str(error), wait_s=error.wait_s)
    return SendResult(SendOutcome.NOT_SENT, code="token", message=str(error))


def without_secrets(result: SendResult, *secrets: str) -> SendResult:
    """The result without our credentials in its body: an error page may quote the request."""
    body = result.body
    for secret in filter(None, secrets):
        body = body.replace(secret, "[credential cut]")
    return result if body == result.body else replace(result, body=body)


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
