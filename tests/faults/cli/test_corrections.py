"""An operator corrects a refused order by command: what is sent, what stays, and when a correction ends."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from order_relay.ledger import WorkItem
from order_relay.orders.messages import RunContext
from order_relay.orders.paths import replace_value
from order_relay.pipeline.archive import read_documents
from order_relay.pipeline.operators.correctable_orders import OrderCorrections
from order_relay_sandbox import ThreadedSandbox
from tests.faults.cli.conftest import Run
from tests.faults.cli.test_operator_changes import audited, keys
from tests.support.engine import Engine
from tests.support.failpoints import killed_at
from tests.support.faults.case import Case, Order
from tests.support.faults.cases import CASES

CITY = "Correctville"
VALUES = {"ship_city": CITY, "ship_address1": "77 Corrected Road"}
WHY = ("--reason", "customer phoned", "--who", "ann")


def without(engine: Engine, order: Order, *fields: str) -> Order:
    """The order without the members behind these fields, so that it is refused."""
    for name in fields:
        for path in next(rule.paths for rule in engine.wiring.transformer.reader.orders if rule.target == name):
            order = replace_value(order, path, None)
    return order


def refused(case: Case, engine: Engine, sandbox: ThreadedSandbox, *fields: str) -> tuple[str, Order]:
    """One of three orders is refused because these fields are missing."""
    order = without(engine, case.plain(3)[0], *fields)
    sandbox.offer([order])
    engine.run("first")
    assert sorted(engine.states().values()) == ["imported", "imported", "quarantined"]
    return case.key(order), order


def archived(engine: Engine) -> Any:
    [work] = work_of(engine)
    return next(
        document for slice_ in read_documents(engine.wiring.store, engine.pipeline, [work]) for _, document in slice_
    )


def work_of(engine: Engine, state: str = "quarantined") -> list[WorkItem]:
    ids = [life["id"] for source_id in engine.ids_in(state) for life in engine.ledger.queries.find(source_id)]
    return engine.ledger.worklist.get(ids)


def payload_of(command: Run, number: str) -> str:
    (found,) = command("order", number, "--payload")["submissions"]
    assert found["state"] == "imported"
    return str(found["attempts"][-1]["payload"])


def test_a_corrected_order_is_sent_with_the_corrected_value(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run
) -> None:
    number, _ = refused(case, engine, sandbox, "ship_city")
    before = archived(engine)
    shown = command("correct", number, "--fields")
    assert {"name": "ship_city", "value": "", "problem": ""} in shown["fields"]
    stale = f"{shown['id']}/{shown['revision']}"
    result = command("correct", number, "--set", f"ship_city={CITY}", "--shown", stale, *WHY)
    assert (result["state"], result["outlook"], result["issues"]) == ("received", "ready", [])
    assert "have changed since they were shown" in command(
        "correct", number, "--withdraw", "ship_city", "--shown", stale, *WHY, code=2
    )
    [work] = work_of(engine, "received")
    assert before == next(
        document for slice_ in read_documents(engine.wiring.store, engine.pipeline, [work]) for _, document in slice_
    )
    engine.run("second")
    assert CITY in payload_of(command, number)
    seen = audited(engine, sandbox, keys(case))
    assert seen["offers"][number]["acknowledged"]
    (found,) = command("order", number)["submissions"]
    assert [note["code"] for note in found["notes"]].count("corrected") == 1
    assert [(one["field"], one["who"], one["why"]) for one in found["corrections"]] == [
        ("ship_city", "ann", "customer phoned")
    ]
    assert CITY not in str(found), "values only with --payload"


@pytest.mark.parametrize("answer", ["carry over", "dismiss"])
@pytest.mark.parametrize("case", CASES[:1], ids=lambda case: case.name)
def test_changed_content_is_not_corrected_before_it_is_confirmed(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run, answer: str
) -> None:
    number, order = refused(case, engine, sandbox, "ship_city")
    command("correct", number, "--set", f"ship_city={CITY}", *WHY)
    sandbox.offer([without(engine, case.changed(order), "ship_city")])
    engine.run("second")
    assert list(engine.states().values()).count("quarantined") == 1, "applies to the content that was corrected"
    shown = command("correct", number, "--fields")
    assert (shown["corrections"], shown["pending"]["ship_city"]["new"]) == ({}, CITY)
    if answer == "carry over":
        assert command("correct", number, "--carry-over", *WHY)["outlook"] == "ready"
        engine.run("third")
        assert CITY in payload_of(command, number)
        audited(engine, sandbox, keys(case))
    else:
        assert command("correct", number, "--dismiss", *WHY)["state"] == "quarantined"
        assert command("correct", number, "--fields")["pending"] == {}
        audited(engine, sandbox, keys(case) - {number})


@pytest.mark.parametrize("case", CASES[:1], ids=lambda case: case.name)
def test_what_is_still_wrong_is_shown_at_once_and_a_withdrawal_counts(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, command: Run
) -> None:
    number, _ = refused(case, engine, sandbox, "ship_city", "bill_city")
    result = command("correct", number, "--set", f"ship_city={CITY}", *WHY)
    assert (result["state"], [issue["code"] for issue in result["issues"]]) == ("quarantined", ["missing_field"])
    assert command("correct", number, "--set", "bill_city=Elsewhere", *WHY)["outlook"] == "ready"
    result = command("correct", number, "--withdraw", "ship_city", *WHY)
    assert (result["state"], len(result["issues"])) == ("quarantined", 1)
    assert "cannot be corrected: identities" in command("correct", number, "--set", "total=1", *WHY, code=2)
    assert "give one of --set" in command("correct", number, code=2)
    assert "--reason is empty" in command("correct", number, "--set", "notes=x", code=2)


PENDING = dict.fromkeys(VALUES, "pending")
KILLED = {"correct": ({}, VALUES), "withdraw": (VALUES, {}), "carry_over": (PENDING, VALUES), "dismiss": (PENDING, {})}
"""The corrections of an order before and after each action."""


@pytest.mark.parametrize("act", KILLED)
@pytest.mark.parametrize("case", CASES[:1], ids=lambda case: case.name)
def test_a_kill_leaves_nothing_or_the_whole_of_it(
    case: Case, engine: Engine, sandbox: ThreadedSandbox, act: str
) -> None:
    """At every failpoint of each action; the next run ends what was interrupted."""
    orders = case.plain(8)
    sandbox.offer([without(engine, order, "ship_city", "bill_city") for order in orders])
    engine.run("first")
    if act != "correct":
        for work in work_of(engine):
            perform("correct", engine, work)
    if act in {"carry_over", "dismiss"}:
        sandbox.offer([without(engine, case.changed(order), "ship_city", "bill_city") for order in orders])
        engine.run("changed")
    before, after = KILLED[act]
    stored = []
    for place, work in enumerate(work_of(engine)):
        actions = performed(engine, work)
        assert corrections_of(engine, work) == before
        killed = killed_at(place, partial(perform, act, engine, work))
        (now,) = engine.ledger.worklist.get([work.id])
        done = performed(engine, work)[len(actions) :]
        assert done == [act] or (now == work and not done)
        stored.append(bool(done))
        assert corrections_of(engine, now) == (after if done else before)
        assert (now.revision > work.revision) == (bool(done) and act != "dismiss")
        if not killed:
            break
    else:
        pytest.fail("more failpoints than orders")
    assert (stored[0], stored[-1]) == (False, True), "the first kill was before the commit"
    engine.run("second")
    assert set(engine.states().values()) == {"quarantined"}
    assert engine.run("third").breaches == []


def perform(act: str, engine: Engine, work: WorkItem) -> None:
    wiring = engine.fresh_wiring()
    mine = OrderCorrections(wiring.ledger, wiring.store, wiring.transformer)
    given: dict[str, dict[str, Any]] = {"correct": {"values": VALUES}, "withdraw": {"fields": [*VALUES]}}
    ctx = RunContext(engine.pipeline, "", "ann")
    getattr(mine, act)(ctx, work.id, revision=work.revision, why="customer phoned", **given.get(act, {}))


def performed(engine: Engine, work: WorkItem) -> list[str]:
    return [one.action for one in engine.ledger.activity.of_submission(work.id)]


def corrections_of(engine: Engine, work: WorkItem) -> dict[str, Any]:
    """The values that apply, and which fields wait for confirmation."""
    return {**work.corrections, **{one.field: "pending" for one in engine.ledger.corrections.pending(work.id)}}
