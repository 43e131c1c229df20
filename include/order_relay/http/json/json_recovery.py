"""Salvages a JSON object that the strict parser refuses: its end, its defects, and its readable members.

One bad record must not affect the others. Its end is found by brackets and quotes alone. Unambiguous members are kept,
so that the record can be identified; others are omitted: duplicate keys with different values, NaN, deep nesting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from order_relay.errors import MalformedResponseError, ValidationIssue
from order_relay.http.json.strict_json import (
    MAX_DEPTH,
    depth_of,
    fraction_or_text,
    integer_or_text,
    read_order,
    replace_lone_surrogates,
)
from order_relay.orders.messages import SourceOrder
from order_relay.orders.schema import malformed
from order_relay.orders.schema.validator import field_name, pointer

MAX_ISSUES = 50
_BAD_BYTES = re.compile("[\udc80-\udcff]")
_PLAIN = re.compile(r'[^"{}\[\]]*+')
_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SPACE = " \t\r\n"


class ObjectScanner:
    """Finds the end of an object by its brackets and quotes, in text that arrives in pieces."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._in_string = False

    def find(self, text: str, at: int) -> tuple[int, bool]:
        """Continue at ``at``. Returns the position reached, and whether the object ends there.

        A bracket closed by one of another kind counts as closed.
        """
        while at < len(text):
            if self._in_string:
                at = _end(_STRING, text, at)
                if at == len(text) or text[at] != '"':  # a backslash whose escaped character has not arrived
                    return at, False
                self._in_string = False
                at += 1
                continue
            at = _end(_PLAIN, text, at)
            if at == len(text):
                return at, False
            char = text[at]
            at += 1
            if char == '"':
                self._in_string = True
            elif char in "{[":
                self._open.append(ord(char))
            elif self._closed(b"{" if char == "}" else b"["):
                return at, True
        return at, False

    def _closed(self, opening: bytes) -> bool:
        found = self._open.rfind(opening)
        if found >= 0:
            del self._open[found:]
        return not self._open


def end_of(text: str, start: int) -> int | None:
    """The end of the object that begins at ``start``, or ``None``."""
    end, found = ObjectScanner().find(text, start)
    return end if found else None


def recover_order(text: str, where: str, *, too_large: int = 0) -> SourceOrder:
    """The record in this text, as far as it is readable, with all its issues.

    ``where`` names its position in the response. ``too_large`` is the exceeded limit; ``text`` is then the beginning
    of the record. ``text`` holds bytes that are not UTF-8 as surrogates (error handler ``surrogateescape``).
    """
    issues: list[ValidationIssue] = []
    if too_large:
        message = f"the order is larger than {too_large} characters; see order_limit_bytes of the connection"
        document, issues = _leading(text), [ValidationIssue(malformed.TOO_LARGE, "", message)]
    else:
        document = _members(text, issues)
    document = replace_lone_surrogates(_MemberCheck(issues, text).members(document))
    if not issues:  # accepted here, although the strict parser refused it
        issues.append(ValidationIssue(malformed.NOT_JSON, "", "the order is not valid JSON"))
    found = issues[:MAX_ISSUES]
    return SourceOrder(document, found[0].code, issues=tuple(found), text=replace_bad_bytes(text), where=where)


def recover_body(body: bytes, where: str) -> SourceOrder:
    """The body as one JSON object, as far as it is readable. Raises ``MalformedResponseError`` if it is truncated."""
    try:
        return read_order(body, where)
    except MalformedResponseError:
        text = body.decode("utf-8", "surrogateescape").strip(_SPACE)
        if not text.startswith("{") or end_of(text, 0) != len(text):
            raise
    return recover_order(text, where)


def replace_bad_bytes(text: str) -> str:
    """``text`` with bytes that are not UTF-8 written as ``\\xNN``, so that any store can keep it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _DuplicateValue:
    """The values of a duplicate key."""

    def __init__(self, value: Any, *, same: bool) -> None:
        self.value, self.same = value, same


class _NotANumber:
    """Placeholder for NaN or Infinity."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            before = members[name]
            same = before.same if isinstance(before, _DuplicateValue) else True
            known = before.value if isinstance(before, _DuplicateValue) else before
            members[name] = _DuplicateValue(known, same=same and _equal(known, value))
        else:
            members[name] = value
    return members


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict | list):
        return type(one) is type(other) and max(depth_of(one), depth_of(other)) < MAX_DEPTH and bool(one == other)
    return type(one) is type(other) and bool(one == other)


