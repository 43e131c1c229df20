"""A file of a history import is divided into parts, so that a slice has a bounded number of orders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from order_relay.orders.messages import Acknowledgement, DeliveredFile, Selection, SourceOrder
from order_relay.pipeline.ports import Source

PART_ORDERS = 1_000
"""Maximum orders of a part. After a change of this number, a file that is not finished is read again as a whole."""

_NAME = re.compile(r"([0-9a-f]+)(?: ([0-9]+)-([0-9]+))?")


@dataclass(frozen=True)
class FilePart:
    """The orders ``first`` to ``last`` of a file, counted from 1; without ``last``, all. ``digest``: of the file."""

    digest: str
    first: int = 1
    last: int | None = None

    @property
    def name(self) -> str:
        """The name of its slice: ``DIGEST``, or ``DIGEST FIRST-LAST``."""
        return self.digest if self.last is None else f"{self.digest} {self.first}-{self.last}"

    @classmethod
    def of(cls, name: str) -> FilePart:
        """The part that a slice of this name imports."""
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"{name!a} does not name a part of a file")
        digest, first, last = found.groups()
        return cls(digest) if last is None else cls(digest, int(first), int(last))


def parts_of(digest: str, orders: int) -> Iterator[FilePart]:
    """The parts of a file with this many orders: the whole file, if they fit in one."""
    if orders <= PART_ORDERS:
        yield FilePart(digest)
        return
    for first in range(1, orders + 1, PART_ORDERS):
        yield FilePart(digest, first, min(first + PART_ORDERS - 1, orders))


def orders_of(source: Source, file: DeliveredFile) -> Iterator[SourceOrder]:
    """All orders of a file. Raises what ``Source.fetch`` raises."""
    return iter(source.fetch(Selection(file=file, history=True)))


class OpenFile:
    """The orders of a file, read once from the first to the last, whichever parts are taken of them."""

    def __init__(self, source: Source, file: DeliveredFile) -> None:
        self._source, self._file = source, file
        self._orders, self._position = orders_of(source, file), 0

    def orders(self, part: FilePart) -> Iterator[SourceOrder]:
        """Those of a part. A part before the last one that was taken begins the file anew."""
        skipped = part.first - 1
        if self._position > skipped:
            self._orders, self._position = orders_of(self._source, self._file), 0
        wanted = None if part.last is None else part.last - self._position
        for order in islice(self._orders, wanted):
            self._position += 1
            if self._position > skipped:
                yield order


class PartSource:
    """Implements ``Source``: reads one part of a file."""

    windowed = True
    acknowledges: Literal["order_number", "source_id"] = "order_number"

    def __init__(self, source: Source, orders: Iterator[SourceOrder]) -> None:
        self.account, self.format, self._orders = source.account, source.format, orders

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """The orders of the part, whatever the selection."""
        return self._orders

    def acknowledge(self, names: Sequence[str]) -> dict[str, Acknowledgement]:
        """Answers nothing."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
