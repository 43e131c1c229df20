"""Strict JSON on top of the standard library's parser, also for text of which more is to arrive.

No duplicate keys, no NaN or Infinity, exact fractions, bounded nesting. All errors are ``MalformedResponseError``;
their messages contain positions but nothing of the text.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from order_relay.errors import MalformedResponseError
from order_relay.orders.messages import SourceOrder

LONE_SURROGATE = "lone_surrogate"
"""Issue code: a lone UTF-16 surrogate; it is replaced by U+FFFD."""
NUMBER_OUT_OF_RANGE = "number_out_of_range"
"""Issue code: a number that is too long or too large to compute with; it is kept as text."""

MAX_DEPTH = 64
"""Orders nest four or five levels deep; more than this is an attack or a defect."""
MAX_DIGITS = 1000
MAX_EXPONENT = 1000

_TAIL = 16
"""An error this close to the end may be caused by a truncated token (``-Infinity`` is the longest)."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _NotStrictError(Exception):
    """Text that a lenient parser would accept."""


class _UnusableNumberError(Exception):
    """A number that is valid JSON but too long or too large to compute with."""


def next_order(text: str, start: int, where: str, *, last: bool) -> tuple[SourceOrder, int] | None:
    """The order that begins at ``start`` and its end, or ``None`` if more text is needed (never if ``last``).

    Values that no store can keep (lone surrogates, absurd numbers) are replaced and reported in ``problem``.
    ``where`` names the order in messages.
    """
    problem = ""
    try:
        found = _scan(_EXACT, text, start, where, last=last)
    except _UnusableNumberError:
        found, problem = _scan(_NUMBERS_AS_TEXT, text, start, where, last=last), NUMBER_OUT_OF_RANGE
    if found is None:
        return None
    document, end = found
    if text.find("\\u", start, end) >= 0 and _ESCAPED_SURROGATE.search(text, start, end):
        whole = replace_lone_surrogates(document)
        if whole is not document:
            document, problem = whole, LONE_SURROGATE
    return SourceOrder(document, problem), end


def read_value(text: bytes, where: str) -> SourceOrder:
    """The text as one JSON value of any type."""
    decoded = _decoded(text, where)
    start = len(decoded) - len(decoded.lstrip(" \t\r\n"))
    order, end = next_order(decoded, start, where, last=True) or (SourceOrder(None), 0)
    if decoded[end:].strip(" \t\r\n"):
        raise MalformedResponseError(f"{where} is not valid JSON (at character {end})")
    return order


def read_order(text: bytes, where: str) -> SourceOrder:
    """The text as one order."""
    order = read_value(text, where)
    if not isinstance(order.document, dict):
        raise MalformedResponseError(f"{where} is {json_type(order.document)}, not a JSON object")
    return order


def read_object(text: bytes, where: str) -> dict[str, Any]:
    """The text as one JSON object."""
    order = read_order(text, where)
    if order.problem == NUMBER_OUT_OF_RANGE:
        raise MalformedResponseError(f"{where} holds a number that is too long or too large")
    document: dict[str, Any] = order.document
    return document


def json_type(value: Any) -> str:
    """The JSON type of a value, for messages."""
    names = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def too_deep(where: str) -> MalformedResponseError:
    """The error for text that nests too deeply."""
    return MalformedResponseError(f"{where} nests deeper than {MAX_DEPTH} levels")


def truncated(where: str) -> MalformedResponseError:
    """The error for truncated text."""
    return MalformedResponseError(f"{where} is truncated: it ends inside the JSON text")


def _decoded(text: bytes, where: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise MalformedResponseError(f"{where} is not valid UTF-8") from None


def _scan(decoder: json.JSONDecoder, text: str, start: int, where: str, *, last: bool) -> tuple[Any, int] | None:
    try:
        document, end = decoder.raw_decode(text, start)
    except _NotStrictError as error:
        raise MalformedResponseError(f"{where} {error}") from None
    except RecursionError:
        raise too_deep(where) from None
    except json.JSONDecodeError as error:
        if not last and _may_be_incomplete(error, text):
            return None
        if last and _is_cut(error, text):
            raise truncated(where) from None
        raise MalformedResponseError(f"{where} is not valid JSON (at its character {error.pos - start})") from None
    except ValueError:  # Python refuses to convert integers of thousands of digits
        raise _UnusableNumberError from None
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH and depth_of(document) > MAX_DEPTH:
        raise too_deep(where)
    return document, end


def _may_be_incomplete(error: json.JSONDecodeError, text: str) -> bool:
    return error.pos >= len(text) - _TAIL or error.msg.startswith("Unterminated string")


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether a complete text ended too early. Only affects the message."""
    whole = text.rstrip(" \t\r\n")
    return _may_be_incomplete(error, whole) and (error.pos >= len(whole) or not whole.endswith(("}", "]")))


def depth_of(document: Any) -> int:
    """How deeply objects and arrays are nested."""
    deepest, level = 0, [document]
    while level := [item for item in level if isinstance(item, dict | list)]:
        deepest += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrictError("has a duplicate member")
    return members


def _no_constant(_name: str) -> Any:
    raise _NotStrictError("holds NaN or Infinity, which is not JSON")


def _fraction(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise _UnusableNumberError
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _UnusableNumberError from None
    if ("e" in text or "E" in text) and abs(number.adjusted()) > MAX_EXPONENT:
        raise _UnusableNumberError
    return number


def integer_or_text(text: str) -> int | str:
    """A whole number, or its text if it is too long to compute with."""
    return int(text) if len(text) <= MAX_DIGITS else text


def fraction_or_text(text: str) -> Decimal | str:
    """A fraction, or its text if it is too long or too large to compute with."""
    try:
        return _fraction(text)
    except _UnusableNumberError:
        return text


_EXACT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_fraction, parse_constant=_no_constant)
_NUMBERS_AS_TEXT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=fraction_or_text, parse_int=integer_or_text, parse_constant=_no_constant
)


def replace_lone_surrogates(value: Any) -> Any:
    """``value`` with U+FFFD for each lone surrogate; the same object if there is none."""
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value) if _SURROGATES.search(value) else value
    if isinstance(value, list):
        items = [replace_lone_surrogates(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        return _replace_in_members(value)
    return value


def _replace_in_members(value: dict[str, Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, item in value.items():
        new_key = replace_lone_surrogates(key)
        while new_key in members:
            new_key += "\ufffd"
        members[new_key] = replace_lone_surrogates(item)
    same = all(k in members and members[k] is v for k, v in value.items())
    return value if same else members
