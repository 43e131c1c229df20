"""The types of the advice table. All texts are for operators, and none holds an order's data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Responsible(StrEnum):
    """Who can resolve the cause of a reason code."""

    SOURCE = "sales or shop staff, in the source"
    SETTINGS = "the maintainer of the pipeline's settings"
    EXPORTER = "the sender of the file or record"
    OPERATOR = "an operator"
    OMS = "the administrator of the OMS account"
    NOBODY = "nobody; it resolves itself"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a reason code means.

    ``title`` is at most 40 characters, ``meaning`` one or two sentences, ``fix`` the next step and where to take it.
    ``example`` shows a correct value for codes about a wrong one.
    """

    title: str
    meaning: str
    who: Responsible
    fix: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class StateAdvice:
    """What a state, or another reason to act, means.

    ``label`` completes "3 orders have been ..." or "3 orders were ...". ``action`` is the next step; ``overdue``
    replaces it if orders stay in the state for too long.
    """

    label: str
    meaning: str
    action: str
    overdue: str = ""

    @property
    def if_overdue(self) -> str:
        """What to do about orders that stay in the state for too long."""
        return self.overdue or self.action
