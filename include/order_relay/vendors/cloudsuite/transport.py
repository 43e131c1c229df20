"""One request to CloudSuite: authorized, paced, its answer judged and bounded, errors in our words.

GET, PATCH and PUT of the same content may be repeated (after a refused token, after a throttle); a POST never is. How
errors look is not documented: their statuses are read as HTTP means them, their words from ``detail`` (assumed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from order_relay.errors import (
    ConfigurationError,
    MalformedResponseError,
    OrderRelayError,
    OutcomeUnknownError,
    SourceAuthError,
    ThrottledError,
    TransientError,
)
from order_relay.failpoints import failpoint
from order_relay.http.bodies import check_headers, read_whole
from order_relay.http.client import UnreachableError, VendorClient
from order_relay.http.json_recovery import recover_body
from order_relay.http.retry_after import retry_after_s
from order_relay.orders.json_text import encode
from order_relay.orders.messages import SourceOrder
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.throttle import CloudSuiteThrottle
from order_relay.vendors.cloudsuite.token import CloudSuiteAuthorization

Query = Mapping[str, str | int]

MAX_THROTTLES = 4
"""The number of throttles after which one object among many is given up."""


class OrderNotFoundError(Exception):
    """HTTP 404 or 410: there is no such thing (any more). What that means only the caller knows."""


class ThrottlingPersistsError(MalformedResponseError):
    """One object was answered with nothing but requests to slow down; asking again at once has no point."""


class WriteRefusedError(Exception):
    """HTTP 400, 409 or 422: the shop does not want this. The text is its own words, bounded."""


class TokenRejectedError(SourceAuthError):
    """HTTP 401: perhaps the token has only expired."""


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    query: Query
    body: bytes | None = None
    media: str = ""
    is_item: bool = False


class CloudSuiteTransport:
    """All requests of one client; for any number of threads."""

    def __init__(self, settings: CloudSuiteSettings, client: httpx.Client | None = None) -> None:
        self._base = settings.base_url
        self._slash = "/" if settings.trailing_slash else ""
        hide = tuple(filter(None, (settings.password, settings.login)))
        self._peer = VendorClient(
            "CloudSuite",
            settings.base_url,
            settings.timeout_s,
            settings.download_s,
            settings.size_limit_bytes,
            settings.trust_env,
            hide,
        )
        self._client = client or self._peer.open_client(connections=settings.parallel + 1)
        self._authorization = CloudSuiteAuthorization(settings, self._peer)
        self._pace = CloudSuiteThrottle(settings.requests_per_s, settings.max_wait_s)

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def get_one(self, path: str) -> SourceOrder:
        """As ``get``, of one object among many: whatever the shop answers is about this object alone.

        So a status that would stop everything elsewhere (401 with a new token, 403, 405, 3xx) raises
        ``MalformedResponseError``. A
        login that fails at the token address raises as ever.
        """
        ask = _Call("GET", self._url(path), {}, is_item=True)
        return self._object(ask)

    def get(self, path: str, query: Query | None = None) -> SourceOrder:
        """The JSON object at a path such as ``order/7``, exactly.

        Raises ``OrderNotFoundError``, and as the port ``Source.fetch`` does.
        """
        return self._object(_Call("GET", self._url(path), query or {}))

    def _object(self, ask: _Call) -> SourceOrder:
        answer = self._repeatable(ask)
        if answer is None:
            raise MalformedResponseError("the answer is empty")
        return answer

    def write(self, method: str, path: str, document: Any) -> SourceOrder | None:
        """PATCH or PUT; what the answer holds, if anything that can be read.

        Raises ``OrderNotFoundError``, ``WriteRefusedError``, ``OutcomeUnknownError`` where it was sent and no usable
        answer came, and
        as the port ``Source.acknowledge`` does.
        """
        return self._repeatable(_Call(method, self._url(path), {}, encode(document), "application/json"))

    def post(self, path: str, query: Query, body: bytes, media: str) -> None:
        """POST once, to a path outside the API's own. Raises as ``write``, and ``ThrottledError`` at once."""
        ask = _Call("POST", f"{self._base}/{path}", query, body, media)
        self._pace.turn()
        self._authorized(ask)

    def _url(self, path: str) -> str:
        return f"{self._base}/api/{path}{self._slash}"

    def _repeatable(self, ask: _Call) -> SourceOrder | None:
        for throttles in count(1):
            self._pace.turn()
            try:
                answer = self._authorized(ask)
            except ThrottledError as error:
                if ask.is_item and throttles >= MAX_THROTTLES:
                    raise ThrottlingPersistsError(
                        f"CloudSuite asked {throttles} times to slow down for this object"
                    ) from None
                self._pace.throttled(error)
                continue
            except TokenRejectedError:
                if ask.is_item:
                    raise MalformedResponseError(
                        "CloudSuite answered HTTP 401 for this object, with a new token too"
                    ) from None
                raise
            self._pace.succeeded()
            return answer
        raise AssertionError("count() ended")

    def _authorized(self, ask: _Call) -> SourceOrder | None:
        """Once more with a new token where the first was refused: a 401 proves that nothing was done."""
        header = self._authorization.header(self._client)
        try:
            return self._once(ask, header)
        except TokenRejectedError:
            return self._once(ask, self._authorization.replace(self._client, header))

    def _once(self, ask: _Call, header: str) -> SourceOrder | None:
        headers = {"Authorization": header, **({"Content-Type": ask.media} if ask.media else {})}
        stream = self._client.stream(
            ask.method, ask.url, params=dict(ask.query) or None, content=ask.body, headers=headers
        )
        try:
            with failpoint(f"source {ask.method}"), self._peer.reading(), stream as response:
                self._check_reply(response, ask)
                return self._answer(response, ask)
        except (ThrottledError, UnreachableError):
            raise
        except TransientError as error:
            if ask.body is None:
                raise
            raise OutcomeUnknownError(f"{ask.method} was sent, and nobody knows what became of it: {error}") from None

    def _answer(self, response: httpx.Response, ask: _Call) -> SourceOrder | None:
        """The object that a good answer holds. What answers a POST is not documented, and not read."""
        if response.status_code == 204 or response.headers.get("content-length") == "0" or ask.method == "POST":
            return None
        check_headers(response)
        return recover_body(read_whole(self._peer.body(response), self._peer.size_limit_bytes), "the answer")

    def _check_reply(self, response: httpx.Response, ask: _Call) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status in (404, 410):
            raise OrderNotFoundError
        locked = status == 403 and "retry-after" not in response.headers  # this order's: the account was just served
        if ask.body is not None and (status in (400, 409, 422) or locked):
            raise WriteRefusedError(f"HTTP {status}{self._peer.error_excerpt(response, 'detail')}")
        error = self._error(response)
        if ask.is_item and isinstance(error, ConfigurationError) and not isinstance(error, TokenRejectedError):
            raise MalformedResponseError(str(error))  # the same account was just given the list
        raise error

    def _error(self, response: httpx.Response) -> OrderRelayError:
        status = response.status_code
        told = "retry-after" in response.headers
        if status == 429 or (status in (403, 503) and told):
            wait_s = retry_after_s(response.headers)
            return ThrottledError(f"CloudSuite asked us to slow down (HTTP {status})", wait_s)
        if status == 401:
            return TokenRejectedError("CloudSuite refused our token (HTTP 401), a new one too: mend the connection")
        words = self._peer.error_excerpt(response, "detail")
        if status == 403:
            return SourceAuthError(
                f"CloudSuite refused this account (HTTP 403): its rights, or the address list?{words}"
            )
        if status == 405 or 300 <= status < 400:
            return ConfigurationError(
                f"CloudSuite answered HTTP {status}: base URL, or no_trailing_slash, wrong?{words}"
            )
        if status >= 500 or status == 408:
            return TransientError(f"CloudSuite answered HTTP {status}{words}")
        return MalformedResponseError(f"CloudSuite answered HTTP {status}, which is not documented{words}")
