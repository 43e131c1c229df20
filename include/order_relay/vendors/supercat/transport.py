"""Single requests to SuperCat: status and headers are checked, the body is bounded.

Credentials are sent in the ``Authorization`` header only. Nothing is retried here, because SuperCat locks accounts
after failed logins (docs/vendors/supercat.md, "Connect").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from order_relay.errors import OrderRelayError, OutcomeUnknownError, SourceAuthError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.reading.bodies import check_headers, read_whole
from order_relay.http.reading.client import NOT_SENT_ERRORS, VendorClient
from order_relay.http.reading.status_table import StatusTable

REPLY_LIMIT = 4 << 20
"""Bytes of a response that is read as a whole: acknowledgements and failures."""

STATUSES = StatusTable(
    auth_hint="check user name, password and organisation. The login is not tried again, because SuperCat locks "
    "accounts after failed logins: edit the connection",
    configuration_hint="check base URL, organisation and order id",
    throttling=(),
    message_member="error",
)
"""Assumed: the vendor documents no HTTP status of a failure."""


@contextmanager
def get(server: VendorClient, client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """GET once; yields the open response, its status and headers already checked.

    Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
    ``TransientError``.
    """
    with failpoint("source GET"), server.reading(), client.stream("GET", url) as response:
        if response.status_code != 200:
            raise STATUSES.error(server, response)
        check_headers(response)
        yield response


@failpoint("source POST")
def post(server: VendorClient, client: httpx.Client, url: str, body: bytes) -> tuple[int, bytes | OrderRelayError]:
    """POST once. Returns the status, and the body or the error that explains why there is no usable one.

    Raises ``TransientError`` if nothing was sent, ``OutcomeUnknownError`` if the request was sent and the response is
    incomplete, ``SourceAuthError`` and ``ThrottledError`` if the source refused the request.
    """
    headers = {"Content-Type": "application/json"}
    try:
        with client.stream("POST", url, content=body, headers=headers) as response:
            error = None if response.status_code == 200 else STATUSES.error(server, response, read_body=False)
            if isinstance(error, SourceAuthError | ThrottledError):
                raise error
            return response.status_code, _read_body(server, response, error)
    except NOT_SENT_ERRORS as error:
        raise server.unreachable_error(error) from None
    except httpx.TransportError as error:
        raise OutcomeUnknownError(
            f"the acknowledgement was sent, but no complete response arrived ({type(error).__name__})"
        ) from None


def _read_body(
    server: VendorClient, response: httpx.Response, error: OrderRelayError | None
) -> bytes | OrderRelayError:
    """The body; if it is unusable, the error of the status, or of the body if the status was 200.

    A response with an error status may still answer for each order.
    """
    try:
        check_headers(response)
        return read_whole(server.body(response, min(REPLY_LIMIT, server.settings.size_limit_bytes)), REPLY_LIMIT)
    except TransientError as unusable:
        return error or unusable
