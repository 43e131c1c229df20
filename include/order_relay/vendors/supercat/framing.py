"""Finds where the elements of a streamed JSON array begin and end, so that a library can parse them one at a time.

This is not a parser: it looks at brackets, quotes and backslashes only. Whatever it is fed, everything goes either
into an element or into the skeleton that is left around them, and both are parsed strictly afterwards, so a wrong cut
can never pass as a right one. Work is linear in the bytes, memory is bounded by the largest element.
"""

from __future__ import annotations

import re

from order_relay.errors import BadAnswer

MAX_DEPTH = 64
"""Orders nest four or five deep; what nests deeper is an attack or a defect, and is refused before parsing."""
MAX_SKELETON = 16 << 20
PLACEHOLDER = b" 0 "
"""Stands in the skeleton for an element. The spaces keep it from joining a neighbour to another number."""

_QUOTE, _BRACE, _BRACKET = b'"{['
_OPENING = frozenset(b"{[")
_PLAIN = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


class Framer:
    """Feed it chunks; it gives back the complete elements: objects in an array that is a member of the top object.

    ``max_element`` bounds one element (bytes). With ``cut=False`` nothing is cut out and the whole text (at most
    ``max_element`` bytes) is the skeleton. Raises ``BadAnswer``.
    """

    def __init__(self, *, max_element: int, cut: bool = True) -> None:
        self._max_element = max_element
        self._max_skeleton = MAX_SKELETON if cut else max_element
        self._cut = cut
        self._buffer = bytearray()
        self._skeleton = bytearray()
        self._at = 0  # how far the buffer was looked at
        self._start = -1  # where the open element begins in the buffer
        self._depth = 0
        self._in_string = False
        self._kinds = [0, 0, 0]  # brackets that opened depth 1 and 2
        self.elements = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; the elements that they complete."""
        self._buffer += chunk
        found: list[bytes] = []
        taken = 0  # up to here the buffer went into the skeleton or an element
        while (char := self._next()) >= 0:
            if char in _OPENING:
                taken = self._open(char, taken)
            elif self._close():
                found.append(bytes(self._buffer[self._start : self._at]))
                self._start, taken = -1, self._at
                self._skeleton += PLACEHOLDER
        self._let_go(taken)
        self.elements += len(found)
        if any(len(element) > self._max_element for element in found):
            raise self._too_large()
        return found

    def finish(self) -> bytes:
        """The skeleton. Raises ``BadAnswer`` where the text ended too early."""
        if self._depth or self._in_string:
            raise BadAnswer(f"the answer is cut off: it ends inside the JSON text, after {self.elements} orders")
        return bytes(self._skeleton + self._buffer)

    def _next(self) -> int:
        """The next bracket outside strings, or -1 where the buffer has no more."""
        buffer = self._buffer
        while True:
            if self._in_string:
                end = _end(_STRING, buffer, self._at)
                if end == len(buffer) or buffer[end] != _QUOTE:  # a backslash whose partner is yet to come
                    self._at = end
                    return -1
                self._at, self._in_string = end + 1, False
            end = _end(_PLAIN, buffer, self._at)
            if end == len(buffer):
                self._at = end
                return -1
            self._at = end + 1
            if buffer[end] != _QUOTE:
                return buffer[end]
            self._in_string = True

    def _open(self, char: int, taken: int) -> int:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadAnswer(f"the answer nests deeper than {MAX_DEPTH} levels, near order {self.elements + 1}")
        if self._depth < 3:
            self._kinds[self._depth] = char
        elif self._depth == 3 and self._cut and self._kinds[1:] == [_BRACE, _BRACKET] and char == _BRACE:
            self._start = self._at - 1
            self._skeleton += self._buffer[taken : self._start]
            return self._start
        return taken

    def _close(self) -> bool:
        """Whether this bracket closes the open element."""
        self._depth -= 1
        if self._depth < 0:
            raise BadAnswer("the answer is not JSON: a bracket closes that was never opened")
        return self._start >= 0 and self._depth == 2

    def _let_go(self, taken: int) -> None:
        """Keep only what is still needed of the buffer."""
        if self._start < 0:
            self._skeleton += self._buffer[taken : self._at]
            taken = self._at
        elif self._at - self._start > self._max_element:
            raise self._too_large()
        else:
            taken = self._start
            self._start = 0
        del self._buffer[:taken]
        self._at -= taken
        if len(self._skeleton) > self._max_skeleton:
            raise BadAnswer(f"the answer holds more than {self._max_skeleton} bytes where only its frame should be")

    def _too_large(self) -> BadAnswer:
        return BadAnswer(f"an order is larger than {self._max_element} bytes; see order_limit_bytes of the connection")


def _end(pattern: re.Pattern[bytes], buffer: bytearray, start: int) -> int:
    match = pattern.match(buffer, start)
    return match.end() if match else start
