"""The answer of SuperCat's order API: an object with exactly ``status``, ``error`` and ``data`` (page-supercat.txt).

All errors are ``BadAnswer`` and show nothing of an order, only its place in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from order_relay.errors import BadAnswer
from order_relay.orders.exchange import OfferedOrder
from order_relay.vendors.supercat.framing import Framer
from order_relay.vendors.supercat.strict_json import kind, read_object, read_order

MEMBERS = ("status", "error", "data")
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")


def read_envelope(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> Iterator[OfferedOrder]:
    """The orders of a streamed answer, one at a time. Only when the iterator has ended are they worth anything.

    ``max_order`` bounds one order (characters). ``hide`` are texts that no message may show. Raises ``BadAnswer``.
    """
    framer = Framer(max_order)
    for chunk in _checked_start(chunks):
        yield from framer.feed(chunk)
    yield from framer.feed(b"", last=True)
    data = check_members(read_object(framer.skeleton, "the answer"), hide)
    if not isinstance(data, list):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not an array")
    if len(data) != framer.elements:
        raise BadAnswer("the answer is not what is documented: an element of 'data' is not an object")


def read_single(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> OfferedOrder:
    """One order, bare or in the envelope (the page does not say which). Raises ``BadAnswer``."""
    order = read_order(read_whole(chunks, max_order), "the order")
    document = order.document
    if set(document) != set(MEMBERS):
        return order
    data = check_members(document, hide)
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not one order")
    return OfferedOrder(data, order.problem)


def read_whole(chunks: Iterable[bytes], limit: int) -> bytes:
    """A whole small answer. Raises ``BadAnswer`` where it is larger than ``limit`` bytes or no JSON object."""
    parts: list[bytes] = []
    size = 0
    for chunk in _checked_start(chunks):
        size += len(chunk)
        if size > limit:
            raise BadAnswer(f"the answer is larger than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)


def check_members(frame: Any, hide: tuple[str, ...] = ()) -> Any:
    """``data`` of an envelope that is well-formed and reports success. Raises ``BadAnswer``."""
    if not isinstance(frame, dict):
        raise BadAnswer(f"the answer is {kind(frame)}, not a JSON object")
    status = frame.get("status")
    if "status" in frame and not isinstance(status, str):
        raise BadAnswer(f"the answer is not what is documented: 'status' is {kind(status)}, not text")
    if isinstance(status, str) and status != "success":
        words = excerpt(frame.get("error"), hide)
        raise BadAnswer(f"the source reports a failure{': ' + words if words else ', without a message'}")
    missing = [name for name in MEMBERS if name not in frame]
    if missing:
        raise BadAnswer(f"the answer is not what is documented: {', '.join(missing)} missing")
    if len(frame) != len(MEMBERS):
        raise BadAnswer("the answer is not what is documented: it has members besides status, error and data")
    if frame["error"] not in (None, ""):
        raise BadAnswer("the answer contradicts itself: status 'success', and yet an error")
    return frame["data"]


def excerpt(message: Any, hide: tuple[str, ...] = (), limit: int = 200) -> str:
    """A vendor's message, bounded and on one line, without control characters and without what must be hidden."""
    if not isinstance(message, str):
        return ""
    for secret in filter(None, hide):
        message = message.replace(secret, "***")
    text = " ".join("".join(char if char.isprintable() else " " for char in message[: limit * 4]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _checked_start(chunks: Iterable[bytes]) -> Iterator[bytes]:
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
            raise BadAnswer("the answer is empty")
        _check_head(text)
        yield text


def _check_head(text: bytes) -> None:
    if text[:2] in _BOMS:
        raise BadAnswer("the answer is not UTF-8 (it looks like UTF-16 or UTF-32)")
    if text[:1] == b"<":
        raise BadAnswer("the answer is HTML or XML, not JSON; is the address right, and is no proxy in between?")
    if text[:1] != b"{":
        raise BadAnswer("the answer is not a JSON object")
