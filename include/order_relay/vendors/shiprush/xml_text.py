"""Text for XML 1.0: without characters that it does not allow, and bounded."""

from __future__ import annotations

import re

_NOT_ALLOWED = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPACES = re.compile(r"\s+")


def line_text(value: object, limit: int) -> str:
    """One line, at most ``limit`` characters; empty for ``None``."""
    return "" if value is None else _SPACES.sub(" ", clean_text(str(value))).strip()[:limit].rstrip()


def block_text(value: object, limit: int) -> str:
    """Text that may hold line breaks, at most ``limit`` characters; empty for ``None``."""
    return "" if value is None else clean_text(str(value)).strip()[:limit].rstrip()


def clean_text(text: str) -> str:
    """The text without characters that XML 1.0 does not allow; line breaks become line feeds."""
    return _NOT_ALLOWED.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
