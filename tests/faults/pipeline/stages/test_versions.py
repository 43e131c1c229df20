"""Which orders are versions of one, from the shop to the OMS: what is held, what is sent, what is acknowledged."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs import start
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.faults.cases import named

CASE = named("supercat-shopatron")
NIL = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def sandbox() -> Iterator[ThreadedSandbox]:
    with serve_in_thread(CASE.at_destination(**CASE.harsh), [], sources=[CASE.source_side]) as vendors:
        yield vendors


@pytest.fixture
def engine(sandbox: ThreadedSandbox, tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path, CASE.connect(sandbox.url), pipeline=CASE.pipeline)
    yield made
    made.wiring.close()


def family(**newer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order and its resubmission."""
    old = CASE.plain(1)[0] | {"customer_number": "C-1", "customer_po": "11"}
    return old, CASE.newer(old) | newer


def reasons(engine: Engine) -> dict[str, str]:
    return {row["order_number"]: row["reason"] for row in engine.ledger.queries.held()}


def at_oms(sandbox: ThreadedSandbox) -> dict[str, int]:
    return {key: order["count"] for key, order in sandbox.report()["orders"].items()}


def test_another_customer_and_po_under_one_uuid_hold_both(engine: Engine, sandbox: ThreadedSandbox) -> None:
    old, new = family(customer_number="C-2", customer_po="22")
    new["ship_to"] = new["ship_to"] | {"city": "Tucson"}
    sandbox.offer([old, new])
    engine.run("first")
    engine.run("second")
    assert set(reasons(engine).values()) == {"contradicting_versions"}
    (life,) = engine.ledger.queries.find(old["order_number"])[:1]
    assert life["events"][-1]["why"] == "contradicting_versions: different customer number and customer PO"
    assert at_oms(sandbox) == {}
    assert sandbox.report()["acknowledged"] == []


def test_another_city_alone_is_no_contradiction(engine: Engine, sandbox: ThreadedSandbox) -> None:
    """A customer may correct the address; the same customer and PO say that it is the same order."""
    old, new = family(customer_number="c-1 ")
    new["ship_to"] = new["ship_to"] | {"city": "Tucson"}
    sandbox.offer([old, new])
    engine.run("first")
    assert at_oms(sandbox) == {new["order_number"]: 1}
    assert sorted(sandbox.report()["acknowledged"]) == sorted([old["order_number"], new["order_number"]])


def test_unlike_base_numbers_under_one_uuid_are_held(engine: Engine, sandbox: ThreadedSandbox) -> None:
    old, new = family()
    new["order_number"] = "9455-030124-007"
    sandbox.offer([old, new])
    engine.run("first")
    assert set(reasons(engine).values()) == {"contradicting_versions"}
    assert at_oms(sandbox) == {}


@pytest.mark.parametrize("uuid", [NIL, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "11111111-1111-1111-1111-111111111111"])
def test_a_placeholder_uuid_joins_nothing(engine: Engine, sandbox: ThreadedSandbox, uuid: str) -> None:
    one, other = (CASE.twin(CASE.plain(1)[0], number) | {"uuid": uuid} for number in (1, 2))
    sandbox.offer([one, other])
    engine.run("first")
    assert at_oms(sandbox) == {one["order_number"]: 1, other["order_number"]: 1}


def test_an_obsolete_quarantined_version_ends_superseded_and_acknowledged(
    engine: Engine, sandbox: ThreadedSandbox
) -> None:
    old, new = family()
    wrong = copy.deepcopy(old) | {"total": str(Decimal(str(old["total"])) + 1)}
    sandbox.offer([wrong])
    engine.run("first")
    assert engine.states()[str(wrong["id"])] == "quarantined"
    sandbox.offer([new])
    engine.run("second")
    assert engine.states() == {str(wrong["id"]): "superseded", str(new["id"]): "imported"}
    assert sorted(sandbox.report()["acknowledged"]) == sorted([wrong["order_number"], new["order_number"]])
    assert engine.run("third").breaches == []
    assert at_oms(sandbox) == {new["order_number"]: 1}


def test_unread_fields_are_not_changes_of_an_imported_order(engine: Engine, sandbox: ThreadedSandbox) -> None:
    """Its acknowledgement failed, and meanwhile the shop counted up a member that no rule reads."""
    order = CASE.plain(1)[0]
    sandbox.offer([order | {"updated_at": "2026-05-01T10:00:00Z"}])
    ctx, wiring = RunContext(engine.pipeline, "first"), engine.wiring
    start.start_run(ctx, engine.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
    for chunk in engine.prepare(ctx, engine.extract(ctx)):
        engine.load(ctx, chunk)  # the run ends before it acknowledges
    sandbox.offer([order | {"updated_at": "2026-05-02T10:00:00Z", "view_count": 7}])
    engine.run("second")
    assert (engine.states(), reasons(engine)) == ({str(order["id"]): "imported"}, {})
    assert sandbox.report()["acknowledged"] == [order["order_number"]]
