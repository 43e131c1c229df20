"""Generated orders: repeatable, adding up, of every kind, and quick."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from decimal import Decimal

import pytest

from order_relay_sandbox.supercat import generator
from order_relay_sandbox.supercat.generator import KINDS, orders

SPOILED = {"missing_field", "totals_off", "fractional_quantity", "wrong_type", "no_identity"}


@pytest.fixture(scope="module")
def many():
    return list(orders(3000, seed=5))


def test_same_seed_same_orders_and_no_other(many):
    assert list(orders(200, 5)) == list(orders(200, 5))
    assert list(orders(200, 5)) != list(orders(200, 6))
    assert [made.order for made in orders(500, 5)][:300] == [made.order for made in many[:300]]


def test_counts_and_kinds(many):
    counts = Counter(made.kind.partition(":")[0] for made in many)
    assert sum(counts.values()) == 3000
    assert set(counts) == set(KINDS)
    assert 0.70 < counts["plain"] / 3000 < 0.82
    assert sum(kind.weight for kind in KINDS.values()) == 1000


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_exactly_as_many_as_asked(count):
    assert all(len(list(orders(count, seed))) == count for seed in range(30))


def test_identities(many):
    usable = [made for made in many if made.kind != "no_identity"]
    numbers = [made.order["order_number"] for made in usable]
    ids = [made.order["id"] for made in usable]
    assert len(set(numbers)) == len(numbers)
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"\d+-\d{6}-\d+(-\d)?", number) for number in numbers)
    assert all(re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", made.order["uuid"]) for made in usable)


def test_good_orders_add_up(many):
    for made in many:
        if made.kind in SPOILED:
            continue
        order = made.order
        lines = sum(Decimal(line["extended_price"]) for line in order["items"] if line["extended_price"] is not None)
        assert lines == Decimal(order["subtotal"])
        parts = (order[name] for name in ("subtotal", "discount", "freight", "tax"))
        assert sum(map(Decimal, parts)) == Decimal(order["total"]) >= 0
        for line in order["items"]:
            if line["unit_price"] is not None:
                gap = abs(Decimal(line["unit_price"]) * line["quantity"] - Decimal(line["extended_price"]))
                assert gap <= Decimal("0.005") * line["quantity"]


def test_versions_share_the_uuid_and_rise(many):
    by_uuid = itertools.groupby(
        sorted((m for m in many if ":" in m.kind), key=lambda m: (m.order["uuid"], m.order["id"])),
        key=lambda m: m.order["uuid"],
    )
    seen = set()
    for _, group in by_uuid:
        versions = list(group)
        kind = versions[0].kind.partition(":")[0]
        seen.add(kind)
        assert [v.kind for v in versions] == [f"{kind}:old"] * (len(versions) - 1) + [f"{kind}:new"]
        base = versions[0].order["order_number"]
        assert [v.order["order_number"] for v in versions[1:]] == [f"{base}-{n}" for n in range(1, len(versions))]
        first, last = ({line["item_number"] for line in v.order["items"]} for v in (versions[0], versions[-1]))
        assert (first == last) if kind == "resubmitted" else first.isdisjoint(last)
    assert seen == {"resubmitted", "reused_form"}


def test_cards_pass_luhn_and_names_are_of_the_world(many):
    cards = [m.order["payment"]["card_number"] for m in many if m.kind == "card_in_payment"]
    assert cards
    assert all(_luhn(card) for card in cards)
    noted = [re.sub(r"\D", "", m.order["notes"].split(" exp")[0]) for m in many if m.kind == "card_in_notes"]
    assert all(_luhn(card) for card in noted)
    names = "".join(m.order["bill_to"]["name"] for m in many)
    assert all(sign in names for sign in ("é", "山", "🌻", "محمد"))


def test_spoiled_orders_are_wrong_in_the_way_they_say(many):
    by_kind = {kind: [m.order for m in many if m.kind == kind] for kind in SPOILED}
    assert all(len({"items", "ship_to", "total"} - set(order)) == 1 for order in by_kind["missing_field"])
    assert all(any(line["quantity"] % 1 for line in o["items"]) for o in by_kind["fractional_quantity"])
    assert all("id" not in order and "uuid" not in order for order in by_kind["no_identity"])


def test_quick():
    began = time.process_time()
    assert sum(1 for _ in generator.orders(2000, 1)) == 2000
    assert time.process_time() - began < 2


def _luhn(number: str) -> bool:
    digits = [int(d) for d in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])) % 10 == 0 and len(digits) == 16
