"""The answer of SuperCat's order API: an object with exactly ``status``, ``error`` and ``data`` (page-supercat.txt).

Everything is parsed by the standard library's ``json``, made strict: no duplicate keys, no NaN or Infinity, exact
fractions. All errors are ``BadAnswer`` and show nothing of an order, only its place in the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from order_relay.errors import BadAnswer
from order_relay.orders.exchange import OfferedOrder
from order_relay.vendors.supercat.framing import Framer

MEMBERS = ("status", "error", "data")
LONE_SURROGATE = "lone_surrogate"
"""Refusal code: half of a character pair, which is no character; U+FFFD stands in its place."""
NUMBER_UNUSABLE = "number_out_of_range"
"""Refusal code: a number too long or too large to compute with; it is kept as the text that was sent."""

MAX_DIGITS = 1000
MAX_EXPONENT = 1000

_HALVES = re.compile("[\ud800-\udfff]")
_MAY_HOLD_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")
_BOMS = (b"\xff\xfe", b"\xfe\xff", b"{\x00", b"\x00{")


class _NotStrictError(Exception):
    """What makes a text unacceptable although a lenient parser would take it."""


class _OddNumberError(Exception):
    """A number that is JSON but that nobody should compute with."""


def read_envelope(chunks: Iterable[bytes], *, max_order: int, hide: tuple[str, ...] = ()) -> Iterator[OfferedOrder]:
    """The orders of a streamed answer, one at a time. Only when the iterator has ended are they worth anything.

    ``max_order`` bounds one order (bytes). ``hide`` are texts that no message may show. Raises ``BadAnswer``.
    """
    framer = Framer(max_element=max_order)
    number = 0
    for chunk in _checked_start(chunks):
        for element in framer.feed(chunk):
            number += 1
            yield read_order(element, f"order {number} of the answer")
    frame = _strict(framer.finish(), "the answer")
    data = check_members(frame, hide)
    if not isinstance(data, list):
        raise BadAnswer(f"the answer is not what is documented: 'data' is {kind(data)}, not an array")
    if len(data) != number:
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
    """A whole small answer, its nesting and completeness checked. Raises ``BadAnswer``."""
    framer = Framer(max_element=limit, cut=False)
    for chunk in _checked_start(chunks):
        framer.feed(chunk)
    return framer.finish()


def read_object(text: bytes, where: str) -> dict[str, Any]:
    """One strictly parsed JSON object. Raises ``BadAnswer`` which says ``where``."""
    value = _strict(text, where)
    if not isinstance(value, dict):
        raise BadAnswer(f"{where} is {kind(value)}, not a JSON object")
    return value


def read_order(text: bytes, where: str) -> OfferedOrder:
    """One order, exactly as sent but for what no store can keep (half characters, absurd numbers: a ``problem``)."""
    problem = ""
    try:
        document = _parse(_EXACT, text, where)
    except _OddNumberError:
        document, problem = _parse(_NUMBERS_AS_TEXT, text, where), NUMBER_UNUSABLE
    if not isinstance(document, dict):
        raise BadAnswer(f"{where} is {kind(document)}, not a JSON object")
    if _MAY_HOLD_HALVES.search(text):
        whole = _whole_characters(document)
        if whole is not document:
            document, problem = whole, LONE_SURROGATE
    return OfferedOrder(document, problem)


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


def kind(value: Any) -> str:
    """The JSON type of a value, for messages."""
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


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


def _strict(text: bytes, where: str) -> Any:
    try:
        return _parse(_EXACT, text, where)
    except _OddNumberError:
        raise BadAnswer(f"{where} holds a number that is too long or too large") from None


def _parse(decoder: json.JSONDecoder, text: bytes, where: str) -> Any:
    try:
        return decoder.decode(text.decode())
    except UnicodeDecodeError:
        raise BadAnswer(f"{where} is not valid UTF-8") from None
    except _NotStrictError as error:
        raise BadAnswer(f"{where} {error}") from None
    except json.JSONDecodeError as error:
        raise BadAnswer(f"{where} is not valid JSON (at character {error.pos})") from None
    except ValueError:  # Python refuses to convert integers of thousands of digits
        raise _OddNumberError from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrictError("has a member twice")
    return members


def _no_constant(_name: str) -> Any:
    raise _NotStrictError("holds NaN or Infinity, which is not JSON")


def _fraction(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _OddNumberError from None
    if len(text) > MAX_DIGITS or abs(number.adjusted()) > MAX_EXPONENT:
        raise _OddNumberError
    return number


def _whole_or_text(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


def _fraction_or_text(text: str) -> Decimal | str:
    try:
        return _fraction(text)
    except _OddNumberError:
        return text


_EXACT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_fraction, parse_constant=_no_constant)
_NUMBERS_AS_TEXT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_fraction_or_text, parse_int=_whole_or_text, parse_constant=_no_constant
)


def _whole_characters(value: Any) -> Any:
    """``value`` with U+FFFD for every half character; the same object where there is none."""
    if isinstance(value, str):
        return _HALVES.sub("\ufffd", value) if _HALVES.search(value) else value
    if isinstance(value, list):
        items = [_whole_characters(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        return _whole_members(value)
    return value


def _whole_members(value: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, item in value.items():
        new_key = _whole_characters(key)
        while new_key in members:
            new_key += "\ufffd"
        members[new_key] = _whole_characters(item)
    same = len(members) == len(value) and all(k in members and members[k] is v for k, v in value.items())
    return value if same else members
