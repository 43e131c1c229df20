"""The choices of an operator about held orders and orders in doubt, and the effect of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Choice(StrEnum):
    """What to do with a group of held versions."""

    REPLACEMENT = "replacement"
    SEPARATE = "separate"
    DISCARD = "discard"


# Plain strings: the ledger, XCom and run configurations store them.
REPLACEMENT, SEPARATE, DISCARD = (choice.value for choice in Choice)
CHOICES = (REPLACEMENT, SEPARATE, DISCARD)

EFFECTS: Mapping[str, str] = {
    REPLACEMENT: "The newest version is sent and supersedes the older ones.",
    SEPARATE: "Each set of versions that agree is sent as an order of its own.",
    DISCARD: "None of the held versions is ever sent. The source is notified once no other version is open.",
}
"""The effect of each choice."""

STORED, ABSENT = "stored", "absent"
"""An operator's finding about an order in doubt: it is in the OMS, or it is not."""
