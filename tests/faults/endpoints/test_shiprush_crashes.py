"""A server killed at any step of a shipment notice: the notice again makes one shipment, its units counted once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.faults.forks import Forks
from tests.support.trials.crashes import every


@pytest.fixture(scope="session")
def failpoints(forks: Forks, databases) -> dict[str, int]:
    """The failpoints of three notices."""
    (found,) = forks.run("shipment_notices:discover", [{"ledger_url": databases("sqlite")}])
    return dict(found)


def test_killed_at_every_failpoint(failpoints, databases, forks: Forks) -> None:
    trials: list[dict[str, Any]] = [
        {"point": point, "number": number, "ledger_url": databases("postgres" if number % 2 else "sqlite")}
        for point, number in every(failpoints)
    ]
    results = forks.run("shipment_notices:crash", trials)
    assert [(r["point"], r["number"], r["faults"]) for r in results if r["faults"]] == []
    assert [r["point"] for r in results if not r["killed"]] == []


def test_every_notice_has_its_failpoint(failpoints) -> None:
    """A guard of the guard."""
    assert {"before ledger Shipments.record": 3, "after ledger Shipments.record": 3}.items() <= failpoints.items()
