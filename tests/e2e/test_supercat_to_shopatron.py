"""The DAG on real Airflow, between simulated vendors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

STRAIGHT = ["extract", "validate", "dedupe", "transform"]
XCOM_LIMIT = 2_000

FATES = {
    "resubmitted:old": "superseded",
    "reused_form:old": "held",
    "reused_form:new": "held",
    "suffix_without_base": "held",
    **dict.fromkeys(("missing_field", "totals_off", "fractional_quantity", "wrong_type", "no_identity"), "quarantined"),
}
"""What the tables say about the kinds of orders that the simulator makes; every other kind is imported."""


@pytest.fixture(scope="module")
def moved(make_world: Callable[..., Any]) -> tuple[Any, Any]:
    """Forty orders of every kind, after one run."""
    world = make_world(orders=40, seed=3)
    return world, world.run()


class TestOneRun:
    def test_the_run_is_green_and_every_task_ran(self, moved: tuple[Any, Any]) -> None:
        _, run = moved
        assert run.state == "success"
        assert set(run.tasks.values()) == {"success"}, run.tasks
        assert {"extract", "validate", "dedupe", "transform", "load[0]", "acknowledge", "report"} <= run.tasks.keys()
        assert set(run.tries.values()) == {1}

    def test_every_order_ends_as_the_tables_say(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        kinds = {offer["id"]: offer["kind"] for offer in world.sandbox.report()["offers"].values() if offer["id"]}
        rows = world.rows()
        assert len(rows) == world.sandbox.report()["offered"] == 40
        wrong = {
            row["source_id"]: (kinds.get(row["source_id"]), row["state"], row["reason"])
            for row in rows
            if row["state"] != FATES.get(kinds.get(row["source_id"], "no_identity"), "imported")
        }
        assert wrong == {}

    def test_the_vendors_saw_no_duplicate_and_no_early_acknowledgement(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        audit = world.sandbox.report()
        assert audit["doubled"] == []
        assert audit["acknowledged_early"] == []
        assert audit["imported"] == world.states()["imported"]
        assert set(audit["posts"].values()) == {1}

    def test_settled_orders_were_acknowledged_and_no_others(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        settled = {row["order_number"] for row in world.rows() if row["state"] in ("imported", "superseded")}
        assert set(world.sandbox.report()["acknowledged"]) == settled

    def test_amounts_are_equal_to_the_cent(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        audit = world.sandbox.report()
        offered = {offer["id"]: offer["total"] for offer in audit["offers"].values()}
        stored = {str(i): order["total"] for order in audit["orders"].values() for i in order["order_ids"]}
        imported = [row for row in world.rows() if row["state"] == "imported"]
        assert imported
        for row in imported:
            assert stored[row["oms_id"]] == offered[row["source_id"]] == row["total_minor"], row["order_number"]

    def test_xcoms_are_small(self, moved: tuple[Any, Any]) -> None:
        _, run = moved
        sizes: dict[str, int] = {}
        for (task, _, index), value in run.xcoms.items():
            name = f"{task}[{index}]"
            sizes[name] = sizes.get(name, 0) + len(json.dumps(value))
        assert sizes
        assert {name: size for name, size in sizes.items() if size > XCOM_LIMIT} == {}

    def test_load_maps_over_short_names(self, moved: tuple[Any, Any]) -> None:
        _, run = moved
        chunks = run.xcoms["transform", "return_value", -1]
        chunks = json.loads(chunks) if isinstance(chunks, str) else chunks
        assert 1 <= len(chunks) <= 16
        assert all(isinstance(chunk, str) and len(chunk) <= 16 for chunk in chunks)
        assert [run.labels[f"load[{n}]"] for n in range(len(chunks))] == chunks

    def test_the_asset_event_carries_counts(self, moved: tuple[Any, Any]) -> None:
        world, run = moved
        assert len(run.events) == 1
        extra = run.events[0]
        assert extra["imported"] == world.states()["imported"]
        assert extra["manifest"].endswith("manifest.json")
        assert len(world.objects(extra["manifest"])) == 1

    def test_the_report_is_in_the_batch_store(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        (report,) = world.objects("supercat_to_shopatron/runs/*/report.md")
        assert "imported" in report.read_text()

    def test_a_second_run_sends_nothing_again(self, moved: tuple[Any, Any]) -> None:
        world, _ = moved
        before, states = world.sandbox.report()["posts"], world.states()
        run = world.run()
        assert run.state == "success"
        assert world.sandbox.report()["posts"] == before
        assert world.states() == states
        assert run.tasks["load"] == "skipped"


def test_airflow_holds_no_customers_data(make_world: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    """Marked names, e-mails and streets are looked for in Airflow's database and in all that the tasks said."""
    from order_relay_sandbox.supercat.generator import orders as generate

    orders: list[Any] = []
    marks: list[str] = []
    for number, made in enumerate(generate(12, seed=11)):
        order = mark(made.order, f"ZQX{number:03d}", marks)
        orders.append(order)
    assert len(set(marks)) > 24
    world = make_world(orders=orders)
    run = world.run()
    message = "".join(capfd.readouterr()) + database_text(run.run_id)
    assert "extract" in message
    assert [word for word in set(marks) if word in message] == []


