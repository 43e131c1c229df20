"""Realistic orders, repeatable by seed, generated lazily (memory does not grow with their number).

All names except ``id``, ``uuid`` and ``order_number`` are assumed (docs/vendors/supercat.md). Each order
has a ``kind``; ``KINDS`` holds its frequency and expected result.
"""

from __future__ import annotations

import heapq
import random
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from order_relay_sandbox.supercat import body, spoiling

Order = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """``weight`` per thousand families; ``fate``: the expected result with default policies."""

    weight: int
    fate: str


KINDS: dict[str, Kind] = {
    "plain": Kind(780, "imported"),
    "discount": Kind(35, "imported"),
    "freight_tax": Kind(30, "imported"),
    "promotion": Kind(25, "imported"),
    "zero_price": Kind(10, "imported"),
    "half_cent": Kind(15, "imported"),
    "custom_fields": Kind(10, "imported"),
    "one_word_name": Kind(7, "imported"),
    "company_only": Kind(7, "imported"),
    "long_notes": Kind(6, "imported"),
    "no_currency": Kind(7, "imported"),
    "card_in_notes": Kind(4, "imported"),
    "card_in_payment": Kind(4, "imported"),
    "resubmitted": Kind(18, "newest version imported, older ones superseded"),
    "reused_form": Kind(10, "both held: may be a new order on an old form"),
    "suffix_without_base": Kind(7, "held: its base is unknown"),
    "missing_field": Kind(5, "quarantined"),
    "totals_off": Kind(6, "quarantined"),
    "fractional_quantity": Kind(5, "quarantined"),
    "wrong_type": Kind(5, "quarantined"),
    "no_identity": Kind(4, "quarantined"),
}
_NAMES = tuple(KINDS)
_WEIGHTS = tuple(accumulate(kind.weight for kind in KINDS.values()))

FIRST_ID = 400_101


class Generated(NamedTuple):
    """One generated order. In a family, ``kind`` ends with ``:old`` or ``:new`` for older and newest version."""

    kind: str
    order: Order


def orders(count: int, seed: int = 0) -> Iterator[Generated]:
    """``count`` orders by rising id. Later versions follow their base after some other orders."""
    waiting: list[tuple[int, int, str, Order]] = []  # due, tie, kind, order
    source_id, made, family = FIRST_ID, 0, 0
    while made < count:
        if waiting and (waiting[0][0] <= made or made + len(waiting) >= count):
            _, _, kind, order = heapq.heappop(waiting)
        else:
            rng = random.Random(f"{seed}:{family}")
            versions = _family(rng, family)
            # A family whose later versions would exceed the count becomes a plain order.
            if made + len(waiting) + len(versions) > count:
                versions = [("plain", body.order(rng, family))]
            kind, order = versions[0]
            due = made
            for version_kind, version in versions[1:]:
                due += rng.randint(1, 30)
                heapq.heappush(waiting, (due, family, version_kind, version))
            family += 1
        source_id += 1 + (source_id * 7) % 5
        yield Generated(kind, {"id": source_id, **order} if kind != "no_identity" else order)
        made += 1


def _family(rng: random.Random, number: int) -> list[tuple[str, Order]]:
    kind = _NAMES[bisect(_WEIGHTS, rng.random() * _WEIGHTS[-1])]
    if kind == "resubmitted":
        return _versions(kind, body.resubmissions(rng, number))
    if kind == "reused_form":
        return _versions(kind, body.reused_form(rng, number))
    if kind in spoiling.SPOILERS:
        return [(kind, spoiling.SPOILERS[kind](rng, body.order(rng, number)))]
    return [(kind, body.order(rng, number, kind))]


def _versions(kind: str, made: list[Order]) -> list[tuple[str, Order]]:
    return [(f"{kind}:{'new' if order is made[-1] else 'old'}", order) for order in made]
