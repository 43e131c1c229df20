"""One request to SuperCat and the bytes of its answer: status and headers judged, size bounded, errors in our words.

Credentials travel in the ``Authorization`` header only. Nothing here retries: repeated failed logins lock the account.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

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
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.envelope import excerpt, read_whole
from order_relay.vendors.supercat.strict_json import read_object

REPLY_LIMIT = 4 << 20
"""Bytes of an answer that is read as a whole (acknowledgements, failures)."""
BLOCK = 1 << 17

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""What ends a request before its first byte is written."""

_JSON_TYPES = ("application/json", "text/json", "text/plain", "application/octet-stream", "")
"""The page states no content type; what could be JSON is let through to the strict parser."""
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii")


def open_client(settings: SuperCatSettings) -> httpx.Client:
    """An HTTP client for one account. It keeps connections but no cookies: every request is like the first."""
    return httpx.Client(
        auth=httpx.BasicAuth(settings.login, settings.password),
        headers={"User-Agent": "order-relay", "Accept": "application/json", "Accept-Encoding": "gzip, identity"},
        timeout=httpx.Timeout(settings.timeout_s, connect=min(settings.timeout_s, 15.0)),
        follow_redirects=False,
        trust_env=settings.trust_env,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


@contextmanager
def get(settings: SuperCatSettings, client: httpx.Client, url: str) -> Iterator[httpx.Response]:
    """GET once; the open answer, its status and headers already judged.

    Raises ``SourceRefused``, ``WrongSetup``, ``Throttled``, ``BadAnswer``, ``RetryLater``.
    """
    with crossing("source GET"), reading(settings), client.stream("GET", url) as response:
        if response.status_code != 200:
            raise status_error(settings, response)
        check_headers(response)
        yield response


@contextmanager
def reading(settings: SuperCatSettings) -> Iterator[None]:
    """Turn what may happen on the wire while reading into our errors."""
    try:
        yield
    except NOT_SENT as error:
        raise RetryLater(f"SuperCat at {settings.base_url} can not be reached ({type(error).__name__})") from None
    except httpx.TimeoutException as error:
        raise RetryLater(f"SuperCat was silent for {settings.timeout_s:g} s ({type(error).__name__})") from None
    except httpx.RemoteProtocolError:
        raise BadAnswer("the answer is cut off: the connection was closed before its end, or it is not HTTP") from None
    except httpx.TransportError as error:
        raise BadAnswer(f"the answer is cut off: the connection broke ({type(error).__name__})") from None


@crossing("source POST")
def post(
    settings: SuperCatSettings, client: httpx.Client, url: str, body: bytes
) -> tuple[int, bytes | OrderRelayError]:
    """POST once: the status, and the answer's body or the error that says why it can not be used.

    Raises ``RetryLater`` where the request provably was not sent, ``OutcomeUnknown`` where it was sent and no complete
    answer came, ``SourceRefused`` and ``Throttled`` where the source refused it.
    """
    headers = {"Content-Type": "application/json"}
    try:
        with client.stream("POST", url, content=body, headers=headers) as response:
            error = None if response.status_code == 200 else status_error(settings, response, with_words=False)
            if isinstance(error, SourceRefused | Throttled):
                raise error
            return response.status_code, _reply(settings, response) if error is None else _either(
                settings, response, error
            )
    except NOT_SENT as error:
        raise RetryLater(f"SuperCat at {settings.base_url} can not be reached ({type(error).__name__})") from None
    except httpx.TransportError as error:
        raise OutcomeUnknown(f"acknowledgement sent, but no complete answer came ({type(error).__name__})") from None


def _reply(settings: SuperCatSettings, response: httpx.Response) -> bytes | OrderRelayError:
    try:
        check_headers(response)
        return read_whole(body_of(settings, response, min(REPLY_LIMIT, settings.size_limit_bytes)), REPLY_LIMIT)
    except RetryLater as error:
        return error


def _either(settings: SuperCatSettings, response: httpx.Response, error: OrderRelayError) -> bytes | OrderRelayError:
    """The body where it can be read (a failure may still answer for each order), else the error of the status."""
    try:
        check_headers(response)
        return read_whole(body_of(settings, response, REPLY_LIMIT), REPLY_LIMIT)
    except RetryLater:
        return error


def body_of(settings: SuperCatSettings, response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The decompressed body in blocks of bounded size.

    Raises ``BadAnswer`` where it is too large or cut off, ``RetryLater`` where it trickles for too long.
    """
    deadline = time.monotonic() + settings.download_s
    blocks = _inflate(response) if _is_gzip(response) else response.iter_raw()
    total = 0
    for block in blocks:
        if time.monotonic() > deadline:
            raise RetryLater(f"SuperCat's answer was not complete after {settings.download_s:g} s")
        total += len(block)
        if total > limit:
            raise BadAnswer(f"the answer is larger than {limit} bytes; see size_limit_bytes of the connection")
        yield block


def _inflate(response: httpx.Response) -> Iterator[bytes]:
    """Our own decompression: the library's would inflate a whole network block at once, however large it becomes."""
    unzip = zlib.decompressobj(31)
    try:
        for packed in response.iter_raw():
            rest = packed
            while rest:
                yield unzip.decompress(rest, BLOCK)
                rest = unzip.unconsumed_tail
            if unzip.unused_data:
                raise BadAnswer("the answer is not valid gzip: data follow its end")
        yield unzip.flush()
    except zlib.error:
        raise BadAnswer("the answer is not valid gzip") from None
    if not unzip.eof:
        raise BadAnswer("the answer is cut off: its gzip data end too early")


def _is_gzip(response: httpx.Response) -> bool:
    return response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")


def check_headers(response: httpx.Response) -> None:
    """Raises ``BadAnswer`` unless the headers announce something that can be JSON in UTF-8."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise BadAnswer(f"the answer is compressed as {excerpt(encoding, limit=40)!r}, which was not asked for")
    media, _, parameters = response.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media in ("text/html", "application/xhtml+xml"):
        raise BadAnswer("the answer is HTML, not JSON; is the address right, and is no proxy in between?")
    if media not in _JSON_TYPES and not media.endswith("+json"):
        raise BadAnswer(f"the answer is of type {excerpt(media, limit=60)!r}, not JSON")
    charset = next((p.split("=", 1)[1] for p in parameters.split(";") if p.strip().lower().startswith("charset=")), "")
    if charset.strip().strip('"').lower() not in _UTF8:
        raise BadAnswer(f"the answer is in charset {excerpt(charset, limit=40)!r}; JSON must be UTF-8")


def status_error(settings: SuperCatSettings, response: httpx.Response, *, with_words: bool = True) -> OrderRelayError:
    """The error that a status other than 200 means; with the source's own short message where it gives one."""
    status = response.status_code
    if status in (401, 403):
        return SourceRefused(
            f"SuperCat refused login or organisation (HTTP {status}); not tried again, since failed logins lock the "
            "account: mend the connection"
        )
    if status == 429:
        return Throttled("SuperCat asked us to slow down (HTTP 429)", retry_after(response.headers.get("retry-after")))
    words = _failure_words(settings, response) if with_words else ""
    if status in (404, 405) or 300 <= status < 400:
        return WrongSetup(f"SuperCat answered HTTP {status}: is base URL, organisation or order id wrong?{words}")
    if status >= 500 or status == 408:
        return RetryLater(f"SuperCat answered HTTP {status}{words}")
    return BadAnswer(f"SuperCat answered HTTP {status}, which is not documented{words}")


def _failure_words(settings: SuperCatSettings, response: httpx.Response) -> str:
    """The ``error`` member of a failure's body, if it has one. Never fails: the status alone says enough."""
    try:
        text = read_whole(body_of(settings, response, 1 << 16), 1 << 16)
        words = excerpt(read_object(text, "the answer").get("error"), (settings.password, settings.login))
    except (RetryLater, httpx.HTTPError):
        return ""
    return f"; it says: {words}" if words else ""


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a number or an HTTP date; ``None`` where the header says nothing usable."""
    if value is None:
        return None
    if value.strip().isdecimal() and len(value) < 10:
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
