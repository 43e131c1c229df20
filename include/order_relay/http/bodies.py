"""The bytes of an answer: its headers judged, its size bounded, and whether it can be a JSON object at all."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from order_relay.errors import MalformedResponseError

BLOCK_BYTES = 1 << 17
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")
_JSON_TYPES = ("application/json", "text/json", "text/plain", "application/octet-stream", "")
"""Vendors' pages state no content type; what could be JSON is let through to the strict parser."""
_UTF8 = ("", "utf-8", "utf8", "us-ascii", "ascii")


def inflate(response: httpx.Response) -> Iterator[bytes]:
    """Decompress in blocks of bounded size; the library's own way would inflate a network block however large it gets.

    Raises ``MalformedResponseError`` where it is not gzip, or cut off.
    """
    unzip = zlib.decompressobj(31)
    try:
        for packed in response.iter_raw():
            rest = packed
            while rest:
                yield unzip.decompress(rest, BLOCK_BYTES)
                rest = unzip.unconsumed_tail
            if unzip.unused_data:
                raise MalformedResponseError("the answer is not valid gzip: data follow its end")
        yield unzip.flush()
    except zlib.error:
        raise MalformedResponseError("the answer is not valid gzip") from None
    if not unzip.eof:
        raise MalformedResponseError("the answer is cut off: its gzip data end too early")


def is_gzip(response: httpx.Response) -> bool:
    """Whether the body is compressed."""
    return response.headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip")


def check_headers(response: httpx.Response) -> None:
    """Raises ``MalformedResponseError`` unless the headers announce something that can be JSON in UTF-8."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise MalformedResponseError(
            f"the answer is compressed as {excerpt(encoding, limit=40)!r}, which was not asked for"
        )
    media, _, parameters = response.headers.get("content-type", "").partition(";")
    media = media.strip().lower()
    if media in ("text/html", "application/xhtml+xml"):
        raise MalformedResponseError("the answer is HTML, not JSON; is the address right, and is no proxy in between?")
    if media not in _JSON_TYPES and not media.endswith("+json"):
        raise MalformedResponseError(f"the answer is of type {excerpt(media, limit=60)!r}, not JSON")
    charset = next((p.split("=", 1)[1] for p in parameters.split(";") if p.strip().lower().startswith("charset=")), "")
    if charset.strip().strip('"').lower() not in _UTF8:
        raise MalformedResponseError(f"the answer is in charset {excerpt(charset, limit=40)!r}; JSON must be UTF-8")


def read_whole(chunks: Iterable[bytes], limit: int) -> bytes:
    """A whole small answer. Raises ``MalformedResponseError`` where it is larger than ``limit`` bytes or no JSON
    object.
    """
    parts: list[bytes] = []
    size = 0
    for chunk in checked_start(chunks):
        size += len(chunk)
        if size > limit:
            raise MalformedResponseError(f"the answer is larger than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def excerpt(message: Any, hide: tuple[str, ...] = (), limit: int = 200) -> str:
    """A vendor's message, bounded and on one line, without control characters and without what must be hidden."""
    if not isinstance(message, str):
        return ""
    for secret in filter(None, hide):
        message = message.replace(secret, "***")
    text = " ".join("".join(char if char.isprintable() else " " for char in message[: limit * 4]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def checked_start(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, as soon as the first bytes show that they can be a JSON object in UTF-8."""
    head = b""
    started = False
    for chunk in chunks:
        if started:
            yield chunk
            continue
        head += chunk
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
        if len(text) < 2 and len(head) < 65536:
            continue
        _check_head(text)
        started = True
        yield text
    if not started:
        text = head.strip(b" \t\r\n")
        if not text:
            raise MalformedResponseError("the answer is empty")
        _check_head(text)
        yield text


def _check_head(text: bytes) -> None:
    if text[:2] in _BOMS:
        raise MalformedResponseError("the answer is not UTF-8 (it looks like UTF-16 or UTF-32)")
    if text[:1] == b"<":
        raise MalformedResponseError(
            "the answer is HTML or XML, not JSON; is the address right, and is no proxy in between?"
        )
    if text[:1] != b"{":
        raise MalformedResponseError("the answer is not a JSON object")