def mark(value: Any, word: str, marks: list[str], key: str = "") -> Any:
    """The order with a mark in each text that tells about a person."""
    if isinstance(value, dict):
        return {k: mark(v, word, marks, k) for k, v in value.items()}
    if isinstance(value, list):
        return [mark(v, word, marks, key) for v in value]
    personal_data = ("name", "email", "address", "street", "phone", "contact", "note", "comment")
    if isinstance(value, str) and value and any(part in key for part in personal_data):
        marks.append(f"{word}{len(marks):03d}")
        return f"{marks[-1]}@example.com" if "email" in key else f"{marks[-1]} {value}"
    return value


def database_text(run_id: str) -> str:
    """Every table of Airflow's database as text."""
    from airflow.utils.session import create_session
    from sqlalchemy import MetaData, select

    with create_session() as session:
        metadata = MetaData()
        metadata.reflect(session.get_bind())
        return "\n".join(str(row) for table in metadata.sorted_tables for row in session.execute(select(table)))


def test_with_nothing_to_do_the_middle_is_skipped(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=0)
    run = world.run()
    assert run.state == "success"
    assert {task: run.tasks[task] for task in ("extract", "acknowledge", "report")} == dict.fromkeys(
        ("extract", "acknowledge", "report"), "success"
    )
    middle = ("validate", "dedupe", "transform", "load")
    assert {run.tasks[task] for task in middle} == {"skipped"}
    assert {run.tries[task] for task in middle} == {0}, "skipped without a process of their own"


def test_after_a_refused_login_no_further_request_is_made(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=5)
    world.connect(supercat={"password": "wrong-password"})
    run = world.run()
    assert run.state == "failed"
    assert run.tasks["extract"] == "failed"
    assert run.tries["extract"] == 1
    seen = world.sandbox.report()
    assert sum(seen["login_failures"].values()) == 1

    again = world.run()
    assert again.state == "failed"
    assert world.sandbox.report()["requests"] == seen["requests"]

    world.connect()
    assert world.run().state == "success"
    assert world.sandbox.report()["imported"] > 0


def test_a_failed_chunk_makes_the_run_red_but_not_mute(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=5)
    world.connect(shopatron={"password": "wrong-secret"})
    run = world.run()
    assert run.state == "failed"
    assert run.tasks["load[0]"] == "failed"
    assert run.tries["load[0]"] == 1
    assert run.tasks["acknowledge"] == "success"
    assert run.tasks["report"] == "failed"
    (report,) = world.objects("supercat_to_shopatron/runs/*/report.md")
    assert "load" in report.read_text()
    assert world.sandbox.report()["imported"] == 0
    ready = world.states()["ready"]
    assert ready > 0

    world.connect()
    assert world.run().state == "success"
    assert world.sandbox.report()["imported"] == ready
    assert world.sandbox.report()["doubled"] == []


def test_a_passing_trouble_is_tried_again(make_world: Callable[..., Any]) -> None:
    fault = {"at": "list", "answer": "html", "first": 1}
    world = make_world(orders=5, scenario={"supercat": {"faults": [fault]}})
    run = world.run()
    assert run.state == "success"
    assert run.tries["extract"] == 2


def test_a_dry_run_leaves_no_trace(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=10)
    run = world.run(dry_run=True)
    assert run.state == "success"
    audit = world.sandbox.report()
    assert (audit["imported"], audit["acknowledged"], audit["posts"]) == (0, [], {})
    assert world.rows() == []
    assert world.objects("supercat_to_shopatron/runs/*/report.md")


def test_a_limit_counts_orders(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=30)
    assert world.run(limit=4).state == "success"
    assert world.sandbox.report()["imported"] <= 4
    assert world.states()["received"] > 0
    assert world.run().state == "success"
    assert world.states()["received"] == 0


def test_a_stopped_pipeline_sends_nothing(make_world: Callable[..., Any]) -> None:
    world = make_world(orders=5)
    world.env.setenv("AIRFLOW_VAR_ORDER_RELAY_STOP", "true")
    try:
        assert world.run().state == "success"
    finally:
        world.env.delenv("AIRFLOW_VAR_ORDER_RELAY_STOP")
    assert world.sandbox.report()["posts"] == {}
    assert world.states()["ready"] > 0
    assert world.run().state == "success"
    assert world.states()["ready"] == 0


def test_a_wrong_setting_names_file_and_key(
    make_world: Callable[..., Any], tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    world = make_world(orders=5)
    (tmp_path / "supercat_to_shopatron.yaml").write_text("source: {vendor: supercat, connexion: x}\n")
    world.env.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    try:
        run = world.run()
    finally:
        world.live()
    assert run.state == "failed"
    assert (run.tasks["extract"], run.tries["extract"]) == ("failed", 1)
    assert world.sandbox.report()["requests"] == {}
    assert "supercat_to_shopatron.yaml: source.connexion" in "".join(capfd.readouterr())
