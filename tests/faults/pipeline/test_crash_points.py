"""A run is killed at any step and repeated: each order imported once, none acknowledged early, accounting check passed.

One run of each act records its failpoints, so a new commit, object or request is covered automatically. Here each
failpoint is tried at its first and last call, in the first act that has it, on one of the databases; for a further pair
only those the first pair does not have. ``make prove`` tries every call of every failpoint of every act on
both.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import CASES, named
from tests.support.faults.forks import Forks
from tests.support.trials.crashes import acts, short_profile

SLICES = 4


AT_THE_SOURCE = ("source", "Intake.receive", "Acknowledgements.")


@pytest.fixture(scope="session")
def points(forks: Forks) -> Callable[[Case], list[dict[str, Any]]]:
    """The short profile's points of a case."""

    @cache
    def points_of(name: str) -> list[dict[str, Any]]:
        here = acts(named(name))
        found = forks.run("crashes:discover", [{"case": name, "act": act} for act in here])
        chosen = short_profile(dict(zip(here, found, strict=True)))
        return [{"case": name, "act": act, "point": point, "number": number} for act, point, number in chosen]

    return lambda case: points_of(case.name)


def tried(case: Case, points: Callable[[Case], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """All points of the first case; of another one those that it alone has, and those that its source is in."""
    if case is CASES[0]:
        return points(case)
    common = {point["point"] for point in points(CASES[0])}
    return [p for p in points(case) if p["point"] not in common or any(word in p["point"] for word in AT_THE_SOURCE)]


@pytest.mark.parametrize("part", range(SLICES))
def test_killed_at_a_failpoint(case: Case, points, databases, forks: Forks, part: int) -> None:
    chosen = [
        {**point, "ledger_url": databases("postgres") if number % 3 == 0 else ""}
        for number, point in enumerate(tried(case, points))
        if number % SLICES == part
    ]
    results = forks.run("crashes:crash", chosen)
    assert [(r["act"], r["point"], r["number"], r["faults"]) for r in results if r["faults"]] == []
    # how many commits a run takes depends on timing, so that the last one of another run may not come
    missed = [r["point"] for r in results if not r["killed"] and r["number"] == 1]
    assert missed == []


def test_every_kind_of_failpoint_is_reached(case: Case, points) -> None:
    """Checks that the hooks exist: a missing hook would kill nothing."""
    names = {point["point"] for point in points(case)}
    ledger = (
        "Runs.begin",
        "Intake.receive",
        "Validation.quarantine",
        "Versions.resolve",
        "Payloads.make_ready",
        "Claims.claim",
        "Outcomes.record",
        "Lookups.record",
        "PreflightChecks.mark_already_imported",
        "PreflightChecks.mark_verified",
        "Outcomes.return_to_received",
        "Acknowledgements.mark_sent",
        "Acknowledgements.record_answers",
        "Leases.expire",
        "Runs.suspend",
        "Runs.resume",
    )
    store = ("part", "manifest", "validated", "winners", "payloads", "chunk", "report")
    calls = ("destination token", "destination import", "destination search")
    wanted = [*(f"ledger {n}" for n in ledger), *(f"store write {n}" for n in store), *calls, *case.failpoints]
    assert {f"{when} {name}" for when in ("before", "after") for name in wanted} - names == set()
