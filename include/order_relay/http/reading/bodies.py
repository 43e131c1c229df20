"""Response bodies: header checks, bounded reading and decompression, and a first check for a JSON object."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from order_relay.errors import MalformedResponseError
from order_relay.http.auth.credentials import without_secrets

BLOCK_BYTES = 1 << 17
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{", b"[\x00", b"\x00[")
_UTF8_MARK = b"\xef\xbb\xbf"
_JSON_TYPES = ("application/json", "text/json", "text/plain", "application/octet-stream", "")
"""No vendor documents a content type: everything that could be JSON is passed to the strict parser."""
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii")


def inflate(response: httpx.Response) -> Iterator[bytes]:
    """Decompress in blocks of bounded size. httpx itself would inflate each network block to any size.

    Raises ``MalformedResponseError`` if the body is not gzip or is truncated.
    """
    unzip = zlib.decompressobj(31)
    try:
        for packed in response.iter_raw():
            rest = packed
            while rest:
                yield unzip.decompress(rest, BLOCK_BYTES)
                rest = unzip.unconsumed_tail
            if unzip.unused_data:
                raise MalformedResponseError("the response is not valid gzip: data follows its end")
        yield unzip.flush()
    except zlib.error:
        raise MalformedResponseError("the response is not valid gzip") from None
    if not unzip.eof:
        raise MalformedResponseError("the response is truncated: its gzip data ends early")


def is_gzip(response: httpx.Response) -> bool:
    """Whether the body is compressed."""
    return response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")


def check_headers(response: httpx.Response) -> None:
    """Raise ``MalformedResponseError`` unless the headers allow for JSON in UTF-8."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise MalformedResponseError(
            f"the response is compressed as {excerpt(encoding, limit=40)!r}, which was not requested"
        )
    media, _, parameters = response.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media in ("text/html", "application/xhtml+xml"):
        raise MalformedResponseError("the response is HTML, not JSON: check the URL, and whether a proxy answered")
    if media not in _JSON_TYPES and not media.endswith("+json"):
        raise MalformedResponseError(f"the response is of type {excerpt(media, limit=60)!r}, not JSON")
    charset = next((p.split("=", 1)[1] for p in parameters.split(";") if p.strip().lower().startswith("charset=")), "")
    if charset.strip().strip('"').lower() not in _UTF8:
        raise MalformedResponseError(f"the response is in charset {excerpt(charset, limit=40)!r}; JSON must be UTF-8")


def read_whole(chunks: Iterable[bytes], limit: int, opening: bytes = b"{") -> bytes:
    """A small response as a whole.

    Raises ``MalformedResponseError`` if it is larger than ``limit`` bytes or does not begin with a character of
    ``opening``: a JSON object, or also a list.
    """
    parts: list[bytes] = []
    size = 0
    for chunk in checked_start(chunks, opening):
        size += len(chunk)
        if size > limit:
            raise MalformedResponseError(f"the response is larger than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def excerpt(message: Any, hide: tuple[str, ...] = (), limit: int = 200) -> str:
    """A vendor's message on one line, bounded, without control characters and without the texts in ``hide``."""
    if not isinstance(message, str):
        return ""
    message = without_secrets(message, hide)
    text = " ".join("".join(char if char.isprintable() else " " for char in message[: limit * 4]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def checked_start(chunks: Iterable[bytes], opening: bytes = b"{") -> Iterator[bytes]:
    """The chunks, once their first bytes can begin a JSON object (or list) in UTF-8.

    Raises ``MalformedResponseError``.
    """
    head = b""
    started = False
    for chunk in chunks:
        if started:
            yield chunk
            continue
        head += chunk
        text = head.removeprefix(_UTF8_MARK).lstrip(b" \t\r\n")
        if (len(text) < 2 or len(head) < len(_UTF8_MARK)) and len(head) < 65536:
            continue
        _check_head(text, opening)
        started = True
        yield text
    if not started:
        text = head.strip(b" \t\r\n")
        if not text:
            raise MalformedResponseError("the response is empty")
        _check_head(text, opening)
        yield text


def _check_head(text: bytes, opening: bytes) -> None:
    if text[:2] in _BOMS:
        raise MalformedResponseError("the response is not UTF-8 (it looks like UTF-16 or UTF-32)")
    if text[:1] == b"<":
        raise MalformedResponseError(
            "the response is HTML or XML, not JSON: check the URL, and whether a proxy answered"
        )
    if not text or text[0] not in opening:
        kinds = {b"{": "a JSON object", b"[": "a JSON array"}.get(opening, "a JSON object or array")
        raise MalformedResponseError(f"the response is not {kinds}")
