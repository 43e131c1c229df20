"""Members of an answer that are not documented: accepted, and told once, since they may mean something."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from order_relay.orders.messages import Warn

MAX_NAMES = 10


def warn_unknown_fields(answer: Mapping[str, Any], known: Collection[str], where: str, warn: Warn) -> None:
    """Warn of the members that are not ``known``, by their names."""
    names = sorted(_printable(name) for name in answer if name not in known)
    if names:
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        warn(f"{where} has members that are not documented; they are ignored: {', '.join(names[:MAX_NAMES])}{more}")


def _printable(name: str) -> str:
    """A name as a message may show it: short, printable, and without a run of digits that could be anything."""
    plain = "".join(char if char.isprintable() and not char.isdigit() else "?" for char in name[:60])
    return plain or "(no name)"
