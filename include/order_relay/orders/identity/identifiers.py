"""The rule for identifiers: ids, order numbers, item numbers and part numbers.

An identifier is compared, sent and acknowledged exactly as received. One that looks like another, or is invisible, is
rejected instead of cleaned, since two systems would clean it differently.
"""

from __future__ import annotations

import re

_INVISIBLE_CHARACTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffd\U000e0100-\U000e01ef]"
)
"""Characters that Python regards as printable but that are invisible, and the replacement character (U+FFFD)."""

BLANK = "is blank"
OUTER_SPACE = "begins or ends with a space"
INVISIBLE = "contains a control character, an invisible character, or a special space"

IDENTIFIER_RULE = (
    "must not be blank, begin or end with a space, or hold control or invisible characters (example: LAMP-9)"
)


def identifier_problem(value: str) -> str:
    """Why a text is not an identifier; empty if it is one."""
    if value.isascii() and value.isprintable():
        inner = value.strip()
        return "" if inner == value and inner else (OUTER_SPACE if inner else BLANK)
    if not value.strip():
        return BLANK
    if not value.isprintable() or _INVISIBLE_CHARACTERS.search(value):
        return INVISIBLE
    return "" if value.strip() == value else OUTER_SPACE
