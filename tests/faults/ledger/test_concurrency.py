"""Several processes on one ledger, on both databases: no order is sent again, no lineage has two versions."""

from __future__ import annotations

import pytest

from tests.support.faults.case import Case
from tests.support.faults.cases import share
from tests.support.faults.forks import Forks
from tests.support.trials.concurrency import pauses


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_concurrent_workers(case: Case, databases, forks: Forks, kind: str) -> None:
    trials = [
        {"case": case.name, "workers": workers, "lead_s": lead, "ledger_url": databases(kind)}
        for workers, lead in share(case, ((3, 0.2), (2, 0.4), (2, 0.0)))
    ]
    results = forks.run("concurrency:together", trials)
    assert [(r["workers"], r["faults"]) for r in results if r["faults"]] == []


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_worker_that_resumes_late(case: Case, databases, forks: Forks, kind: str) -> None:
    points = share(case, pauses(case)[kind == "postgres" :: 2])  # make prove: all of them on both
    trials = [{"case": case.name, "point": point, "ledger_url": databases(kind)} for point in points]
    results = forks.run("concurrency:pause", trials)
    assert [(r["point"], r["faults"]) for r in results if r["faults"] or not r["slept"]] == []
