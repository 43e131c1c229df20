"""SuperCat: it offers orders until they are acknowledged, and offers new versions of an order."""

from __future__ import annotations

import copy
import itertools
from functools import lru_cache

from order_relay_sandbox.supercat import generator
from tests.support.faults.case import Order, SourceSide

ENDS = {
    "plain": "imported",
    "discount": "imported",
    "promotion": "imported",
    "resubmitted:old": "superseded",
    "resubmitted:new": "imported",
    "reused_form:old": "held",
    "reused_form:new": "held",
    "suffix_without_base": "held",
    "missing_field": "quarantined",
    "no_identity": "quarantined",
}


@lru_cache
def _generated() -> tuple[generator.Generated, ...]:
    return tuple(generator.orders(1_500, 7))


@lru_cache
def _examples() -> list[tuple[Order, str]]:
    """One of each sort; of a family both versions."""
    families: dict[str, dict[str, Order]] = {}
    for made in _generated():
        if made.kind in ENDS:
            family = families.setdefault(made.kind.partition(":")[0], {})
            if not family or (":" in made.kind and made.order["uuid"] in [o["uuid"] for o in family.values()]):
                family[made.kind] = made.order
    return [(order, ENDS[kind]) for family in families.values() for kind, order in family.items()]


@lru_cache
def _plain(number: int) -> list[Order]:
    """The last orders generated; ``examples`` uses the first ones."""
    good = (made.order for made in reversed(_generated()) if made.kind == "plain")
    return list(itertools.islice(good, number))


def _newer(order: Order) -> Order:
    new = copy.deepcopy(order)
    base, _, suffix = (
        new["order_number"].rpartition("-") if new["order_number"].count("-") > 2 else (new["order_number"], "", "0")
    )
    new["id"] = order["id"] + 1_000_000
    new["order_number"] = f"{base}-{int(suffix) + 1}"
    return new


def _twin(order: Order, number: int) -> Order:
    names = {
        "id": 5_000_000 + number,
        "uuid": f"{number:08X}-0000-4000-A000-{number:012X}",
        "order_number": f"{9000 + number}-010101-{number}",
    }
    return {**copy.deepcopy(order), **names}


SOURCE = SourceSide(
    vendor="supercat",
    examples=_examples,
    plain=_plain,
    newer=_newer,
    twin=_twin,
    key=lambda order: str(order["order_number"]),
    text="notes",
    acknowledged_at="acknowledge",
    acknowledged_by="source POST",
    failpoints=("source GET", "source POST"),
    envelopes=(
        "status_error",
        "status_failure",
        "data_object",
        "data_missing",
        "status_number",
        "not_json",
        "truncated",
        "trailing_text",
        "nan",
        "huge_number",
        "duplicate_keys",
        "duplicate_envelope_keys",
        "deep",
        "latin1",
        "drip",
        "cut",
        "cut_body",
        "hang",
        "empty",
        "html",
        "500",
        "302",
        "429",
        "404",
    ),
)
