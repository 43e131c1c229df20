"""A cut-over on real Airflow: older scripts send, the shadow watches, then the pipeline goes live."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import airflow_home as own_airflow

NAME = "supercat_to_shopatron"


@pytest.fixture
def mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the mode in the pipeline's file; the shipped one is in shadow mode."""
    files = {"shadow": own_airflow.ROOT / "include" / "config", "live": own_airflow.live_files()}

    def put(value: str) -> None:
        shutil.copy(files[value] / f"{NAME}.yaml", tmp_path)
        monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))

    put("live")
    return put


def test_from_the_older_scripts_over_the_shadow_to_live(
    make_world: Callable[..., Any], mode: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = make_world(orders=12)
    ours = world.home
    # The older scripts: another installation that sends and has not acknowledged yet.
    world.env.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("older")))
    assert world.run(limit=4, acknowledge=False).state == "success"
    sent = world.sandbox.report()["imported"]
    assert sent > 0

    world.env.setenv("AIRFLOW_HOME", str(ours))
    mode("shadow")
    for _ in range(2):
        run = world.run()
        assert run.state == "success"
        assert run.tasks["acknowledge"] == "skipped"
        assert run.xcoms["report", "return_value", -1]["mode"] == "shadow"
        assert run.xcoms["report", "return_value", -1]["found_there"] == sent
    assert world.rows() == [], "the ledger learns no order"
    assert (world.sandbox.report()["imported"], world.sandbox.report()["acknowledged"]) == (sent, [])
    assert len(world.objects(f"{NAME}/runs/*/shadow-chunk-00.jsonl.gz")) == 2
    assert len(world.objects(f"{NAME}/runs/*/trial.json")) == 2, "by which retention knows them"

    mode("live")
    assert world.run().state == "success"
    audit = world.sandbox.report()
    assert len(world.objects(f"{NAME}/runs/*/trial.json")) == 2, "a live run is no trial"
    assert audit["doubled"] == []
    assert audit["acknowledged_early"] == []
    assert audit["imported"] == world.states()["imported"] > sent


def test_a_refused_login_is_tried_once_in_shadow_mode_too(
    make_world: Callable[..., Any], mode: Callable[[str], None]
) -> None:
    world = make_world(orders=3)
    mode("shadow")
    world.connect(supercat={"password": "wrong"})
    for _ in range(3):
        assert world.run().state == "failed"
    refused = [row["resting_why"] for row in world.ask("SELECT resting_why FROM pipeline")]
    assert len(refused) == 1
    assert sum(world.sandbox.report()["login_failures"].values()) == 1
    world.connect()
    assert world.run().state == "success"
    assert world.ask("SELECT resting_fingerprint AS f FROM pipeline") == [{"f": None}]
