"""Adds members with free names to those of the mapping, without losing one of two with the same name."""

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
        """Add ``more`` to ``own``; yields each name that was taken, and the name used instead.

        A name that only ``more`` has is unchanged. The others get the prefix ``custom.``, and a number at the end if
        that name is taken as well. ``limit``: maximum length of a name. The result does not depend on the order of the
        members of ``more``.
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
