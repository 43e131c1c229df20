"""What an order shows of itself beside its numbers, and whether it can be the order that we sent.

An external id may also be used by somebody else: another sales channel, another manufacturer of the same OMS, an older
script. Only members that both sides show are compared; a missing or unreadable one says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

OURS, OTHER, UNNAMED = "ours", "other", ""
"""Values of ``Traits.owner``."""

NO_MARKS: Mapping[str, str] = {}

TimeSpan = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Traits:
    """Everything is optional. Never shown or logged: it holds a customer's name and address.

    ``owner``: whether the account that the order names is ours. ``totals``: every amount that may be the order's total.
    ``created`` is when the destination dates it; ``dated`` are the times in which ours may be dated. ``marks`` are
    values that only we write, by name.
    """

    owner: str = UNNAMED
    totals: tuple[Decimal, ...] = ()
    currency: str = ""
    created: datetime | None = None
    dated: tuple[TimeSpan, ...] = ()
    email: str = field(default="", repr=False)
    name: frozenset[str] = field(default=frozenset(), repr=False)
    items: frozenset[str] = field(default=frozenset(), repr=False)
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)

    def merge_with(self, other: Traits) -> Traits:
        """These traits, with what only ``other`` shows."""
        return Traits(
            owner=self.owner or other.owner,
            totals=self.totals or other.totals,
            currency=self.currency or other.currency,
            created=self.created or other.created,
            dated=self.dated or other.dated,
            email=self.email or other.email,
            name=self.name or other.name,
            items=self.items or other.items,
            marks={**other.marks, **self.marks},
        )


NO_TRAITS = Traits()

_WORD = re.compile(r"\w+")


def word_set(*texts: str) -> frozenset[str]:
    """The words of a name without case, so that order and punctuation make no difference."""
    return frozenset(_WORD.findall(" ".join(texts).casefold()))


def conflicting_traits(expected: Traits, shown: Traits) -> tuple[str, ...]:
    """The names of the members in which an order cannot be the expected one. Empty: nothing contradicts."""
    found = []
    if expected.totals and shown.totals and not any(_same(a, b) for a in expected.totals for b in shown.totals):
        found.append("total")
    if expected.currency and shown.currency and expected.currency.upper() != shown.currency.upper():
        found.append("currency")
    if expected.dated and shown.created and not any(a <= shown.created <= b for a, b in expected.dated):
        found.append("creation date")
    if expected.email and shown.email:
        if expected.email.strip().casefold() != shown.email.strip().casefold():
            found.append("customer")
    elif expected.name and shown.name and not expected.name & shown.name:
        found.append("customer")
    if expected.items and shown.items and not expected.items & shown.items:
        found.append("items")
    if any(shown.marks.get(name, value) != value for name, value in expected.marks.items()):
        found.append("our marks")
    return tuple(found)


def _same(one: Decimal, other: Decimal) -> bool:
    """Amounts as JSON numbers may carry binary noise."""
    return abs(one - other) < Decimal("0.0005")
