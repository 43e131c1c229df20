"""Ids of lines and of the items they become. A generated id never equals one from the source.

Everything here depends on the order's content alone, so the same content gets the same ids each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import count


def comparison_key(name: str) -> str:
    """The form in which ids are compared: without case and repeated spaces."""
    return name if name.isdigit() else " ".join(name.split()).casefold()


def assign_line_ids(given: Sequence[str | None], order: Sequence[int], position: Sequence[int]) -> list[str]:
    """Line numbers for all lines: the ``given`` ones, or generated. ``order``: the row of each line's order.

    A line without a number gets its position in the order, counted from 1. If another line has that number, it gets the
    first free number above the number of lines.
    """
    taken: dict[int, set[str]] = {}
    sizes: dict[int, int] = {}
    for row, name in zip(order, given, strict=True):
        sizes[row] = sizes.get(row, 0) + 1
        if name:
            taken.setdefault(row, set()).add(comparison_key(name))
    named: list[str] = []
    for row, name, at in zip(order, given, position, strict=True):
        used = taken.setdefault(row, set())
        chosen = name or str(at + 1)
        if not name and chosen in used:
            chosen = next(free for free in map(str, count(sizes[row] + 1)) if free not in used)
        used.add(comparison_key(chosen))
        named.append(chosen)
    return named


class ItemIds:
    """The external item ids of one order. ``lines``: the numbers of all its lines, which no generated id may equal."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = lines

    def ids_for_line(self, line: str, pieces: int) -> list[str]:
        """Ids of the items of one line: the line's own number, or ``line/1``, ``line/2``, ... if it is split."""
        if pieces == 1:
            return [line]
        ids: list[str] = []
        for number in count(1):
            if len(ids) == pieces:
                break
            if self._take(f"{line}/{number}"):
                ids.append(f"{line}/{number}")
        return ids

    def id_for_charge(self, name: str) -> str:
        """The id of an item without a line in the source: ``name``, or ``name/2``, ``name/3``, ... if taken."""
        return next(chosen for number in count(1) if self._take(chosen := name if number == 1 else f"{name}/{number}"))

    @cached_property
    def _taken(self) -> set[str]:
        return set(map(comparison_key, self._lines))

    def _take(self, name: str) -> bool:
        known = comparison_key(name) in self._taken
        self._taken.add(comparison_key(name))
        return not known
