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

from order_relay.crossings import crossing
from order_relay.errors import OrderRelayError, RetryLater, Throttled, WrongSetup
from order_relay.orders.exchange import Answer, Outcome, Page
from order_relay.vendors.shopatron import search
from order_relay.vendors.shopatron.connection import OmsSettings
from order_relay.vendors.shopatron.limits import Limits
from order_relay.vendors.shopatron.outcomes import (
    CREDENTIAL_STATUSES,
    KEPT_BYTES,
    classify,
    is_throttle,
)
from order_relay.vendors.shopatron.showing import sent
from order_relay.vendors.shopatron.token import TokenStore, bounded
from order_relay.web.retry_after import retry_after_s

if TYPE_CHECKING:
    from order_relay.orders.judging import VendorFormat

READ_BYTES = 1_048_576
"""So much of an answer is read to find the order id; ``KEPT_BYTES`` of it are kept."""

SEARCH_BYTES = 33_554_432
SEARCH_WAIT_S = 60.0
KEEP_ALIVE_S = 4.0
"""Idle connections are given up early: a POST on one that the server has just closed would be in doubt."""

BEFORE_THE_REQUEST = (
    aiohttp.ClientConnectorError,  # refused, unreachable; DNS and proxy failures are kinds of it
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class TooLate(Exception):
    """The lease was over before the first byte could be written."""


class _Flight:
    """One POST: until when it may start, and whether its first byte may have been written."""

    __slots__ = ("not_after", "written")

    def __init__(self, not_after: float) -> None:
        self.not_after = not_after
        self.written = False


_flight: ContextVar[_Flight | None] = ContextVar("shopatron_flight", default=None)


class _Request(aiohttp.ClientRequest):
    """Marks a flight as written, or stops it, at the last moment before the first byte."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        flight = _flight.get()
        if flight is not None:
            if time.monotonic() > flight.not_after:
                raise TooLate
            flight.written = True
        return await super().send(conn)


class ShopatronSession:
    """An open session. Made by ``Shopatron.session``; one event loop, any number of workers."""

    def __init__(self, http: aiohttp.ClientSession, settings: OmsSettings, share: int) -> None:
        self._http = http
        self._settings = settings
        self._base = settings.base_url.rstrip("/") + "/"
        self._import_url = URL(self._base + "importOrder/", encoded=True)
        self._tokens = TokenStore(http, settings.token_url, settings.api_key, settings.secret)
        self.limits = Limits(settings.requests_per_s / share)
        self._headers_of = ("", CIMultiDict[str]())

    async def sign_in(self) -> None:
        """Fetch the token before anything is claimed. Raises ``WrongSetup``, ``Throttled`` or ``RetryLater``."""
        await self._tokens.get()

    async def turn(self, max_wait_s: float) -> None:
        """See ``OmsSession.turn``."""
        await self.limits.turn(max_wait_s)

    async def send(self, payload: bytes, destination_key: str, *, not_after: float, attempt: int = 1) -> Answer:
        """See ``OmsSession.send``. After a refused credential the order is posted once more with a new token: a 401
        or 403 proves that nothing was stored."""
        try:
            token = self._tokens.fresh() or await self._tokens.get()
        except OrderRelayError as exc:
            return _without_token(exc)
        answer = await self._post(payload, destination_key, not_after, attempt, token)
        if answer.outcome is Outcome.WRONG_SETUP and answer.status in CREDENTIAL_STATUSES:
            try:
                token = await self._tokens.replace(token)
            except OrderRelayError as exc:
                return _without_token(exc)
            answer = await self._post(payload, destination_key, not_after, attempt, token)
        if answer.outcome is Outcome.THROTTLED:
            self.limits.throttled(answer.wait_s)
        return answer

    async def _post(self, payload: bytes, key: str, not_after: float, attempt: int, token: str) -> Answer:
        flight = _Flight(not_after)
        mark = _flight.set(flight)
        status = 0
        try:
            async with (
                crossing("destination import"),
                self._http.post(
                    self._import_url, data=payload, headers=self._headers(token), allow_redirects=False
                ) as response,
            ):
                status = response.status
                body = await bounded(response, READ_BYTES)
                answer = classify(status, response.headers, body, attempt=attempt, destination_key=key)
                return without(answer, token, self._settings.api_key, self._settings.secret)
        except TooLate:
            return Answer(Outcome.NOT_SENT, code="lease_over", message="the lease was over before the request began")
        except BEFORE_THE_REQUEST as exc:
            return _lost(exc, status, written=flight.written)
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return _lost(exc, status, written=True)
        finally:
            _flight.reset(mark)

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

    async def find_by_key(self, destination_keys: Sequence[str]) -> Page:
        """See ``OmsSession.find_by_key``. Raises ``WrongSetup`` or ``Throttled``."""
        return self._placed(await search.find_by_key(self, self._settings.showing, destination_keys))

    async def find_by_window(self, start: str, end: str) -> Page:
        """See ``OmsSession.find_by_window``. Raises ``WrongSetup`` or ``Throttled``."""
        names = (self._settings.search_from, self._settings.search_to)
        return self._placed(await search.find_by_window(self, self._settings.showing, names, start, end))

    async def find_some(self) -> Page:
        """See ``OmsSession.find_some``. Raises ``WrongSetup`` or ``Throttled``."""
        return self._placed(await search.find_some(self, self._settings.showing))

    async def read_order(self, oms_id: str) -> Page:
        """See ``OmsSession.read_order``. Raises ``WrongSetup`` or ``Throttled``."""
        return await search.get_order(self, self._settings.showing, oms_id)

    def _placed(self, page: Page) -> Page:
        """A page that failed, with the address that was asked; raises where the address is what is wrong."""
        if not page.problem:
            return page
        where = f"GET {self._base}order/"
        if search.is_configuration(page.problem):
            status = page.problem.removeprefix("http_")
            raise WrongSetup(
                f"{where} was answered with HTTP {status}: the OMS offers no order search there. Check the host and "
                "the path of the connection; the documented path ends with /api/v2"
            )
        return replace(page, where=where)

    async def get(self, path: str, query: Mapping[str, str]) -> search.Reply:
        """One GET, throttling waited out for a minute at most, one new token where the old one is refused.

        Raises ``WrongSetup`` or ``Throttled``; an answer that failed is a ``Reply`` with its status, or 0.
        """
        url = URL(self._base + path).with_query(query)
        renewed = False
        while True:
            await self.limits.turn(SEARCH_WAIT_S)
            try:
                token = await self._tokens.get()
                reply, headers = await self._get(url, token)
            except Throttled as exc:
                self.limits.throttled(exc.wait_s)
                continue
            except RetryLater:
                return search.Reply(0)
            if is_throttle(reply.status, headers):
                self.limits.throttled(retry_after_s(headers))
            elif reply.status not in CREDENTIAL_STATUSES:
                return reply
            elif renewed:
                raise WrongSetup(
                    "the OMS refused our API key or token when an order was read "
                    f"(HTTP {reply.status}, GET {url.with_query(None)})"
                )
            else:
                renewed = True
                await self._tokens.replace(token)

    async def _get(self, url: URL, token: str) -> tuple[search.Reply, Mapping[str, str]]:
        try:
            async with (
                crossing("destination search"),
                self._http.get(url, headers=self._headers(token), allow_redirects=False) as response,
            ):
                body = await bounded(response, SEARCH_BYTES)
                return search.Reply(response.status, body), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise RetryLater(f"the OMS could not be read ({type(exc).__name__})") from exc


def _lost(exc: BaseException, status: int, *, written: bool) -> Answer:
    """No whole answer came. What the exception says may hold addresses, so only its kind is kept."""
    kind = type(exc).__name__
    if written:
        return Answer(Outcome.IN_DOUBT, status, code=kind, message=f"no complete answer ({kind})")
    return Answer(Outcome.NOT_SENT, 0, code=kind, message=f"no connection to the OMS ({kind})")


def without(answer: Answer, *credentials: str) -> Answer:
    """The answer as it may be kept: an error page may repeat the request, and with it what we logged in with."""
    kept = answer.body
    for credential in filter(None, credentials):
        kept = kept.replace(credential, "[credential cut]")
    return answer if kept == answer.body else replace(answer, body=kept)


def _without_token(exc: OrderRelayError) -> Answer:
    """The order was not (or not again) posted, since there is no token: provably not stored."""
    if isinstance(exc, WrongSetup):
        return Answer(Outcome.WRONG_SETUP, code="token", message=str(exc))
    if isinstance(exc, Throttled):
        return Answer(Outcome.THROTTLED, code="token", message=str(exc), wait_s=exc.wait_s)
    return Answer(Outcome.NOT_SENT, code="token", message=str(exc))


class Shopatron:
    """The destination. Opening sessions is all it does; it keeps no connection itself."""

    def __init__(self, settings: OmsSettings, vendor_format: VendorFormat) -> None:
        self.settings = settings
        self.format = vendor_format
        self.expects = sent
        self.account = settings.account
        self.search_by = settings.search_by
        self.timeout_s = settings.timeout_s
        self.visible_after_s = settings.visible_after_s
        self.connections = settings.connections
        self.requests_per_s = settings.requests_per_s

    def session(self, share: int) -> AbstractAsyncContextManager[ShopatronSession]:
        """A session with one ``share``-th of the limits; its token is fetched before it is handed out.

        Raises on entering ``WrongSetup``, ``Throttled`` or ``RetryLater`` (the token).
        """
        return _open(self.settings, max(1, share))


@asynccontextmanager
async def _open(settings: OmsSettings, share: int) -> AsyncIterator[ShopatronSession]:
    connector = aiohttp.TCPConnector(
        limit=max(1, settings.connections // share), keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=60
    )
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s, connect=min(30.0, settings.timeout_s / 2))
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers={"User-Agent": "order-relay"},
        request_class=_Request,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=settings.trust_env,
    ) as http:
        session = ShopatronSession(http, settings, share)
        await session.sign_in()
        yield session


__all__ = ["KEPT_BYTES", "Shopatron", "ShopatronSession"]
