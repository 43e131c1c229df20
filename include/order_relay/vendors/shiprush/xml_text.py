"""Text for XML 1.0: no characters that it can not carry, no more of them than documented."""

from __future__ import annotations

import re

_NOT_CARRIED = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = re.compile(r"\s+")


def line_text(value: object, limit: int) -> str:
    """One line, at most ``limit`` characters; empty for ``None``."""
    return "" if value is None else _SPACES.sub(" ", carried(str(value))).strip()[:limit].rstrip()


def block_text(value: object, limit: int) -> str:
    """Text that may hold line breaks, at most ``limit`` characters; empty for ``None``."""
    return "" if value is None else carried(str(value)).strip()[:limit].rstrip()


def carried(text: str) -> str:
    """The text without what XML 1.0 can not carry; line breaks as line feeds."""
    return _NOT_CARRIED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
