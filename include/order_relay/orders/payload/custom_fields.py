"""Members with free names, added to those of the mapping without losing one if two have the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from order_relay.orders.mapping.line_ids import comparison_key

CUSTOM_FIELD_PREFIX = "custom."
"""Prefix of a free name that is taken: ``terms`` is then sent as ``custom.terms``."""


class CustomFields:
    """Adds members with free names. ``exact``: names that differ only in case or spaces are different names."""

    def __init__(self, *, exact: bool = False) -> None:
        self._exact = exact

    def add(self, own: dict[str, Any], more: Mapping[str, Any], limit: int | None) -> Iterator[tuple[str, str]]:
        """Add ``more`` to ``own``; gives each name that was taken, with the name that the member got instead.

        A name that only ``more`` has stays as it is. The others get ``custom.`` before them, and a number behind
        where that is taken as well. ``limit``: the longest name there can be. The result does not depend on the order
        in which ``more`` holds its members.
        """
        if not more:
            return
        taken = {self._form(name) for name in own}
        late: list[tuple[str, Any]] = []
        alike = len({self._form(name) for name in more}) < len(more)
        for name, value in sorted(more.items()) if alike else more.items():
            if self._form(name) in taken:
                late.append((name, value))
            else:
                taken.add(self._form(name))
                own[name] = value
        for name, value in sorted(late):
            chosen = next(free for free in _alternative_names(name, limit) if self._form(free) not in taken)
            taken.add(self._form(chosen))
            own[chosen] = value
            yield name, chosen

    def _form(self, name: str) -> str:
        return name if self._exact else comparison_key(name)


def _alternative_names(name: str, limit: int | None) -> Iterator[str]:
    for number in count(1):
        end = "" if number == 1 else f".{number}"
        whole = f"{CUSTOM_FIELD_PREFIX}{name}"
        yield f"{whole[: limit - len(end)] if limit else whole}{end}"
