"""The worker's whole process group is killed in the middle of load; the DAG runs again, and nothing is missing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import airflow_home as own_airflow

LEASE_S = 1


def test_a_run_killed_while_sending_loses_and_doubles_nothing(make_world: Callable[..., Any], tmp_path: Path) -> None:
    world = make_world(orders=120, scenario={"shopatron": {"latency_ms": 150}})
    # Waits that are minutes in production: what was in flight is looked up, and believed absent, within seconds.
    world.connect(shopatron={"extra": {"connections": 4, "timeout_s": 2, "visible_after_s": 1}})
    plain = (own_airflow.live_files() / "supercat_to_shopatron.yaml").read_text()
    (tmp_path / "supercat_to_shopatron.yaml").write_text(f"{plain}\nload: {{lease_s: {LEASE_S}}}\n")
    world.env.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    try:
        kill_while_sending(world, tmp_path / "run.log")
        before = world.states()
        assert before["sending"] + before["ready"] > 0, before
        for _ in range(8):
            time.sleep(LEASE_S)
            look_again_now(world)
            assert world.run().state == "success"
            if not (world.states()["in_doubt"] + world.states()["sending"] + world.states()["ready"]):
                break
    finally:
        world.live()

    audit, states = world.sandbox.report(), world.states()
    assert audit["doubled"] == []
    assert audit["acknowledged_early"] == []
    assert (states["in_doubt"], states["sending"], states["ready"]) == (0, 0, 0)
    assert states["imported"] == audit["imported"]
    assert sum(states.values()) == audit["offered"] == 120


def look_again_now(world: Any) -> None:
    """Let the minutes between two look-ups pass: what is in doubt is due at once."""
    with sqlite3.connect(world.home / "order_relay" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE submission SET due_at = send_before WHERE state = 'in_doubt'")


def kill_while_sending(world: Any, log: Path) -> None:
    """Run the DAG in processes of its own and kill them all once the OMS has taken some orders."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "dags", "test", "supercat_to_shopatron"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(os.environ),
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 120
        while world.sandbox.report()["imported"] < 15:
            assert process.poll() is None, log.read_text(errors="replace")[-3_000:]
            assert time.monotonic() < until, "the OMS has seen too few orders"
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
