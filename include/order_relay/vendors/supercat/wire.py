"""One request to SuperCat and the bytes of its answer: status and headers judged, size bounded, errors in our words.

Credentials travel in the ``Authorization`` header only. Nothing here retries: repeated failed logins lock the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
from order_relay.web.bodies import check_headers, read_whole
from order_relay.web.peer import NOT_SENT, Peer
from order_relay.web.retry_after import retry_after_s

REPLY_LIMIT = 4 << 20
"""Bytes of an answer that is read as a whole (acknowledgements, failures)."""


@contextmanager
def get(peer: Peer, client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """GET once; the open answer, its status and headers already judged.

    Raises ``SourceRefused``, ``WrongSetup``, ``Throttled``, ``BadAnswer``, ``RetryLater``.
    """
    with crossing("source GET"), peer.reading(), client.stream("GET", url) as response:
        if response.status_code != 200:
            raise status_error(peer, response)
        check_headers(response)
        yield response


@crossing("source POST")
def post(peer: Peer, client: httpx.Client, url: str, body: bytes) -> tuple[int, bytes | OrderRelayError]:
    """POST once: the status, and the answer's body or the error that says why it can not be used.

    Raises ``RetryLater`` where the request provably was not sent, ``OutcomeUnknown`` where it was sent and no complete
    answer came, ``SourceRefused`` and ``Throttled`` where the source refused it.
    """
    headers = {"Content-Type": "application/json"}
    try:
        with client.stream("POST", url, content=body, headers=headers) as response:
            error = None if response.status_code == 200 else status_error(peer, response, with_words=False)
            if isinstance(error, SourceRefused | Throttled):
                raise error
            return response.status_code, _reply(peer, response) if error is None else _either(peer, response, error)
    except NOT_SENT as error:
        raise peer.out_of_reach(error) from None
    except httpx.TransportError as error:
        raise OutcomeUnknown(f"acknowledgement sent, but no complete answer came ({type(error).__name__})") from None


def _reply(peer: Peer, response: httpx.Response) -> bytes | OrderRelayError:
    try:
        check_headers(response)
        return read_whole(peer.body(response, min(REPLY_LIMIT, peer.size_limit_bytes)), REPLY_LIMIT)
    except RetryLater as error:
        return error


def _either(peer: Peer, response: httpx.Response, error: OrderRelayError) -> bytes | OrderRelayError:
    """The body where it can be read (a failure may still answer for each order), else the error of the status."""
    try:
        check_headers(response)
        return read_whole(peer.body(response, REPLY_LIMIT), REPLY_LIMIT)
    except RetryLater:
        return error


def status_error(peer: Peer, response: httpx.Response, *, with_words: bool = True) -> OrderRelayError:
    """The error that a status other than 200 means; with the source's own short message where it gives one."""
    status = response.status_code
    if status in (401, 403):
        return SourceRefused(
            f"SuperCat refused login or organisation (HTTP {status}); not tried again, since failed logins lock the "
            "account: mend the connection"
        )
    if status == 429:
        return Throttled("SuperCat asked us to slow down (HTTP 429)", retry_after_s(response.headers))
    words = peer.failure_words(response, "error") if with_words else ""
    if status in (404, 405) or 300 <= status < 400:
        return WrongSetup(f"SuperCat answered HTTP {status}: is base URL, organisation or order id wrong?{words}")
    if status >= 500 or status == 408:
        return RetryLater(f"SuperCat answered HTTP {status}{words}")
    return BadAnswer(f"SuperCat answered HTTP {status}, which is not documented{words}")
