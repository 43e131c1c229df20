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

AT_OMS, KEEP, REINSTATED = "cancelled", "keep", "reinstated"
CANCELLATION_CHOICES = (AT_OMS, KEEP)
"""An operator's decision about an imported order that its source cancelled. ``REINSTATED`` is given by command only:
the operator knows that the source took the cancellation back."""

CANCELLATION_EFFECTS: Mapping[str, str] = {
    AT_OMS: "You have cancelled the order in the OMS. It stays cancelled in the order feed.",
    KEEP: "The order is shipped although the shop cancelled it. The order feed offers it again. The shop gets no "
    "updates about it unless it takes the cancellation back.",
}

STORED, ABSENT = "stored", "absent"
"""An operator's finding about an order in doubt: it is in the OMS, or it is not."""
