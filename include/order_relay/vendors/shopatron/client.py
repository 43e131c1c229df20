"""The OMS as a destination: one session, one POST for each attempt, every end of it an ``Answer``.

How "not sent" is told from "in doubt": aiohttp raises ``ClientConnectorError`` and its kin only while it makes the
connection, and ``_Request.send`` marks the moment before the first byte is written. Both must agree before an order is
called not sent; everything later is in doubt, a keep-alive connection that the server had closed included. aiohttp
repeats a request on a stale connection only for idempotent methods, never a POST (``IDEMPOTENT_METHODS``; a test holds
it to that).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from order_relay.errors import ConfigurationError, OrderRelayError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.retry_after import retry_after_s
from order_relay.orders.messages import SearchResult, SendOutcome, SendResult
from order_relay.vendors.shopatron import search
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.order_view import payload_traits
from order_relay.vendors.shopatron.outcomes import CREDENTIAL_STATUSES, KEPT_BYTES, classify, is_throttle
from order_relay.vendors.shopatron.throttle import ShopatronThrottle
from order_relay.vendors.shopatron.token import TokenStore, bounded

if TYPE_CHECKING:
    from order_relay.orders.schema.validator import VendorFormat

READ_BYTES = 1_048_576
"""So much of an answer is read to find the order id; ``KEPT_BYTES`` of it are kept."""

SEARCH_BYTES = 33_554_432
SEARCH_WAIT_S = 60.0
KEEP_ALIVE_S = 4.0
"""Idle connections are given up early: a POST on one that the server has just closed would be in doubt."""

NOT_SENT_ERRORS = (
    aiohttp.ClientConnectorError,  # refused, unreachable; DNS and proxy failures are kinds of it
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class LeaseExpiredError(Exception):
    """The lease was over before the first byte could be written."""


class _SendGuard:
    """One POST: until when it may start, and whether its first byte may have been written."""

    __slots__ = ("not_after", "written")

    def __init__(self, not_after: float) -> None:
        self.not_after = not_after
        self.written = False


_send_guard: ContextVar[_SendGuard | None] = ContextVar("shopatron_flight", default=None)


class _GuardedRequest(aiohttp.ClientRequest):
    """Marks a flight as written, or stops it, at the last moment before the first byte."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        guard = _send_guard.get()
        if guard is not None:
            if time.monotonic() > guard.not_after:
                raise LeaseExpiredError
            guard.written = True
        return await super().send(conn)


