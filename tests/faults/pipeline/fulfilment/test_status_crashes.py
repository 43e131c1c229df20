"""A status run is killed at any step; the next one matches the vendor, each shipment once, each file archived.

One run records its failpoints; each is tried at its first and last call.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.faults.forks import Forks
from tests.support.trials.crashes import first_and_last

SLICES = 3


@pytest.fixture(scope="session")
def points(forks: Forks) -> list[dict[str, Any]]:
    """The failpoints of a status run."""
    (failpoints,) = forks.run("statuses:discover", [{}])
    return [{"point": point, "number": number} for point, number in first_and_last(failpoints)]


@pytest.mark.parametrize("part", range(SLICES))
def test_killed_at_a_failpoint(points, databases, forks: Forks, part: int) -> None:
    chosen = [
        {**point, "ledger_url": databases("postgres") if number % 3 == 0 else ""}
        for number, point in enumerate(points)
        if number % SLICES == part
    ]
    results = forks.run("statuses:crash", chosen)
    assert [(r["point"], r["number"], r["faults"]) for r in results if r["faults"]] == []
    assert [r["point"] for r in results if not r["killed"]] == []


def test_withdrawn_events_leave_no_false_status_on_default_settings(forks: Forks) -> None:
    results = forks.run("statuses:withdrawn", [{"seed": seed, "orders": 5} for seed in range(4)])
    assert [(r["seed"], r["faults"]) for r in results if r["faults"]] == []


def test_every_kind_of_failpoint_is_reached(points) -> None:
    """A guard of the guard."""
    ledger = (
        "StatusHistory.store",
        "StatusReads.advance_watermark",
        "Statuses.match",
        "StatusReads.record",
        "Statuses.record_follow_up",
        "Shipments.record",
        "StatusReads.record_file",
    )
    wanted = [*(f"ledger {name}" for name in ledger), "source GET", "source token", "store remove one"]
    names = {point["point"] for point in points}
    assert {f"{when} {name}" for when in ("before", "after") for name in wanted} - names == set()
    assert any(name.startswith("before store write") for name in names)
