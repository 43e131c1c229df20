"""Held orders and orders in doubt, decided by a person who answers through Airflow's API as its pages do."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.hitl import OPEN, Operator, because, found, person

DAG = "order_review"


class TestHeld:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: Callable[..., Any]) -> Any:
        """A plain order that is offered again with other content, and a form that was used for a second order."""
        from order_relay_sandbox.money import text
        from order_relay_sandbox.supercat.body import cents, total_up
        from order_relay_sandbox.supercat.generator import orders as generate

        made = list(generate(400, seed=5))
        reused = [m.order for m in made if m.kind.startswith("reused_form")][:2]
        plain = next(m.order for m in made if m.kind == "plain")
        world = make_world(orders=[plain, *reused])
        assert world.run().state == "success"
        changed = copy.deepcopy(plain)
        line = changed["items"][0]
        line["quantity"] += 3
        line["extended_price"] = text(cents(line["unit_price"]) * line["quantity"])
        changed["ship_to"]["name"] = "ZQX Somebody Else"
        world.sandbox.offer([total_up(changed)])
        assert world.run().state == "success"
        assert world.states() == {"imported": 1, "held": 3}
        world.plain = plain["order_number"]
        return world

    @pytest.fixture(scope="class")
    @classmethod
    def opened(cls, world: Any) -> dict[str, Any]:
        """The reviews that the DAG opens, by order number."""
        run = world.run(DAG)
        assert run.state == "success"
        assert run.tasks["start"] == run.tasks["find"] == "success"
        assert {run.tasks[name] for name in ("review", "confirm", "decide", "settle", "record")} == {"skipped"}
        return {one["conf"]["review"]["number"]: one["conf"] for one in found(run)}

    def test_one_review_a_group(self, world: Any, opened: dict[str, Any]) -> None:
        held = [row for row in world.rows() if row["state"] == "held"]
        assert len(opened) == len({row["lineage"] for row in held}) == 2
        assert world.plain in opened

    def test_it_is_not_opened_again(self, world: Any, opened: dict[str, Any]) -> None:
        again = world.run(DAG)
        assert again.tasks["find"] == "skipped"
        assert again.tasks["open_review"] == "skipped"

    def test_an_answer_without_reason_is_asked_for_again_and_no_confirmation_no_replacement(
        self, world: Any, opened: dict[str, Any], api: Any
    ) -> None:
        answers = [
            ("replacement", because("")),
            ("replacement", because("the customer wants more")),
            ("it is not: decide nothing", {}),
        ]
        with person(api, *answers) as someone:
            run = world.run(DAG, **opened[world.plain])
        assert run.state == "success"
        assert world.states() == {"imported": 1, "held": 3}
        assert run.tasks["decide"] == "success"
        subject, body = someone.seen[0]
        assert world.plain in subject
        assert "quantity" in body
        assert "ZQX" not in body
        oms_id = next(row["oms_id"] for row in world.rows() if row["state"] == "imported")
        assert oms_id in someone.seen[2][1]

    def test_a_confirmed_replacement_is_sent(self, world: Any, opened: dict[str, Any], api: Any) -> None:
        answers = [
            ("replacement", because("the customer wants more")),
            ("the old order is cancelled in the OMS", {}),
        ]
        with person(api, *answers):
            run = world.run(DAG, **opened[world.plain])
        assert {run.tasks[name] for name in ("review", "confirm", "decide")} == {"success"}
        assert world.states() == {"imported": 1, "held": 2, "received": 1}
        kept = world.ask("SELECT decision, reason, who FROM settlement")
        assert [row["decision"] for row in kept] == ["replacement"]
        assert "cancelled" in kept[0]["reason"]
        assert kept[0]["who"]

    def test_what_was_decided_elsewhere_is_not_asked(self, world: Any, opened: dict[str, Any]) -> None:
        run = world.run(DAG, **opened[world.plain])
        assert run.state == "success"
        assert {run.tasks[name] for name in ("review", "confirm", "decide")} == {"skipped"}

    def test_an_answer_to_an_outdated_review_changes_nothing(
        self, world: Any, opened: dict[str, Any], api: Any
    ) -> None:
        (number,) = opened.keys() - {world.plain}
        before = world.states()

        class Late(Operator):
            """Something comes while the person thinks."""

            def work(self, done: threading.Event) -> None:
                while not done.wait(0.2):
                    if any(
                        d["task_instance"]["state"] == "awaiting_input"
                        for d in self.client.get(OPEN).json()["hitl_details"]
                    ):
                        world.change(f"UPDATE submission SET revision = revision + 1 WHERE order_number = '{number}'")
                        break
                super().work(done)

        someone, done = Late(api, [("discard", because("a mistake"))]), threading.Event()
        thread = threading.Thread(target=someone.work, args=(done,), daemon=True)
        thread.start()
        run = world.run(DAG, **opened[number])
        done.set()
        thread.join(60)
        assert run.tasks["decide"] == "success"
        assert world.states() == before
        assert len(found(world.run(DAG))) == 1, "a new review is opened"

    def test_separate_orders_are_sent(self, world: Any, api: Any) -> None:
        """One answer decides about both orders on one form."""
        world.change("UPDATE submission SET revision = revision + 1 WHERE state = 'held'")
        (one,) = found(world.run(DAG))
        with person(api, ("separate", because("two orders"))) as someone:
            run = world.run(DAG, **one["conf"])
        assert (run.tasks["review"], run.tasks["confirm"], run.tasks["decide"]) == ("success", "skipped", "success")
        assert "and 1 more held with it" in someone.seen[0][0]
        assert "are sent, each as an order of its own" in someone.seen[0][1]
        assert world.run(DAG).tasks["find"] == "skipped", "nothing is left to ask"
        assert world.run().state == "success"
        assert world.states() == {"imported": 4}
        assert world.sandbox.report()["doubled"] == []


class Elsewhere(Operator):
    """Settles the order by the function of the desk while its review waits; then Airflow's scheduler looks once."""

    def work(self, done: threading.Event) -> None:
        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

        from order_relay.airflow.desk.host import AirflowHost
        from order_relay.airflow.installation import Installation
        from order_relay.wiring.actions import OperatorActions

        while not done.wait(0.2):
            waiting = [one["task_instance"]["state"] for one in self.client.get(OPEN).json()["hitl_details"]]
            if "awaiting_input" not in waiting:
                continue
            if self.answers:
                number, typed = self.answers.pop()
                installation = Installation()
                with installation.ledger() as ledger:
                    actions = OperatorActions(ledger, installation, AirflowHost(installation))
                    actions.settle(number, None, typed["reason"], "ann")
            scheduler: Any = SimpleNamespace(log=logging.getLogger("scheduler"))
            SchedulerJobRunner.check_awaiting_input_timeouts(scheduler)


