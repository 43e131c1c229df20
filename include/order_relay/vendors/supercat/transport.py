"""Single requests to SuperCat: status and headers are checked, the body is bounded.

Credentials are sent in the ``Authorization`` header only. Nothing is retried here, because SuperCat locks accounts
after failed logins (docs/vendors/supercat.md, "Connect").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from order_relay.errors import SourceAuthError, ThrottledError, TransientError
from order_relay.failpoints import failpoint
from order_relay.http.json.json_recovery import recover_body
from order_relay.http.reading.bodies import check_headers, excerpt, read_whole
from order_relay.http.reading.client import VendorClient
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


def post(server: VendorClient, client: httpx.Client, url: str, body: bytes) -> dict[str, Any]:
    """POST once. Returns ``data`` of the response, also of one with an error status: an entry for each order number.

    Raises ``TransientError`` if nothing was sent, ``OutcomeUnknownError`` if the request was sent and the response has
    no entries, ``SourceAuthError``, ``ConfigurationError`` and ``ThrottledError`` if the source refused the request.
    """
    stream = client.stream("POST", url, content=body, headers={"Content-Type": "application/json"})
    with failpoint("source POST"), server.writing("POST"), stream as response:
        error = None if response.status_code == 200 else STATUSES.error(server, response, read_body=False)
        if isinstance(error, SourceAuthError | ThrottledError):
            raise error
        try:
            check_headers(response)
            limit = min(REPLY_LIMIT, server.settings.size_limit_bytes)
            text = read_whole(server.body(response, limit), REPLY_LIMIT)
        except TransientError as unusable:
            raise error or unusable from None
        envelope: dict[str, Any] = recover_body(text, "the response").document
        entries = envelope.get("data")
        if not isinstance(entries, dict):
            message = excerpt(envelope.get("error"), server.hide)
            raise TransientError(
                f"HTTP {response.status_code} without entries{'; its message: ' + message if message else ''}"
            )
        return entries
