"""Full disks, read-only and locked ledgers, spoiled objects, a database restarted in the middle of a load."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import share
from tests.support.faults.forks import Forks

KINDS = ["sqlite", "postgres"]


def broken(results: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [(*(r[name] for name in names), r["faults"]) for r in results if r["faults"]]


def test_no_file_can_grow(case: Case, forks: Forks) -> None:
    limits = (0, 1_000, 40_000, 200_000, 300_000, 400_000)
    trials = [{"case": case.name, "limit": limit} for limit in share(case, limits)]
    results = forks.run("storage:full_disk", trials)
    assert broken(results, "limit") == []
    assert any(r["code"] for r in results), "no limit was low enough to be felt"


def test_writes_fail_from_some_point_on(case: Case, forks: Forks) -> None:
    found = forks.run("crashes:discover", [{"case": case.name, "act": "first run"}])[0]
    points = [name for name in found if name.startswith(("before store", "before ledger"))]
    assert len(points) > 15
    trials = [{"case": case.name, "point": point} for point in share(case, points)]
    results = forks.run("storage:failing", trials)
    assert broken(results, "point") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_ledger_that_can_only_be_read(case: Case, databases, forks: Forks, kind: str) -> None:
    results = forks.run("storage:read_only", [{"case": case.name, "ledger_url": databases(kind)}])
    assert broken(results) == []


def test_spoiled_objects(case: Case, forks: Forks) -> None:
    spoiled = [
        ("after ledger Intake.receive", "part-"),
        ("after ledger Payloads.make_ready", "payloads-"),
        ("after store write validated", "validated"),
        ("after ledger Claims.claim", "payloads-"),
    ]
    trials = [{"case": case.name, "point": point, "object": name} for point, name in share(case, spoiled)]
    # a crash with every order claimed and none sent leaves doubt until something is known to be imported
    results = forks.run("storage:truncated", trials)
    for result in results:
        result["faults"].pop("in_doubt", None)
    assert broken(results, "point", "object") == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_ledger_that_is_locked_for_seconds(case: Case, databases, forks: Forks, kind: str) -> None:
    trial = {"case": case.name, "ledger_url": databases(kind), "seconds": 2.0}
    assert broken(forks.run("storage:locked", [trial])) == []


def test_postgres_is_restarted_in_the_middle_of_a_load(
    case: Case, databases, postgres_cluster, forks: Forks, tmp_path: Path
) -> None:
    marker = tmp_path / "sent"
    trial = {"case": case.name, "ledger_url": databases("postgres"), "marker": str(marker)}
    results: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: results.extend(forks.run("storage:restarted", [trial])))
    thread.start()
    while not marker.exists() and thread.is_alive():
        time.sleep(0.02)
    postgres_cluster.restart()
    thread.join()
    assert results
    assert broken(results) == []
