"""The web shop's two DAGs on real Airflow, between simulated vendors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PIPELINE = "cloudsuite_to_shopatron"
FATES = {
    **dict.fromkeys(("started", "closed_canceled", "none"), "waiting"),
    **dict.fromkeys(("fraction", "unknown_type"), "quarantined"),
}
"""What the rules say about the kinds of orders that the shop offers; every other kind is imported."""


@pytest.fixture(scope="module")
def moved(make_world: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """Sixty orders, after one run of each DAG."""
    world = make_world(orders=60, seed=3, source="cloudsuite")
    return world, world.run(PIPELINE), world.run("cloudsuite_feedback")


class TestOneRun:
    def test_both_are_green(self, moved: tuple[Any, Any, Any]) -> None:
        _, orders, feedback = moved
        assert (orders.state, feedback.state) == ("success", "success")
        assert set(orders.tasks.values()) == {"success"}, orders.tasks
        assert feedback.labels["tell[0]"] == PIPELINE

    def test_every_order_ends_as_its_kind_should(self, moved: tuple[Any, Any, Any]) -> None:
        world, _, _ = moved
        kinds = {offer["id"]: offer["kind"] for offer in world.sandbox.report()["offers"].values()}
        rows = world.rows()
        assert len(rows) == world.sandbox.report()["offered"]
        wrong = {
            r["source_id"]: (kinds[r["source_id"]], r["state"], r["reason"])
            for r in rows
            if r["state"] != FATES.get(kinds[r["source_id"]], "imported")
        }
        assert wrong == {}

    def test_the_vendors_have_nothing_to_complain_about(self, moved: tuple[Any, Any, Any]) -> None:
        world, _, _ = moved
        audit = world.sandbox.report()
        assert (audit["doubled"], audit["acknowledged_early"], audit["imported_forbidden"]) == ([], [], {})
        assert audit["cloudsuite"]["put_back"] == []
        assert audit["imported"] == world.states()["imported"]
        assert set(audit["posts"].values()) == {1}

    def test_each_imported_order_was_acknowledged_once(self, moved: tuple[Any, Any, Any]) -> None:
        world, _, feedback = moved
        found = world.sandbox.report()["cloudsuite"]["feedback"]
        imported = [row["order_number"] for row in world.rows() if row["state"] == "imported"]
        assert imported
        for number in imported:
            assert (found[number]["state"], found[number]["is_oms_id"]) == ("processing", True), number
            assert found[number]["line_numbers"] == list(range(1, len(found[number]["line_numbers"]) + 1))
            assert found[number]["told_again"] == []
        counts = feedback.xcoms["tell", "return_value", 0]
        assert f'"oms_number_told": {len(imported)}' in str(counts).replace("'", '"')

    def test_a_second_run_sends_and_alerts_nothing_again(self, moved: tuple[Any, Any, Any]) -> None:
        world, _, _ = moved
        before = world.sandbox.report()
        assert world.run(PIPELINE).state == world.run("cloudsuite_feedback").state == "success"
        after = world.sandbox.report()
        assert after["posts"] == before["posts"]
        assert after["cloudsuite"] == before["cloudsuite"]


def test_before_any_run_the_feedback_is_skipped(make_world: Callable[..., Any]) -> None:
    world = make_world(source="cloudsuite")
    run = world.run("cloudsuite_feedback")
    assert run.state == "success"
    assert set(run.tasks.values()) == {"skipped"}