class TestInDoubt:
    @pytest.fixture(scope="class")
    @classmethod
    def world(cls, make_world: Callable[..., Any]) -> Any:
        """Two orders in doubt for longer than the setting allows."""
        fault = {"at": "import", "effect": "done", "answer": "cut", "first": 2}
        world = make_world(orders=3, scenario={"shopatron": {"faults": [fault]}})
        world.connect(shopatron={"extra": {"search_by": "none"}})
        assert world.run().state == "success"
        assert world.states()["in_doubt"] == 2
        assert world.run(DAG).tasks["find"] == "skipped", "not before the setting"
        world.change("UPDATE attempt SET sent_at = '2026-01-01 00:00:00.000000'")
        return world

    @pytest.fixture(scope="class")
    @classmethod
    def opened(cls, world: Any) -> list[dict[str, Any]]:
        """The two reviews."""
        return [one["conf"] for one in found(world.run(DAG))]

    def test_an_operator_settles(self, world: Any, opened: list[dict[str, Any]], api: Any) -> None:
        answers = [
            ("stored", {"oms_id": "", "reason": "seen in the OMS"}),
            ("stored", {"oms_id": "4711", "reason": "seen in the OMS"}),
        ]
        with person(api, *answers):
            run = world.run(DAG, **opened[0])
        assert (run.tasks["settle"], run.tasks["record"], run.tasks["review"]) == ("success", "success", "skipped")
        assert world.states()["in_doubt"] == 1
        assert "4711" in {row["oms_id"] for row in world.rows()}

    def test_the_desk_shows_what_a_review_answered_as_resolved(self, world: Any, opened: list[dict[str, Any]]) -> None:
        from order_relay.airflow.session import open_ledger
        from order_relay.ledger.operators.attention_sources import AttentionRules

        with open_ledger() as ledger:
            groups = ledger.attention.groups(ledger.runs.pipelines(), AttentionRules())
            resolved = ledger.attention.resolved(ledger.runs.pipelines(), datetime.min.replace(tzinfo=UTC), limit=9)
        assert [one.number for one in groups if one.kind == "in_doubt"] == [1]
        assert [(one.order_number, one.state) for one in resolved] == [(opened[0]["review"]["number"], "imported")]

    def test_an_open_review_ends_when_the_order_is_settled_on_the_desk(
        self, world: Any, opened: list[dict[str, Any]], api: Any
    ) -> None:
        someone, done = Elsewhere(api, [(opened[1]["review"]["number"], because("not in the OMS"))]), threading.Event()
        thread = threading.Thread(target=someone.work, args=(done,), daemon=True)
        thread.start()
        run = world.run(DAG, **opened[1])
        done.set()
        thread.join(60)
        assert (run.state, run.tasks["settle"], run.tasks["record"]) == ("success", "skipped", "skipped")
        assert world.states()["in_doubt"] == 0

    def test_an_operator_keeps_what_the_shop_cancelled(self, world: Any, api: Any) -> None:
        world.change("UPDATE submission SET source_cancelled_at = '2026-01-01 00:00:00.000000' WHERE oms_id = '4711'")
        (one,) = found(world.run(DAG))
        with person(api, ("keep", because("")), ("keep", because("the customer wants it"))) as someone:
            run = world.run(DAG, **one["conf"])
        assert "the shop cancelled order" in someone.seen[0][0]
        assert "`4711`" in someone.seen[0][1]
        assert (run.tasks["cancellation"], run.tasks["conclude"], run.tasks["review"]) == (*["success"] * 2, "skipped")
        assert world.run(DAG).tasks["find"] == "skipped", "nothing is left to ask"
        decided = world.ask("SELECT decision, reason FROM settlement WHERE decision = 'keep'")
        assert [row["reason"] for row in decided] == ["the customer wants it"]


