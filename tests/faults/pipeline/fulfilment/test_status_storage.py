"""Storage fails during a status run: an ``OrderRelayError``; the next run matches the vendor."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults.forks import Forks

WRITES = [
    "before ledger StatusHistory.store",
    "before store write 041786dc1c52f331",
    "before store remove one",
    "before ledger Statuses.record_follow_up",
]
"""The long profile has all of them."""


def broken(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**r, "verdict": None} for r in results if r["faults"]]


def test_writes_fail_from_some_point_on(forks: Forks) -> None:
    assert broken(forks.run("status_storage:failing", [{"point": point} for point in WRITES])) == []


def test_full_disks(databases, forks: Forks) -> None:
    trials = [
        {"limit": 0},
        {"limit": 500_000},
        {"limit": 60, "ledger_url": databases("postgres")},  # the ledger has room, and the archive ends in the middle
    ]
    results = forks.run("status_storage:full_disk", trials)
    assert broken(results) == []
    assert all(result["code"] for result in results), "a limit was too high to be felt"


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_ledgers_that_can_only_be_read_or_are_locked(databases, forks: Forks, kind: str) -> None:
    assert broken(forks.run("status_storage:read_only", [{"ledger_url": databases(kind)}])) == []
    assert broken(forks.run("status_storage:locked", [{"ledger_url": databases(kind), "seconds": 0.5}])) == []


def test_files_that_are_being_written_or_were_cut_off(forks: Forks) -> None:
    assert broken(forks.run("status_storage:growing", [{}])) == []
    assert broken(forks.run("status_storage:cut_off", [{"length": length} for length in (20, 64)])) == []


def test_postgres_is_restarted_in_the_middle_of_a_poll(
    databases, postgres_cluster, forks: Forks, tmp_path: Path
) -> None:
    marker = tmp_path / "now"
    trial = {"ledger_url": databases("postgres"), "marker": str(marker)}
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.extend(forks.run("status_storage:restarted", [trial])))
    thread.start()
    while not marker.exists() and thread.is_alive():
        time.sleep(0.02)
    postgres_cluster.restart()
    marker.with_suffix(".done").touch()
    thread.join()
    assert results
    assert broken(results) == []
