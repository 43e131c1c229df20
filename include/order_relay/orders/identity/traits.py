"""Traits of an order besides its numbers, to check whether an order at the destination can be the one that we sent.

Others may use the same external id: another sales channel, another account in the same OMS, or an older script.
Only traits present on both sides are compared; missing and unreadable ones are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

OURS, OTHER, UNNAMED = "ours", "other", ""
"""Values of ``Traits.owner``."""

TimeSpan = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Traits:
    """Traits of one order; all are optional. Never shown or logged, since they include a customer's name and email.

    ``owner``: whether the account in the order is ours. ``totals``: every amount that may be the order's total.
    ``created``: the creation time at the destination. ``dated``: the time spans in which our order may have been
    created. ``marks``: values that only we write, by name.
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
        """These traits, completed by those of ``other``."""
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
    """The words of a name in lower case, so that their order and punctuation do not matter."""
    return frozenset(_WORD.findall(" ".join(texts).casefold()))


def conflicting_traits(expected: Traits, shown: Traits) -> tuple[str, ...]:
    """Names of the traits that contradict the expected order; empty if none does."""
    conflicts = []
    if expected.totals and shown.totals and not any(_same(a, b) for a in expected.totals for b in shown.totals):
        conflicts.append("total")
    if expected.currency and shown.currency and expected.currency.upper() != shown.currency.upper():
        conflicts.append("currency")
    if expected.dated and shown.created and not any(a <= shown.created <= b for a, b in expected.dated):
        conflicts.append("creation date")
    if expected.email and shown.email:
        if expected.email.strip().casefold() != shown.email.strip().casefold():
            conflicts.append("customer")
    elif expected.name and shown.name and not expected.name & shown.name:
        conflicts.append("customer")
    if expected.items and shown.items and not expected.items & shown.items:
        conflicts.append("items")
    if any(shown.marks.get(name, value) != value for name, value in expected.marks.items()):
        conflicts.append("our marks")
    return tuple(conflicts)


def _same(one: Decimal, other: Decimal) -> bool:
    """Whether two amounts are equal, apart from the binary noise of JSON numbers."""
    return abs(one - other) < Decimal("0.0005")