def test_an_open_review_reminds_and_ends_where_nothing_is_left_to_ask(
    make_world: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What the task does when its hour is over; the waking itself is Airflow's scheduler's."""
    from datetime import timedelta

    from airflow.sdk.exceptions import AirflowSkipException

    from order_relay.airflow.jobs import reviews
    from order_relay.airflow.session import open_ledger
    from order_relay_sandbox.supercat.generator import orders as generate

    made = [m.order for m in generate(400, seed=5) if m.kind == "suffix_without_base"][:1]
    world = make_world(orders=made)
    assert world.run().state == "success"
    with open_ledger() as ledger:
        (case,) = reviews.pending_reviews(ledger)
    assert case.choices == ("separate", "discard"), "there is nothing to replace"
    kept: dict[str, str] = {}
    ti = SimpleNamespace(
        task_id="review",
        log_url="",
        xcom_pull=lambda task_ids, key: kept.get(key),
        xcom_push=lambda key, value: kept.update({key: value}),
    )
    run = SimpleNamespace(conf=case.conf(), run_after=datetime.now(UTC) - timedelta(days=2), dag_id=DAG, run_id="x")
    context: Any = {"ti": ti, "dag_run": run}
    with caplog.at_level("WARNING"):
        assert reviews.recheck(case, context) == timedelta(hours=1)
        assert reviews.recheck(case, context) == timedelta(hours=1)
    assert len([r for r in caplog.records if "has waited for a decision" in r.getMessage()]) == 1
    world.change("UPDATE submission SET state = 'discarded'")
    with pytest.raises(AirflowSkipException):
        reviews.recheck(case, context)
