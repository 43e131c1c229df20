"""CloudSuite's generated orders: repeatable, of every kind, spread in time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from order_relay_sandbox import Sandbox
from order_relay_sandbox.cloudsuite.generator import KINDS, orders


@pytest.fixture(scope="module")
def many():
    return list(orders(3000, seed=5))


def test_same_seed_same_orders_and_no_other(many):
    assert list(orders(200, 5)) == list(orders(200, 5))
    assert list(orders(200, 5)) != list(orders(200, 6))
    assert [m.document for m in orders(50, 5, first=10)] == [m.document for m in many[10:60]]


def test_kinds_and_identities(many):
    counts = Counter(made.kind for made in many)
    assert set(counts) == set(KINDS)
    assert 0.70 < counts["plain"] / 3000 < 0.78
    assert sum(kind.weight for kind in KINDS.values()) == 1000
    names = [(made.document["webshop"], made.document["reference"]) for made in many]
    ids = [made.document["id"] for made in many]
    assert len(set(names)) == len(many), "a reference comes once in a web shop"
    assert len({reference for _, reference in names}) < len(many), "but not once in all"
    assert ids == sorted(set(ids))


def test_each_kind_matches_its_name(many):
    by_kind = {kind: [made for made in many if made.kind == kind] for kind in KINDS}
    for status in ("started", "closed_canceled", "none"):
        documents = [made.document for made in by_kind[status]]
        assert all(d["payment_status"] == status and d["paid_amount"] is None for d in documents)
    assert {m.document["state"] for m in by_kind["offline"]} == {"confirmed", "processing", "done"}
    assert all(made.offline == (made.kind == "offline") for made in many)
    assert all(m.document["order_lines"][0]["quantity"] % 1 for m in by_kind["fraction"])
    assert all(m.document["order_lines"][-1]["type"] != "line" for m in by_kind["unknown_type"])
    assert all(line["quantity"] % 1 == 0 for m in by_kind["plain"] for line in m.document["order_lines"])
    assert len({m.document["currency"] for m in by_kind["plain"]}) > 3


def test_the_shop_has_them_confirmed_within_the_spread():
    settings = {"cloudsuite": {"now": "2026-03-04T12:00:00Z", "spread_h": 72}}
    sandbox = Sandbox(settings, 200, 3, sources=["cloudsuite"])
    end = datetime.fromisoformat("2026-03-04T12:00:00Z")
    confirmed = [order.confirmed for order in sandbox.vendor("cloudsuite").store.all() if order.confirmed is not None]
    assert all(end - timedelta(hours=72) <= moment <= end + timedelta(seconds=60) for moment in confirmed)
    assert max(confirmed) - min(confirmed) > timedelta(hours=60)
    assert confirmed != sorted(confirmed), "ids and confirm dates do not rise together"
    offered = sandbox.report()["offered"]
    kinds = Counter(order.kind for order in sandbox.vendor("cloudsuite").store.all())
    never = sum(kinds[kind] for kind in ("offline", "draft", "quotation", "processing", "done", "cancel"))
    assert offered == 200 - never