_STRICT_TEXTS = json.JSONDecoder()
_LENIENT = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_float=fraction_or_text,
    parse_int=integer_or_text,
    parse_constant=lambda _: _NotANumber(),
    strict=False,
)


def _members(text: str, issues: list[ValidationIssue]) -> dict[str, Any]:
    start = _skip(text, 0)
    try:
        document, end = _LENIENT.raw_decode(text, start)
        _find_control_character(text, start, issues)
    except json.JSONDecodeError as error:
        message = f"the order is not valid JSON (at its character {error.pos})"
        issues.append(ValidationIssue(malformed.NOT_JSON, "", message))
        return _leading(text)
    except (RecursionError, ValueError):
        document, end = _OMITTED, len(text)
    if document is _OMITTED or depth_of(document) > MAX_DEPTH:
        message = f"the order is nested deeper than {MAX_DEPTH} levels"
        issues.append(ValidationIssue(malformed.TOO_DEEP, "", message))
        return _leading(text)
    if not isinstance(document, dict):
        issues.append(ValidationIssue(malformed.NOT_AN_OBJECT, "", "the order is not a JSON object"))
        return {}
    if text[end:].strip(_SPACE):
        message = f"the order is not valid JSON (at its character {end})"
        issues.append(ValidationIssue(malformed.NOT_JSON, "", message))
    return document


def _find_control_character(text: str, start: int, issues: list[ValidationIssue]) -> None:
    try:
        _STRICT_TEXTS.raw_decode(text, start)
    except json.JSONDecodeError as error:
        message = f"the order contains an unescaped control character or line break (at its character {error.pos})"
        issues.append(ValidationIssue(malformed.CONTROL_CHARACTER, "", message))


def _leading(text: str) -> dict[str, Any]:
    """The members of an object up to the first that cannot be read."""
    members = []
    for name, value in _pairs_before_error(text):
        if depth_of(value) < MAX_DEPTH:
            members.append((name, value))
    return _pairs(members)


def _pairs_before_error(text: str) -> Iterator[tuple[str, Any]]:
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        return
    separator = True
    at = _skip(text, at + 1)
    while separator and text[at : at + 1] == '"':
        try:
            name, at = _LENIENT.raw_decode(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                return
            value, at = _LENIENT.raw_decode(text, _skip(text, at + 1))
        except (ValueError, RecursionError):
            return
        at = _skip(text, at)
        separator = text[at : at + 1] == ","
        if not separator and text[at : at + 1] != "}":
            return  # a number may be the beginning of a longer one
        yield name, value
        at = _skip(text, at + 1)


class _MemberCheck:
    """Removes ambiguous values from a document and records an issue for each."""

    def __init__(self, issues: list[ValidationIssue], text: str) -> None:
        self._issues = issues
        self._bad_bytes = _BAD_BYTES.search(text) is not None

    def members(self, document: dict[str, Any], path: tuple[str | int, ...] = ()) -> dict[str, Any]:
        """The readable members of an object."""
        members = ((name, self._member(name, member, path)) for name, member in document.items())
        return {name: member for name, member in members if member is not _OMITTED}

    def _member(self, name: str, value: Any, path: tuple[str | int, ...]) -> Any:
        pointer_path = (*path, name)
        self._text(name, pointer_path)
        if isinstance(value, _DuplicateValue):
            message = "is a duplicate key" + ("" if value.same else " with different values")
            self._add(malformed.DUPLICATE_KEY, pointer_path, message)
            return self._value(value.value, pointer_path) if value.same else _OMITTED
        return self._value(value, pointer_path)

    def _value(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return self.members(value, path)
        if isinstance(value, list):
            items = [self._value(item, (*path, index)) for index, item in enumerate(value)]
            return [None if item is _OMITTED else item for item in items]
        if isinstance(value, _NotANumber):
            self._add(malformed.NOT_A_NUMBER, path, "is NaN or Infinity, which is not a JSON number")
            return _OMITTED
        if isinstance(value, str):
            self._text(value, path)
        return value

    def _text(self, text: str, path: tuple[str | int, ...]) -> None:
        if self._bad_bytes and _BAD_BYTES.search(text):
            self._add(malformed.BAD_BYTE, path, "contains a byte that is not valid UTF-8")

    def _add(self, code: str, path: tuple[str | int, ...], message: str) -> None:
        if len(self._issues) < MAX_ISSUES:
            where = pointer(path)
            self._issues.append(ValidationIssue(code, where, f"{field_name(where)} {message}"))


_OMITTED = object()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start
