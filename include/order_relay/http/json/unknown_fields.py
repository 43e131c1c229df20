"""Undocumented members of a response: ignored, with one warning per run, because they may have a meaning."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from order_relay.orders.messages import Warn

MAX_NAMES = 10


def warn_unknown_fields(document: Mapping[str, Any], known: Collection[str], where: str, warn: Warn) -> None:
    """Warn about members that are not in ``known``. ``where`` names the response."""
    names = sorted(_printable(name) for name in document if name not in known)
    if names:
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        warn(f"{where} has undocumented members, which are ignored: {', '.join(names[:MAX_NAMES])}{more}")


def _printable(name: str) -> str:
    """A name that is safe to log: short, printable, digits masked."""
    plain = "".join(char if char.isprintable() and not char.isdigit() else "?" for char in name[:60])
    return plain or "(no name)"
