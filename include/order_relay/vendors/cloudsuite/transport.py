"""Single requests to CloudSuite: authorized, paced, checked and bounded.

GET, PATCH and PUT of the same content are repeated after a refused token or a throttling response; a POST never is.
Errors are not documented: statuses are read as HTTP defines them, messages from ``detail`` (docs/vendors/cloudsuite.md,
"Facts").
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
from order_relay.http.json.json_recovery import recover_body
from order_relay.http.reading.bodies import check_headers, read_whole
from order_relay.http.reading.client import UnreachableError, VendorClient
from order_relay.http.reading.status_table import StatusTable
from order_relay.http.reading.transport import (
    MAX_ITEM_THROTTLES,
    NotFoundError,
    RequestRefusedError,
    ThrottlingPersistedError,
)
from order_relay.http.throttle import Throttle
from order_relay.orders.json_text import encode
from order_relay.orders.messages import SourceOrder
from order_relay.vendors.cloudsuite.access import CloudSuiteAuthorization
from order_relay.vendors.cloudsuite.connection import CloudSuiteSettings

Query = Mapping[str, str | int]

STATUSES = StatusTable(
    auth=(403,),
    auth_hint="check its rights, and the list of allowed IP addresses",
    configuration=(405,),
    configuration_hint="check the base URL and no_trailing_slash",
    message_member="detail",
)
"""401 is handled by renewing the token, 404 and 410 by the caller."""


class TokenRejectedError(SourceAuthError):
    """HTTP 401: the token may only have expired."""


@dataclass(frozen=True, slots=True)
class _Request:
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
        self._slash = "" if settings.no_trailing_slash else "/"
        secrets = tuple(filter(None, (settings.password, settings.login)))
        self._server = VendorClient("CloudSuite", settings, secrets)
        self._client = client or self._server.open_client(connections=settings.parallel + 1)
        self._authorization = CloudSuiteAuthorization(settings, self._server, self._client)
        self._throttle = Throttle(settings.requests_per_s, settings.max_wait_s)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get_one(self, path: str) -> SourceOrder:
        """``get`` for one object among many: the response concerns this object alone.

        A status that would stop the run elsewhere (401 with a new token, 403, 405, 3xx) raises
        ``MalformedResponseError``. A login refused by the token URL still raises ``SourceAuthError``.
        """
        return self._object(_Request("GET", self._url(path), {}, is_item=True))

    def get(self, path: str, query: Query | None = None) -> SourceOrder:
        """The object at a path such as ``order/7``. Raises ``NotFoundError`` and the errors of ``Source.fetch``."""
        return self._object(_Request("GET", self._url(path), query or {}))

    def _object(self, request: _Request) -> SourceOrder:
        found = self._repeatable(request)
        if found is None:
            raise MalformedResponseError("the response is empty")
        return found

    def write(self, method: str, path: str, document: Any) -> SourceOrder | None:
        """PATCH or PUT. Returns the object in the response, if there is one.

        Raises ``NotFoundError``, ``RequestRefusedError``, ``OutcomeUnknownError`` if the request was sent without a
        usable response, and the errors of ``Source.acknowledge``.
        """
        return self._repeatable(_Request(method, self._url(path), {}, encode(document), "application/json"))

    def post(self, path: str, query: Query, body: bytes, media: str) -> None:
        """POST once, to a path outside ``/api``. Raises the errors of ``write``; throttling is not waited for."""
        self._throttle.turn()
        self._authorized(_Request("POST", f"{self._base}/{path}", query, body, media))

    def _url(self, path: str) -> str:
        return f"{self._base}/api/{path}{self._slash}"

    def _repeatable(self, request: _Request) -> SourceOrder | None:
        for throttles in count(1):
            self._throttle.turn()
            try:
                found = self._authorized(request)
            except ThrottledError as error:
                if request.is_item and throttles >= MAX_ITEM_THROTTLES:
                    raise ThrottlingPersistedError(
                        f"CloudSuite asked {throttles} times to slow down for this object"
                    ) from None
                self._throttle.throttled(error)
                continue
            except TokenRejectedError:
                if request.is_item:
                    raise MalformedResponseError(
                        "CloudSuite answered HTTP 401 for this object, also with a new token"
                    ) from None
                raise
            self._throttle.succeeded()
            return found
        raise AssertionError("count() ended")

    def _authorized(self, request: _Request) -> SourceOrder | None:
        """Repeats the request with a new token after a 401, which proves that nothing was done."""
        header = self._authorization.header()
        try:
            return self._send(request, header)
        except TokenRejectedError:
            return self._send(request, self._authorization.replace(header))

    def _send(self, request: _Request, header: str) -> SourceOrder | None:
        headers = {"Authorization": header, **({"Content-Type": request.media} if request.media else {})}
        stream = self._client.stream(
            request.method, request.url, params=dict(request.query) or None, content=request.body, headers=headers
        )
        try:
            with failpoint(f"source {request.method}"), self._server.reading(), stream as response:
                self._check_status(response, request)
                return self._read(response, request)
        except (ThrottledError, UnreachableError):
            raise
        except TransientError as error:
            if request.body is None:
                raise
            raise OutcomeUnknownError(f"the {request.method} was sent, but its outcome is unknown: {error}") from None

    def _read(self, response: httpx.Response, request: _Request) -> SourceOrder | None:
        """The object in a successful response. The response to a POST is not documented and not read."""
        if response.status_code == 204 or response.headers.get("content-length") == "0" or request.method == "POST":
            return None
        check_headers(response)
        body = read_whole(self._server.body(response), self._server.settings.size_limit_bytes)
        return recover_body(body, "the response")

    def _check_status(self, response: httpx.Response, request: _Request) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status in (404, 410):
            raise NotFoundError
        is_order_locked = status == 403 and "retry-after" not in response.headers  # the account has just been served
        if request.body is not None and (status in (400, 409, 422) or is_order_locked):
            raise RequestRefusedError(f"HTTP {status}{self._server.error_excerpt(response, 'detail')}")
        if status == 401:
            raise TokenRejectedError("CloudSuite refused a new token (HTTP 401): edit the connection")
        error: OrderRelayError = STATUSES.error(self._server, response)
        if request.is_item and isinstance(error, ConfigurationError):
            raise MalformedResponseError(str(error))  # the same account has just received the list
        raise error
