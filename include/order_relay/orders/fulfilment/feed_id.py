"""Order ids that feeds issue: the submission's id in the ledger, and a check value (``ledger.fulfilment.feed_ids``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

CHECK_LENGTH = 12
"""Hexadecimal digits of the check value."""

_OWN = re.compile(rf"(?P<number>[0-9]{{1,18}})-(?P<check>[0-9a-f]{{{CHECK_LENGTH}}})", re.ASCII)
_BARE = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FeedId:
    """An id that a feed may have issued. ``check`` is empty if an older version issued the bare number."""

    number: int
    check: str = ""


def parse_feed_id(text: str) -> FeedId | None:
    """The parts of an id; ``None`` if no feed can have issued it."""
    found = _OWN.fullmatch(text.strip().lower())
    if found:
        return FeedId(int(found["number"]), found["check"])
    return FeedId(int(text)) if _BARE.fullmatch(text.strip()) else None
