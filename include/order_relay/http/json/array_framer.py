"""Yields the elements of a streamed JSON array one at a time, as soon as each has arrived.

Outside the elements only brackets, quotes and backslashes are scanned, to find where an element begins; the JSON
library parses each element in place and thereby finds its end. An element that it refuses is yielded with its issues,
and its end is found by brackets and quotes, so that it does not affect the others. The text around the elements, with
a placeholder for each, is the skeleton. It is parsed strictly at the end, so a wrong split can never go unnoticed.
Work is linear in the length; memory is bounded by the largest element (docs/decisions/0004-framing-the-envelope.md).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from order_relay.errors import MalformedResponseError
from order_relay.http.json.json_recovery import ObjectScanner, recover_order
from order_relay.http.json.strict_json import MAX_DEPTH, next_order, too_deep, truncated
from order_relay.orders.json_text import encode
from order_relay.orders.messages import SourceOrder

MAX_SKELETON = 16 << 20
PLACEHOLDER = " {} "
"""Replaces an element in the skeleton: each object that is an element of the array becomes one."""

MAX_NAME_LENGTH = 200
"""Characters searched for the name of a member of the top-level object, including quotes and blanks."""

MAX_KEPT = 1 << 16
"""Characters kept of an element that is too large."""

_PLAIN = re.compile(r'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_STRING = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_LAST_NAME = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\r\n]*+:[ \t\r\n]*+\[\Z', re.DOTALL)
_BAD_BYTES = re.compile("[\udc80-\udcff]")


class ArrayFramer:
    """Splits chunks of a response into the objects of an array: a top-level member, or the response itself.

    ``member`` names the member; empty: the response is the array. ``max_element`` bounds one element (characters).
    ``skeleton`` is complete after ``feed`` with ``last``. Raises ``MalformedResponseError``.
    """

    def __init__(self, max_element: int, member: str = "data") -> None:
        self._member = member
        self._level = 2 if member else 1  # depth of the array
        self._max_element = max_element
        self._kept = min(MAX_KEPT, max_element)  # independent of chunking: the hash identifies the element
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._has_bad_bytes = False  # the response contains invalid UTF-8
        self._text = ""
        self._at = 0  # scanned up to here
        self._arriving: list[str] = []  # chunks not scanned yet
        self._missing = 0
        self._in_element = False  # an element begins at self._at
        self._extent: ObjectScanner | None = None  # finds the end of an element that the library refuses
        self._scanned = 0  # the extent scanned up to here
        self._beginning = ""  # beginning of an element that is too large
        self._in_member = False
        self._in_string = False
        self._depth = 0
        self._kinds = ["", ""]  # brackets that opened depth 1 and 2
        self._skeleton: list[str] = []
        self._skeleton_size = 0
        self.elements = 0

    @property
    def skeleton(self) -> bytes:
        """All text outside the elements, with placeholders where they were."""
        return "".join(self._skeleton).encode("utf-8", "surrogatepass")

    def feed(self, chunk: bytes, *, last: bool = False) -> Iterator[SourceOrder]:
        """Add the next bytes; yields the elements that they complete. The iterator must be exhausted."""
        if not self._add(chunk, last=last):
            return
        taken = 0  # the text up to here is in the skeleton or in an element
        while self._in_element or self._find_element(taken):
            order = self._take_element(last=last)
            taken = self._at
            if order is None:
                break
            yield order
        self._drop_consumed(taken, last=last)
        if last and (self._depth or self._in_string):
            raise truncated("the response")

    def _add(self, chunk: bytes, *, last: bool) -> bool:
        """Add text; returns whether to scan it. Scanning again only at double the length keeps work linear."""
        new = self._decoded(chunk, last=last)
        self._arriving.append(new)
        self._missing -= len(new)
        if self._missing > 0 and not last:
            return False
        self._text += "".join(self._arriving)
        self._arriving.clear()
        self._missing = 0
        return True

    def _decoded(self, chunk: bytes, *, last: bool) -> str:
        """Decode. Invalid UTF-8 becomes surrogates, because it may concern one element only."""
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(chunk, last)
        except UnicodeDecodeError:
            self._has_bad_bytes = True
            self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
            self._decoder.setstate(before)
            return self._decoder.decode(chunk, last)

    def _find_element(self, taken: int) -> bool:
        """Scan to the beginning of the next element; returns whether there is one."""
        while char := self._next_bracket():
            if char in "]}":
                self._depth -= 1
                if self._depth < 0:
                    raise MalformedResponseError("the response is not valid JSON: a closing bracket has no opening one")
                continue
            if self._depth == self._level and char == "{" and self._in_member:
                self._at -= 1
                self._keep(self._text[taken : self._at])
                self._in_element = True
                return True
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise too_deep("the response")
            if self._depth <= self._level:
                self._kinds[self._depth - 1] = char
                self._in_member = self._begins_array(taken)
        return False

    def _begins_array(self, taken: int) -> bool:
        """Whether the bracket just opened begins the array."""
        if self._depth < self._level:
            return False
        return (
            self._kinds == ["{", "["] and self._name(taken) == self._member if self._member else self._kinds[0] == "["
        )

    def _name(self, taken: int) -> str:
        """The name of the member whose array was just opened."""
        parts = [self._text[taken : self._at]]
        for kept in reversed(self._skeleton):
            if sum(map(len, parts)) > MAX_NAME_LENGTH:
                break
            parts.append(kept)
        found = _LAST_NAME.search("".join(reversed(parts))[-MAX_NAME_LENGTH:])
        try:
            return str(json.loads(found[1])) if found else ""
        except ValueError:
            return ""

    def _take_element(self, *, last: bool) -> SourceOrder | None:
        """The element that begins here, or ``None`` until it has arrived completely."""
        found = None if self._extent else self._acceptable(last=last)
        if self._extent:
            found = self._refused(self._extent, last=last)
        if found is None:
            return None
        self._at = found[1]
        self._in_element, self._extent, self._scanned, self._beginning = False, None, 0, ""
        self._keep(PLACEHOLDER)
        self.elements += 1
        return found[0]

    def _acceptable(self, *, last: bool) -> tuple[SourceOrder, int] | None:
        """An element that the library accepts, and its end. Otherwise ``self._extent`` takes over."""
        start = self._at
        try:
            found = next_order(self._text, start, self._where, last=last)
        except MalformedResponseError:
            found, self._extent = None, ObjectScanner()
        size = len(self._text) - start if found is None else found[1] - start
        has_bad_bytes = self._has_bad_bytes and found is not None and _BAD_BYTES.search(self._text, start, found[1])
        if has_bad_bytes or size > self._max_element:
            self._extent = self._extent or ObjectScanner()
        if self._extent:
            self._scanned = start
        elif found is None:
            self._missing = size
        return found

    def _refused(self, extent: ObjectScanner, *, last: bool) -> tuple[SourceOrder, int] | None:
        """A refused element with its issues, and its end; only the beginning of one that is too large."""
        self._scanned, ended = extent.find(self._text, self._scanned)
        text = self._text[self._at : self._scanned]
        too_large = bool(self._beginning) or len(text) > self._max_element
        if ended:
            order = recover_order(
                (self._beginning or text)[: self._kept if too_large else None],
                self._where,
                too_large=self._max_element if too_large else 0,
            )
            return order, self._scanned
        if last:
            raise truncated("the response")
        if too_large:
            self._beginning = self._beginning or text[: self._kept]
            self._at = self._scanned
        else:
            self._missing = len(text)
        return None

    @property
    def _where(self) -> str:
        return f"order {self.elements + 1} of the response"

    def _next_bracket(self) -> str:
        """The next bracket outside strings, or empty at the end of the text."""
        text = self._text
        while True:
            if self._in_string:
                end = _end(_STRING, text, self._at)
                if end == len(text) or text[end] != '"':  # a backslash whose escaped character has not arrived
                    self._at = end
                    return ""
                self._at, self._in_string = end + 1, False
            end = _end(_PLAIN, text, self._at)
            if end == len(text):
                self._at = end
                return ""
            self._at = end + 1
            if text[end] != '"':
                return text[end]
            self._in_string = True

    def _drop_consumed(self, taken: int, *, last: bool) -> None:
        """Drop the text that is no longer needed."""
        end = len(self._text) if last else self._at
        if not self._in_element:
            self._keep(self._text[taken:end])
        self._text = self._text[end:]
        self._at = 0
        self._scanned = max(self._scanned - end, 0)

    def _keep(self, text: str) -> None:
        self._skeleton.append(text)
        self._skeleton_size += len(text)
        if self._skeleton_size > MAX_SKELETON:
            raise MalformedResponseError(f"the response has more than {MAX_SKELETON} characters besides its orders")


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def unexpected_elements(array: list[Any], objects: int) -> Iterator[SourceOrder]:
    """The elements of the skeleton's ``array`` that are not objects, as unreadable orders.

    ``objects``: the number of elements that were framed. Raises ``MalformedResponseError`` if there are none of them
    among others, or their number differs.
    """
    unexpected = [
        (at, element) for at, element in enumerate(array, 1) if element != {} or not isinstance(element, dict)
    ]
    if len(array) - len(unexpected) != objects or (unexpected and not objects):
        raise MalformedResponseError("the response is not as documented: the elements of its array are not objects")
    for at, element in unexpected:
        yield recover_order(encode(element).decode(), f"element {at} of the response")