class ShopatronSession:
    """An open session. Made by ``ShopatronClient.session``; one event loop, any number of workers."""

    def __init__(self, http: aiohttp.ClientSession, settings: OmsSettings, share: int) -> None:
        self._http = http
        self._settings = settings
        self._base = settings.base_url.rstrip("/") + "/"
        self._import_url = URL(self._base + "importOrder/", encoded=True)
        self._tokens = TokenStore(http, settings.token_url, settings.api_key, settings.secret)
        self.limits = ShopatronThrottle(settings.requests_per_s / share)
        self._headers_of = ("", CIMultiDict[str]())

    async def sign_in(self) -> None:
        """Fetch the token before anything is claimed. Raises ``ConfigurationError``, ``ThrottledError`` or
        ``TransientError``.
        """
        await self._tokens.get()

    async def wait_for_slot(self, max_wait_s: float) -> None:
        """See ``DestinationSession.wait_for_slot``."""
        await self.limits.turn(max_wait_s)

    async def send(self, payload: bytes, destination_key: str, *, not_after: float) -> SendResult:
        """See ``DestinationSession.send``. After a refused credential the order is posted once more with a new token: a
        401
        or 403 proves that nothing was stored."""
        try:
            token = self._tokens.fresh() or await self._tokens.get()
        except OrderRelayError as exc:
            return _without_token(exc)
        answer = await self._post(payload, destination_key, not_after, token)
        if answer.outcome is SendOutcome.CONFIGURATION_ERROR and answer.status in CREDENTIAL_STATUSES:
            try:
                token = await self._tokens.replace(token)
            except OrderRelayError as exc:
                return _without_token(exc)
            answer = await self._post(payload, destination_key, not_after, token)
        if answer.outcome is SendOutcome.THROTTLED:
            self.limits.throttled(answer.wait_s)
        return answer

    async def _post(self, payload: bytes, key: str, not_after: float, token: str) -> SendResult:
        guard = _SendGuard(not_after)
        mark = _send_guard.set(guard)
        status = 0
        try:
            async with (
                failpoint("destination import"),
                self._http.post(
                    self._import_url, data=payload, headers=self._headers(token), allow_redirects=False
                ) as response,
            ):
                status = response.status
                body = await bounded(response, READ_BYTES)
                answer = classify(status, response.headers, body, destination_key=key)
                return without_secrets(answer, token, self._settings.api_key, self._settings.secret)
        except LeaseExpiredError:
            return SendResult(
                SendOutcome.NOT_SENT, code="lease_over", message="the lease was over before the request began"
            )
        except NOT_SENT_ERRORS as exc:
            return _connection_failure(exc, status, written=guard.written)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return _connection_failure(exc, status, written=True)
        finally:
            _send_guard.reset(mark)

    def _headers(self, token: str) -> CIMultiDict[str]:
        """The headers of a call, built once for each token (source: public client code)."""
        if self._headers_of[0] != token:
            self._headers_of = (
                token,
                CIMultiDict(
                    {
                        **self._settings.headers,
                        "API-Key": self._settings.api_key,
                        "Authorization": f"Bearer {token}",
                        "Content-Type": "application/json",
                        "Accept": "application/json",
                    }
                ),
            )
        return self._headers_of[1]

    async def find_by_key(self, destination_keys: Sequence[str]) -> SearchResult:
        """See ``DestinationSession.find_by_key``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._placed(await search.find_by_key(self, self._settings.order_view, destination_keys))

    async def find_by_window(self, start: str, end: str) -> SearchResult:
        """See ``DestinationSession.find_by_window``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        names = (self._settings.search_from, self._settings.search_to)
        return self._placed(await search.find_by_window(self, self._settings.order_view, names, start, end))

    async def find_any(self) -> SearchResult:
        """See ``DestinationSession.find_some``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return self._placed(await search.find_any(self, self._settings.order_view))

    async def read_order(self, oms_id: str) -> SearchResult:
        """See ``DestinationSession.read_order``. Raises ``ConfigurationError`` or ``ThrottledError``."""
        return await search.get_order(self, self._settings.order_view, oms_id)

    def _placed(self, page: SearchResult) -> SearchResult:
        """A page that failed, with the address that was asked; raises where the address is what is wrong."""
        if not page.problem:
            return page
        where = f"GET {self._base}order/"
        if search.is_configuration(page.problem):
            status = page.problem.removeprefix("http_")
            raise ConfigurationError(
                f"{where} was answered with HTTP {status}: the OMS offers no order search there. Check the host and "
                "the path of the connection; the documented path ends with /api/v2"
            )
        return replace(page, where=where)

    async def get(self, path: str, query: Mapping[str, str]) -> search.SearchReply:
        """One GET, throttling waited out for a minute at most, one new token where the old one is refused.

        Raises ``ConfigurationError`` or ``ThrottledError``; an answer that failed is a ``SearchReply`` with its status,
        or 0.
        """
        url = URL(self._base + path).with_query(query)
        renewed = False
        while True:
            await self.limits.turn(SEARCH_WAIT_S)
            try:
                token = await self._tokens.get()
                reply, headers = await self._get(url, token)
            except ThrottledError as exc:
                self.limits.throttled(exc.wait_s)
                continue
            except TransientError:
                return search.SearchReply(0)
            if is_throttle(reply.status, headers):
                self.limits.throttled(retry_after_s(headers))
            elif reply.status not in CREDENTIAL_STATUSES:
                return reply
            elif renewed:
                raise ConfigurationError(
                    "the OMS refused our API key or token when an order was read "
                    f"(HTTP {reply.status}, GET {url.with_query(None)})"
                )
            else:
                renewed = True
                await self._tokens.replace(token)

    async def _get(self, url: URL, token: str) -> tuple[search.SearchReply, Mapping[str, str]]:
        try:
            async with (
                failpoint("destination search"),
                self._http.get(url, headers=self._headers(token), allow_redirects=False) as response,
            ):
                body = await bounded(response, SEARCH_BYTES)
                return search.SearchReply(response.status, body), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise TransientError(f"the OMS could not be read ({type(exc).__name__})") from exc


def _connection_failure(exc: BaseException, status: int, *, written: bool) -> SendResult:
    """No whole answer came. What the exception says may hold addresses, so only its kind is kept."""
    kind = type(exc).__name__
    if written:
        return SendResult(SendOutcome.IN_DOUBT, status, code=kind, message=f"no complete answer ({kind})")
    return SendResult(SendOutcome.NOT_SENT, 0, code=kind, message=f"no connection to the OMS ({kind})")


def without_secrets(answer: SendResult, *credentials: str) -> SendResult:
    """The answer as it may be kept: an error page may repeat the request, and with it what we logged in with."""
    kept = answer.body
    for credential in filter(None, credentials):
        kept = kept.replace(credential, "[credential cut]")
    return answer if kept == answer.body else replace(answer, body=kept)


def _without_token(exc: OrderRelayError) -> SendResult:
    """The order was not (or not again) posted, since there is no token: provably not stored."""
    if isinstance(exc, ConfigurationError):
        return SendResult(SendOutcome.CONFIGURATION_ERROR, code="token", message=str(exc))
    if isinstance(exc, ThrottledError):
        return SendResult(SendOutcome.THROTTLED, code="token", message=str(exc), wait_s=exc.wait_s)
    return SendResult(SendOutcome.NOT_SENT, code="token", message=str(exc))


class ShopatronClient:
    """The destination. Opening sessions is all it does; it keeps no connection itself."""

    def __init__(self, settings: OmsSettings, vendor_format: VendorFormat) -> None:
        self.settings = settings
        self.format = vendor_format
        self.expected_traits = payload_traits
        self.account = settings.account
        self.search_by = settings.search_by
        self.timeout_s = settings.timeout_s
        self.visible_after_s = settings.visible_after_s
        self.connections = settings.connections

    def session(self, share: int) -> AbstractAsyncContextManager[ShopatronSession]:
        """A session with one ``share``-th of the limits; its token is fetched before it is handed out.

        Raises on entering ``ConfigurationError``, ``ThrottledError`` or ``TransientError`` (the token).
        """
        return _open_session(self.settings, max(1, share))


@asynccontextmanager
async def _open_session(settings: OmsSettings, share: int) -> AsyncIterator[ShopatronSession]:
    connector = aiohttp.TCPConnector(
        limit=max(1, settings.connections // share), keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60
    )
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s, connect=min(30.0, settings.timeout_s / 2))
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers={"User-Agent": "order-relay"},
        request_class=_GuardedRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=settings.trust_env,
    ) as http:
        session = ShopatronSession(http, settings, share)
        await session.sign_in()
        yield session


__all__ = ["KEPT_BYTES", "ShopatronClient", "ShopatronSession"]
