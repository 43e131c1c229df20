"""The audit of one source against one destination."""

from __future__ import annotations

from typing import Any

import pytest

from order_relay_sandbox import Sandbox, serve_in_thread
from order_relay_sandbox.audit import Audit, Offer

QUIET: dict[str, Any] = {
    "doubled": [],
    "versions_doubled": [],
    "missing": [],
    "lost": [],
    "acknowledged_early": [],
    "unexpected": [],
    "totals_differ": {},
}


def offered(audit, number, total=1250, *, lineage="", rank=None, source="shop"):
    return audit.offer(Offer(source, number, f"id {number}", lineage, rank, number, total, "plain"))


def findings(audit, destination="oms"):
    return {name: audit.pair("shop", destination)[name] for name in QUIET}


def test_nothing_to_find():
    audit = Audit()
    order = offered(audit, "1")
    audit.stored("oms", "1", 7, 1250)
    audit.acknowledge(order)
    assert findings(audit) == QUIET
    assert audit.pair("shop", "oms")["imported"] == {"1": 1}
    assert audit.pair("shop", "oms")["offered"] == 1


def test_an_update_of_the_same_order_is_no_duplicate():
    audit = Audit()
    offered(audit, "1")
    audit.stored("oms", "1", 7, 1)
    audit.stored("oms", "1", 7, 1250)
    assert findings(audit) == QUIET
    audit.stored("oms", "1", 8, 1250)
    assert findings(audit) == QUIET | {"doubled": ["1"]}


def test_two_destinations_are_kept_apart():
    audit = Audit()
    order = offered(audit, "1")
    audit.stored("elsewhere", "1", 7, 9)
    audit.acknowledge(order)
    assert findings(audit, "elsewhere") == QUIET | {"totals_differ": {"1": {"offered": ["12.50"], "stored": ["0.09"]}}}
    assert findings(audit) == QUIET | {"missing": ["1"], "lost": ["1"], "acknowledged_early": ["1"]}
    audit.stored("oms", "1", 7, 1250)
    assert findings(audit) == QUIET | {"acknowledged_early": ["1"]}
    assert audit.report()["doubled"] == []


def test_a_newer_version_stands_for_the_older_one():
    audit = Audit()
    old, new = (offered(audit, number, lineage="u", rank=rank) for number, rank in (("1", 1), ("1-1", 2)))
    audit.stored("oms", "1-1", 7, 1250)
    audit.acknowledge(old)
    audit.acknowledge(new)
    assert findings(audit) == QUIET
    audit.stored("oms", "1", 8, 1250)
    assert findings(audit) == QUIET | {"versions_doubled": ["u"]}


def test_orders_that_nobody_offered():
    audit = Audit()
    offered(audit, "other", source="another shop")
    audit.stored("oms", "other", 7, 1)
    audit.stored("oms", "invented", 8, 1)
    assert findings(audit) == QUIET | {"unexpected": ["invented"]}


@pytest.mark.parametrize(
    ("total", "stored", "differs"), [(1250, "1250.0", False), ("1250.5", 1250, True), (None, 1, False)]
)
def test_totals_are_compared_exactly(total, stored, differs):
    audit = Audit()
    offered(audit, "1", total)
    audit.stored("oms", "1", 7, stored)
    assert bool(findings(audit)["totals_differ"]) is differs


def test_over_http():
    order = {"id": 11, "uuid": "", "order_number": "7", "total": "12.50", "items": []}
    with serve_in_thread(orders=[order]) as sandbox:
        assert sandbox.pair("supercat", "shopatron")["missing"] == ["7"]
    with pytest.raises(ValueError, match="unknown destination 'supercat'; available: shopatron"):
        Sandbox().pair("supercat", "supercat")
