"""Requests of a client to its vendor: authorized, paced, checked and bounded.

A refused token is renewed once. GET, PUT and PATCH are repeated after a response that asks to slow down, because their
repetition changes nothing; a POST only if it is declared as repeatable. A response that cannot be used is an error of
``order_relay.errors``: after a write, ``OutcomeUnknownError`` unless the vendor provably did nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Generic, TypeVar

import httpx

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    SourceAuthError,
    ThrottledError,
)
from order_relay.failpoints import failpoint
from order_relay.http.auth.authorizer import Auth, open_authorizer
from order_relay.http.auth.credentials import Grant
from order_relay.http.reading.client import VendorClient
from order_relay.http.reading.read_settings import ReadLimits
from order_relay.http.reading.reply import Reply
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.throttle import Throttle
from order_relay.orders.json_text import encode

T = TypeVar("T")
R = TypeVar("R")

Query = Mapping[str, str | int] | list[tuple[str, str]]

MAX_ITEM_THROTTLES = 4
"""Throttling responses after which one object among many is given up."""

REFUSING = (400, 409, 422)
"""Statuses of a write that was refused for its content."""


class NotFoundError(Exception):
    """HTTP 404 or 410: the object does not exist (any more). What that means depends on the caller."""


class ThrottlingPersistedError(MalformedResponseError):
    """Each request for one object was answered with a request to slow down."""


class RequestRefusedError(Exception):
    """The vendor refused to write this object: HTTP 400, 409, 422, or 403 for an object that it let us read."""


class CredentialsRefusedError(SourceAuthError):
    """HTTP 401: a token may only have expired."""


@dataclass(kw_only=True, slots=True)
class _Request(Generic[T]):
    method: str
    url: str
    parse: Callable[[Reply], T]
    query: Query = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    is_item: bool = False
    after_read: bool = False


class Transport:
    """All requests of one client; for any number of threads. Connections are kept until ``close``.

    ``statuses`` decides what a failure means, except for 401 (credentials), 404 and 410 (``NotFoundError``).
    """

    def __init__(
        self,
        server: VendorClient,
        auth: Auth,
        statuses: StatusTable,
        limits: ReadLimits | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        limits = limits or ReadLimits()
        self._server = server
        self._statuses = statuses
        self._client = client or self._server.open_client(connections=limits.parallel + 1)
        self._authorizer = open_authorizer(auth, server, self._client)
        self._throttle = Throttle(limits.requests_per_s, limits.max_wait_s, name=server.name)
        self._hides: tuple[Grant | None, VendorClient] = (None, server)
        self.name = server.name

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read(
        self,
        path: str,
        parse: Callable[[Reply], T],
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_item: bool = False,
    ) -> T:
        """GET a path of the connection's server (or an absolute URL) and parse the response.

        ``is_item``: one object among many, so that the response concerns this object alone: a status that would stop
        the run elsewhere (401 with a new token, 403, 405, 3xx) raises ``MalformedResponseError``. Credentials refused
        by the token URL still raise ``SourceAuthError``. Raises ``NotFoundError`` and the errors of ``Source.fetch``.
        """
        url = self._url(path)
        request = _Request(
            method="GET", url=url, parse=parse, query=query or {}, headers=headers or {}, is_item=is_item
        )
        return self._repeatable(request)

    def write(
        self, method: str, path: str, document: Any, parse: Callable[[Reply], T], *, after_read: bool = False
    ) -> T:
        """Send a JSON document by a request that may be repeated: PUT, PATCH, or a POST that changes nothing then.

        ``after_read``: this object has just been read, so that HTTP 403 refuses this object and not the account.
        Raises ``NotFoundError``, ``RequestRefusedError``, ``OutcomeUnknownError`` if the request was sent without a
        usable response, and the errors of ``Source.acknowledge``.
        """
        headers, body = {"Content-Type": "application/json"}, encode(document)
        url = self._url(path)
        return self._repeatable(
            _Request(method=method, url=url, parse=parse, headers=headers, body=body, after_read=after_read)
        )

    def send_once(
        self,
        method: str,
        path: str,
        parse: Callable[[Reply], T],
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        after_read: bool = False,
    ) -> T:
        """A request that is not repeated; throttling is not waited for. Raises the errors of ``read`` or ``write``.

        A ``body`` needs the header ``Content-Type``; a request with one counts as a write. ``after_read``: see
        ``write``.
        """
        self._throttle.turn()
        return self._authorized(
            _Request(
                method=method,
                url=self._url(path),
                parse=parse,
                query=query or {},
                headers=headers or {},
                body=body,
                after_read=after_read,
            )
        )

    def is_own(self, path: str) -> bool:
        """Whether a path or URL is on the connection's server. Credentials are sent with each request."""
        try:
            url, own = httpx.URL(self._url(path)), httpx.URL(self._server.settings.base_url)
        except httpx.InvalidURL:
            return False
        return (url.scheme, url.host, url.port, url.userinfo) == (own.scheme, own.host, own.port, own.userinfo)

    def _url(self, path: str) -> str:
        if path.startswith(("http://", "https://")):
            return path
        return f"{self._server.settings.base_url}/{path.removeprefix('/')}"

    def _repeatable(self, request: _Request[T]) -> T:
        for throttles in count(1):
            self._throttle.turn()
            try:
                found = self._authorized(request)
            except ThrottledError as error:
                if request.is_item and throttles >= MAX_ITEM_THROTTLES:
                    raise ThrottlingPersistedError(
                        f"{self.name} asked {throttles} times to slow down for this object"
                    ) from None
                self._throttle.throttled(error)
                continue
            self._throttle.succeeded()
            return found
        raise AssertionError("count() ended")

    def _authorized(self, request: _Request[T]) -> T:
        """Repeats the request with a new token after a 401, which proves that nothing was done."""
        grant = self._authorizer.grant()
        try:
            return self._send(request, grant)
        except CredentialsRefusedError:
            renewed = self._authorizer.renewed(grant)
            if renewed is None:
                raise
        try:
            return self._send(request, renewed)
        except CredentialsRefusedError:
            if not request.is_item:
                raise
        raise MalformedResponseError(f"{self.name} answered HTTP 401 for this object, also with a new token")

    def _send(self, request: _Request[T], grant: Grant) -> T:
        url, headers = _with_query(request, grant), {**request.headers, **grant.headers}
        stream = self._client.stream(request.method, url, content=request.body, headers=headers)
        sent_at = datetime.now(UTC)
        server = self._hiding(grant)
        guard = server.reading() if request.body is None else server.writing(request.method)
        with failpoint(f"source {request.method}"), guard, stream as response:
            self._check_status(server, response, request)
            return request.parse(Reply(server, response, sent_at))

    def _hiding(self, grant: Grant) -> VendorClient:
        """The server, whose messages do not contain the grant's secrets."""
        known, server = self._hides
        if known is not grant:
            server = replace(self._server, hide=(*grant.hidden, *self._server.hide))
            self._hides = (grant, server)
        return server

    def _check_status(self, server: VendorClient, response: httpx.Response, request: _Request[T]) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        member = self._statuses.message_member
        if status in (404, 410):
            raise NotFoundError(f"{self.name} answered HTTP {status}{server.error_excerpt(response, member)}")
        is_locked = status == 403 and request.after_read and "retry-after" not in response.headers
        if request.body is not None and (status in REFUSING or is_locked):
            raise RequestRefusedError(f"HTTP {status}{server.error_excerpt(response, member)}")
        if status == 401:
            text = server.error_excerpt(response, member)
            raise CredentialsRefusedError(f"{self.name} refused the credentials (HTTP 401): edit the connection{text}")
        error: OrderRelayError = self._statuses.error(server, response)
        if request.is_item and isinstance(error, ConfigurationError):
            raise MalformedResponseError(str(error))  # the same account has just received the list
        raise error


def _with_query(request: _Request[T], grant: Grant) -> str | httpx.URL:
    if not request.query and not grant.query:
        return request.url
    query = httpx.QueryParams(request.query).merge(grant.query)  # type: ignore[arg-type]
    return httpx.URL(request.url).copy_merge_params(query)


def map_in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Apply ``work`` to each item in ``parallel`` threads; yields the results in the order of the items.

    The first error ends the iteration. At most ``2 * parallel`` results are held in memory.
    """
    with ThreadPoolExecutor(parallel, thread_name_prefix="order-relay-http") as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= 2 * parallel:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
