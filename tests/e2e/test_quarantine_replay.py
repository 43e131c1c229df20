"""Quarantined orders: judged again after the source's orders or our tables were mended, or discarded in bulk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import airflow_home as own_airflow

REPLAY = "quarantine_replay"


@pytest.fixture(scope="module")
def world(make_world: Callable[..., Any]) -> Any:
    """Orders for a country that no table knows: quarantined until a table is added. The tests go on from each other."""
    from order_relay_sandbox.supercat.generator import orders as generate

    made = [m.order for m in generate(60, seed=5) if m.kind == "plain"][:6]
    for order in made[:4]:
        order["ship_to"]["country"] = "Lummerland"
    world = make_world(orders=made)
    assert world.run().state == "success"
    assert world.states() == {"quarantined": 4, "imported": 2}
    return world


def test_who_chooses_nothing_does_nothing(world: Any) -> None:
    assert world.run(REPLAY, action="discard", reason="oops").state == "failed"
    assert world.run(REPLAY, reason="none such", code="no_such_code").tasks["choose"] == "skipped"
    assert world.states() == {"quarantined": 4, "imported": 2}


def test_remaining_failures_give_reasons(world: Any) -> None:
    run = world.run(REPLAY, reason="trying again", everything=True)
    assert run.state == "success"
    assert world.states() == {"quarantined": 4, "imported": 2}
    (report,) = world.objects(f"*/runs/{run.run_id.replace(':', '-')}/report.md")
    text = report.read_text()
    assert "quarantined: 4" in text
    for row in world.rows():
        assert (row["order_number"] in text) is (row["state"] == "quarantined")
    assert "Lummerland" not in text


def test_discard_by_number(world: Any) -> None:
    number = next(row["order_number"] for row in world.rows() if row["state"] == "quarantined")
    assert world.run(REPLAY, action="discard", reason="made by mistake", numbers=[number]).state == "success"
    assert world.states() == {"quarantined": 3, "imported": 2, "discarded": 1}


def test_after_a_mapping_table_is_fixed_they_are_sent_once(world: Any, tmp_path: Path) -> None:
    shipped = own_airflow.live_files() / "supercat_to_shopatron.yaml"
    corrected = f"{shipped.read_text()}\ntables:\n  country: {{Lummerland: DE}}\n"
    (tmp_path / shipped.name).write_text(corrected)
    world.env.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    try:
        code = next(row["reason"] for row in world.rows() if row["state"] == "quarantined")
        posts = world.sandbox.report()["posts"]
        run = world.run(REPLAY, reason="the table knows it now", code=code)
        assert run.state == "success"
        assert world.states() == {"ready": 3, "imported": 2, "discarded": 1}
        assert world.sandbox.report()["posts"] == posts, "a replay sends nothing itself"
        assert world.run().state == "success"
    finally:
        world.live()
    assert world.states() == {"imported": 5, "discarded": 1}
    assert world.sandbox.report()["doubled"] == []
