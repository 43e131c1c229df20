"""Markdown for reports and reviews: escaped text and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MAX_VALUE_LENGTH = 200
"""Characters of one escaped value."""

_MARKUP = re.compile(r"([\\`*_\[\]<>|~&:@])")
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def escape_markdown(text: str) -> str:
    """``text`` as one line of Markdown without markup or links, cut to ``MAX_VALUE_LENGTH`` characters."""
    plain = "".join(char if char.isprintable() else "?" for char in str(text)[:MAX_VALUE_LENGTH])
    return _MARKUP.sub(r"\\\1", plain)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table without a final line break. Cells are Markdown (escape plain text first); a bare ``|`` is escaped."""
    body = (_row([_BARE_PIPE.sub(r"\|", str(cell)) for cell in row]) for row in rows)
    return "\n".join([_row(head), f"|{' --- |' * len(head)}", *body])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
