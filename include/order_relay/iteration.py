"""Iteration helpers that the standard library of Python 3.11 lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Consecutive lists of at most ``size`` items. Reads ``items`` lazily; ``itertools.batched`` needs Python 3.12."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
