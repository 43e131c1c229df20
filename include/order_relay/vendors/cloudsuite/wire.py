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

from order_relay.crossings import crossing
from order_relay.errors import (
    BadAnswer,
    OrderRelayError,
    OutcomeUnknown,
    RetryLater,
    SourceRefused,
    Throttled,
    WrongSetup,
)
from order_relay.orders.exchange import OfferedOrder
from order_relay.orders.json_text import encode
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings
from order_relay.vendors.cloudsuite.pace import Pace
from order_relay.vendors.cloudsuite.token import Authorization
from order_relay.web.bodies import check_headers, read_whole
from order_relay.web.peer import OutOfReach, Peer
from order_relay.web.retry_after import retry_after_s
from order_relay.web.salvage import readable_order

Query = Mapping[str, str | int]

MOST_THROTTLES = 4
"""The number of throttles after which one object among many is given up."""


class NotThereError(Exception):
    """HTTP 404 or 410: there is no such thing (any more). What that means only the caller knows."""


class KeptThrottling(BadAnswer):
    """One object was answered with nothing but requests to slow down; asking again at once has no point."""


class RefusedError(Exception):
    """HTTP 400, 409 or 422: the shop does not want this. The text is its own words, bounded."""


class TokenRefused(SourceRefused):
    """HTTP 401: perhaps the token has only expired."""


@dataclass(frozen=True, slots=True)
class _Ask:
    method: str
    url: str
    query: Query
    body: bytes | None = None
    media: str = ""
    one_of_many: bool = False


class Wire:
    """All requests of one client; for any number of threads."""

    def __init__(self, settings: CloudSuiteSettings, client: httpx.Client | None = None) -> None:
        self._base = settings.base_url
        self._slash = "/" if settings.trailing_slash else ""
        hide = tuple(filter(None, (settings.password, settings.login)))
        self._peer = Peer(
            "CloudSuite",
            settings.base_url,
            settings.timeout_s,
            settings.download_s,
            settings.size_limit_bytes,
            settings.trust_env,
            hide,
        )
        self._client = client or self._peer.open_client(connections=settings.parallel + 1)
        self._authorization = Authorization(settings, self._peer)
        self._pace = Pace(settings.requests_per_s, settings.max_wait_s)

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def get_one(self, path: str) -> OfferedOrder:
        """As ``get``, of one object among many: whatever the shop answers is about this object alone.

        So a status that would stop everything elsewhere (401 with a new token, 403, 405, 3xx) raises ``BadAnswer``. A
        login that fails at the token address raises as ever.
        """
        ask = _Ask("GET", self._url(path), {}, one_of_many=True)
        return self._object(ask)

    def get(self, path: str, query: Query | None = None) -> OfferedOrder:
        """The JSON object at a path such as ``order/7``, exactly.

        Raises ``NotThereError``, and as the port ``Source.offers`` does.
        """
        return self._object(_Ask("GET", self._url(path), query or {}))

    def _object(self, ask: _Ask) -> OfferedOrder:
        answer = self._repeatable(ask)
        if answer is None:
            raise BadAnswer("the answer is empty")
        return answer

    def write(self, method: str, path: str, document: Any) -> OfferedOrder | None:
        """PATCH or PUT; what the answer holds, if anything that can be read.

        Raises ``NotThereError``, ``RefusedError``, ``OutcomeUnknown`` where it was sent and no usable answer came, and
        as the port ``Source.acknowledge`` does.
        """
        return self._repeatable(_Ask(method, self._url(path), {}, encode(document), "application/json"))

    def post(self, path: str, query: Query, body: bytes, media: str) -> None:
        """POST once, to a path outside the API's own. Raises as ``write``, and ``Throttled`` at once."""
        ask = _Ask("POST", f"{self._base}/{path}", query, body, media)
        self._pace.turn()
        self._authorized(ask)

    def _url(self, path: str) -> str:
        return f"{self._base}/api/{path}{self._slash}"

    def _repeatable(self, ask: _Ask) -> OfferedOrder | None:
        for throttles in count(1):
            self._pace.turn()
            try:
                answer = self._authorized(ask)
            except Throttled as error:
                if ask.one_of_many and throttles >= MOST_THROTTLES:
                    raise KeptThrottling(f"CloudSuite asked {throttles} times to slow down for this object") from None
                self._pace.throttled(error)
                continue
            except TokenRefused:
                if ask.one_of_many:
                    raise BadAnswer("CloudSuite answered HTTP 401 for this object, with a new token too") from None
                raise
            self._pace.went_well()
            return answer
        raise AssertionError("count() ended")

    def _authorized(self, ask: _Ask) -> OfferedOrder | None:
        """Once more with a new token where the first was refused: a 401 proves that nothing was done."""
        header = self._authorization.header(self._client)
        try:
            return self._once(ask, header)
        except TokenRefused:
            return self._once(ask, self._authorization.replace(self._client, header))

    def _once(self, ask: _Ask, header: str) -> OfferedOrder | None:
        headers = {"Authorization": header, **({"Content-Type": ask.media} if ask.media else {})}
        stream = self._client.stream(
            ask.method, ask.url, params=dict(ask.query) or None, content=ask.body, headers=headers
        )
        try:
            with crossing(f"source {ask.method}"), self._peer.reading(), stream as response:
                self._judge(response, ask)
                return self._answer(response, ask)
        except (Throttled, OutOfReach):
            raise
        except RetryLater as error:
            if ask.body is None:
                raise
            raise OutcomeUnknown(f"{ask.method} was sent, and nobody knows what became of it: {error}") from None

    def _answer(self, response: httpx.Response, ask: _Ask) -> OfferedOrder | None:
        """The object that a good answer holds. What answers a POST is not documented, and not read."""
        if response.status_code == 204 or response.headers.get("content-length") == "0" or ask.method == "POST":
            return None
        check_headers(response)
        return readable_order(read_whole(self._peer.body(response), self._peer.size_limit_bytes), "the answer")

    def _judge(self, response: httpx.Response, ask: _Ask) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status in (404, 410):
            raise NotThereError
        locked = status == 403 and "retry-after" not in response.headers  # this order's: the account was just served
        if ask.body is not None and (status in (400, 409, 422) or locked):
            raise RefusedError(f"HTTP {status}{self._peer.failure_words(response, 'detail')}")
        error = self._error(response)
        if ask.one_of_many and isinstance(error, WrongSetup) and not isinstance(error, TokenRefused):
            raise BadAnswer(str(error))  # the same account was just given the list
        raise error

    def _error(self, response: httpx.Response) -> OrderRelayError:
        status = response.status_code
        told = "retry-after" in response.headers
        if status == 429 or (status in (403, 503) and told):
            wait_s = retry_after_s(response.headers)
            return Throttled(f"CloudSuite asked us to slow down (HTTP {status})", wait_s)
        if status == 401:
            return TokenRefused("CloudSuite refused our token (HTTP 401), a new one too: mend the connection")
        words = self._peer.failure_words(response, "detail")
        if status == 403:
            return SourceRefused(f"CloudSuite refused this account (HTTP 403): its rights, or the address list?{words}")
        if status == 405 or 300 <= status < 400:
            return WrongSetup(f"CloudSuite answered HTTP {status}: base URL, or no_trailing_slash, wrong?{words}")
        if status >= 500 or status == 408:
            return RetryLater(f"CloudSuite answered HTTP {status}{words}")
        return BadAnswer(f"CloudSuite answered HTTP {status}, which is not documented{words}")
