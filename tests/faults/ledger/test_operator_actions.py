"""A kill at any failpoint of an operator's action leaves either nothing of it or the whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from order_relay import failpoints
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.web_app import create_app
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.ledger.reporting.order_history import OrderHistories
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.orders.messages import RunContext
from order_relay.wiring.pipeline_tables import PipelineTables
from tests.support.archived_orders import PIPELINE
from tests.support.desk import OWN_PAGE, FixedAccess
from tests.support.failpoints import killed_at
from tests.support.stopped_orders import StoppedOrders, copied

Action = Callable[[StoppedOrders], object]
SOON = datetime.now(UTC) + timedelta(days=1)
ROW = RowKey("country", "Freedonia")


def tables(orders: StoppedOrders) -> PipelineTables:
    return PipelineTables(orders.ledger, orders.parts, PIPELINE)


def reveal(orders: StoppedOrders) -> str:
    """The desk's answer with the personal data of an order."""
    desk = DeskDeployment(orders.parts, orders.host)
    try:
        client = TestClient(create_app(desk, FixedAccess()), headers=OWN_PAGE)  # raises what the desk raises
        answer = client.post(f"/orders/{orders.id('clean')}/reveal", data={"reason": "call the customer"})
    finally:
        desk.close()
    assert answer.status_code == 200
    return str(answer.text)


ACTIONS: dict[str, Action] = {
    "replay": lambda on: on.actions.replay(on.shown("clean", "broken", "rejected"), "fixed", "ann"),
    "discard": lambda on: on.actions.discard(on.shown("broken", "rejected", "held"), "test", "ann"),
    "decide": lambda on: on.actions.decide(on.numbers["held"], "separate", "another", "ann", pipeline=PIPELINE),
    "settle": lambda on: on.actions.settle(on.numbers["in_doubt"], "901", "found", "ann"),
    "note": lambda on: on.actions.note([on.id("clean"), on.id("held")], "asked", "ann"),
    "assign": lambda on: on.actions.assign(on.shown("clean", "held"), "bob", "ann"),
    "snooze": lambda on: on.actions.snooze(on.shown("clean", "in_doubt"), SOON, "later", "ann"),
    "unsnooze": lambda on: on.actions.unsnooze(on.shown("clean", "in_doubt"), "ann"),
    "keep": lambda on: on.actions.decide_cancellations(on.shown("in_doubt"), "keep", "wanted", "ann"),
    "retry": lambda on: on.actions.decide_write_back([PIPELINE], "fixed", "ann", retry=True, only=lambda _: True),
    "put": lambda on: tables(on).put(ROW, "FR", "new", "ann"),
    "remove": lambda on: tables(on).remove(ROW, "wrong", "ann"),
    "reveal": reveal,
}


def cancelled_by_its_source(on: StoppedOrders) -> None:
    """An imported order that its source cancelled, with a write-back step that failed."""
    ACTIONS["settle"](on)
    (work,) = on.ledger.worklist.get([on.id("in_doubt")])
    on.ledger.cancellations.record(RunContext(PIPELINE, "run"), [work.source_id])
    step = {"submission_id": work.id, "step": "shipped", "delivery": 0, "state": "failed", "tries": 5, "run": "run"}
    with on.ledger.database.engine.begin() as conn:
        conn.execute(feedback.insert().values(step | {"at": datetime.now(UTC), "message": "HTTP 400"}))


BEFORE = {
    "keep": cancelled_by_its_source,
    "retry": cancelled_by_its_source,
    "unsnooze": ACTIONS["snooze"],
    "remove": ACTIONS["put"],
}
"""What was done before an action."""


def prepared(name: str, folder: Path) -> StoppedOrders:
    orders = copied(folder)
    BEFORE.get(name, lambda _: None)(orders)
    return orders


def content(orders: StoppedOrders) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, without times."""
    with orders.ledger.database.engine.connect() as conn:
        return {
            table.name: [
                {name: value for name, value in row.items() if not isinstance(value, datetime)}
                for row in conn.execute(sa.select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("name", ACTIONS)
def test_a_killed_action_did_everything_or_nothing(name: str, tmp_path: Path) -> None:
    whole = prepared(name, tmp_path / "whole")
    before = content(whole)
    ACTIONS[name](whole)
    after = content(whole)
    whole.ledger.close()
    assert after != before
    seen = []
    for place in itertools.count():
        orders = prepared(name, tmp_path / str(place))
        killed = killed_at(place, lambda on=orders: ACTIONS[name](on))  # type: ignore[misc]
        left = content(orders)
        assert left in (before, after)
        assert orders.ledger.accounting.invariant_violations() == []
        if left == before:  # it can be repeated
            ACTIONS[name](orders)
            assert content(orders) == after
        orders.ledger.close()
        seen.append(left == after)
        if not killed:
            break
    assert seen == sorted(seen)
    assert len(seen) >= 3, "before and after its commit, and not killed"


def test_personal_data_is_read_only_after_its_reveal_is_recorded(tmp_path: Path) -> None:
    """A kill may leave a record of what nobody saw, never the reverse."""
    recorded_first = []
    for place in itertools.count():
        orders = copied(tmp_path / str(place))
        activity, number = orders.ledger.activity, orders.id("clean")
        read, answers = OrderHistories.personal_texts, list[str]()

        def recording_read(*arguments: Any, read: Any = read, activity: Any = activity, number: int = number) -> Any:
            recorded_first.append([one.action for one in activity.of_submission(number)] == ["reveal"])
            return read(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(OrderHistories, "personal_texts", recording_read)
            killed = killed_at(place, lambda on=orders, told=answers: told.append(reveal(on)))  # type: ignore[misc]
        recorded = bool(activity.of_submission(number))
        orders.ledger.close()
        assert recorded or not answers
        if not killed:
            assert answers
            break
    assert recorded_first
    assert all(recorded_first)


@pytest.mark.parametrize("act", ["stop", "resume"])
def test_a_kill_never_resumes_sending_without_a_record(act: str, tmp_path: Path) -> None:
    """The switch is no part of the ledger: interrupted, sending is stopped in either case."""
    for place in itertools.count():
        orders = copied(tmp_path / str(place))
        orders.parts.pipelines = {PIPELINE: orders.parts.pipelines[PIPELINE]}
        if act == "resume":
            orders.host.set_stop_switch("true")
        store = orders.host.set_stop_switch

        def set_and_pass(value: str, store: Callable[[str], None] = store) -> None:
            with failpoints.failpoint("the switch"):
                store(value)

        orders.host.set_stop_switch = set_and_pass  # type: ignore[method-assign]
        work = getattr(orders.actions, act)
        killed = killed_at(place, lambda work=work: work(None, "x", "ann"))  # type: ignore[misc]
        recorded = bool(orders.ledger.activity.general(act))
        stopped = orders.host.switch.stops(PIPELINE)
        assert recorded or stopped or (act == "stop" and killed)
        if act == "stop" and killed and not recorded:
            orders.actions.stop(None, "x", "ann")
            assert (orders.host.switch.everything, bool(orders.ledger.activity.general(act))) == (True, True)
        orders.ledger.close()
        if not killed:
            assert (recorded, stopped) == (True, act == "stop")
            break
