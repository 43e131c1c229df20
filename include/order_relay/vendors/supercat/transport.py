"""One request to SuperCat and the bytes of its answer: status and headers judged, size bounded, errors in our words.

Credentials travel in the ``CloudSuiteAuthorization`` header only. Nothing here retries: repeated failed logins lock the
account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
from order_relay.http.client import NOT_SENT_ERRORS, VendorClient
from order_relay.http.retry_after import retry_after_s

REPLY_LIMIT = 4 << 20
"""Bytes of an answer that is read as a whole (acknowledgements, failures)."""


@contextmanager
def get(peer: VendorClient, client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """GET once; the open answer, its status and headers already judged.

    Raises ``SourceAuthError``, ``ConfigurationError``, ``ThrottledError``, ``MalformedResponseError``,
    ``TransientError``.
    """
    with failpoint("source GET"), peer.reading(), client.stream("GET", url) as response:
        if response.status_code != 200:
            raise status_error(peer, response)
        check_headers(response)
        yield response


@failpoint("source POST")
def post(peer: VendorClient, client: httpx.Client, url: str, body: bytes) -> tuple[int, bytes | OrderRelayError]:
    """POST once: the status, and the answer's body or the error that says why it can not be used.

    Raises ``TransientError`` where the request provably was not sent, ``OutcomeUnknownError`` where it was sent and no
    complete
    answer came, ``SourceAuthError`` and ``ThrottledError`` where the source refused it.
    """
    headers = {"Content-Type": "application/json"}
    try:
        with client.stream("POST", url, content=body, headers=headers) as response:
            error = None if response.status_code == 200 else status_error(peer, response, with_words=False)
            if isinstance(error, SourceAuthError | ThrottledError):
                raise error
            return response.status_code, _reply(peer, response) if error is None else _refusal_or_unknown(
                peer, response, error
            )
    except NOT_SENT_ERRORS as error:
        raise peer.unreachable_error(error) from None
    except httpx.TransportError as error:
        raise OutcomeUnknownError(
            f"acknowledgement sent, but no complete answer came ({type(error).__name__})"
        ) from None


def _reply(peer: VendorClient, response: httpx.Response) -> bytes | OrderRelayError:
    try:
        check_headers(response)
        return read_whole(peer.body(response, min(REPLY_LIMIT, peer.size_limit_bytes)), REPLY_LIMIT)
    except TransientError as error:
        return error


def _refusal_or_unknown(
    peer: VendorClient, response: httpx.Response, error: OrderRelayError
) -> bytes | OrderRelayError:
    """The body where it can be read (a failure may still answer for each order), else the error of the status."""
    try:
        check_headers(response)
        return read_whole(peer.body(response, REPLY_LIMIT), REPLY_LIMIT)
    except TransientError:
        return error


def status_error(peer: VendorClient, response: httpx.Response, *, with_words: bool = True) -> OrderRelayError:
    """The error that a status other than 200 means; with the source's own short message where it gives one."""
    status = response.status_code
    if status in (401, 403):
        return SourceAuthError(
            f"SuperCat refused login or organisation (HTTP {status}); not tried again, since failed logins lock the "
            "account: mend the connection"
        )
    if status == 429:
        return ThrottledError("SuperCat asked us to slow down (HTTP 429)", retry_after_s(response.headers))
    words = peer.error_excerpt(response, "error") if with_words else ""
    if status in (404, 405) or 300 <= status < 400:
        return ConfigurationError(
            f"SuperCat answered HTTP {status}: is base URL, organisation or order id wrong?{words}"
        )
    if status >= 500 or status == 408:
        return TransientError(f"SuperCat answered HTTP {status}{words}")
    return MalformedResponseError(f"SuperCat answered HTTP {status}, which is not documented{words}")
