"""A destination that creates or updates by key: lost answers and kills end as one order each, without any search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from order_relay.ledger.delivery.resends import RESENDS_EXHAUSTED
from tests.support.faults.forks import Forks
from tests.support.trials.idempotent import IdempotentRelay
from tests.support.upserting_oms import SEARCH, UpsertingOms, upserting_api, upserting_oms

NUMBER = 12


@pytest.fixture
def oms() -> Iterator[UpsertingOms]:
    with upserting_oms() as running:
        yield running


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path, oms: UpsertingOms) -> Iterator[IdempotentRelay]:
    made = IdempotentRelay(sqlite_url, tmp_path, NUMBER)
    yield made
    assert made.breaches(oms) == []
    made.ledger.close()


@pytest.mark.parametrize("word", ["lost", "cut"])
def test_lost_answers_are_sent_again_under_the_same_key(relay: IdempotentRelay, oms: UpsertingOms, word: str) -> None:
    oms.behaviour = {"N-3": [word, "ok"], "N-7": [word, word, "ok"]}
    relay.run(oms)
    assert relay.states() == {"imported": NUMBER - 2, "in_doubt": 2}
    assert relay.run(oms) == {}, "nothing before lease and time-out"
    relay.until_quiet(oms)
    assert relay.states() == {"imported": NUMBER}
    assert (oms.attempts["N-3"], oms.attempts["N-7"], oms.attempts["N-1"]) == (2, 3, 1)
    assert oms.searches == 0


def test_after_the_last_attempt_an_operator_is_asked(relay: IdempotentRelay, oms: UpsertingOms) -> None:
    oms.behaviour = {"N-3": ["lost"], "N-5": ["lost", "locked"]}
    relay.run(oms)
    relay.until_quiet(oms)
    assert relay.states() == {"imported": NUMBER - 2, "in_doubt": 2}
    assert {row["reason"] for row in relay.ledger.queries.in_doubt()} == {RESENDS_EXHAUSTED}
    assert (oms.attempts["N-3"], oms.attempts["N-5"]) == (3, 3)


def test_throttling_between_two_attempts_leaves_the_order_in_doubt(relay: IdempotentRelay, oms: UpsertingOms) -> None:
    oms.behaviour = {"N-3": ["lost", "throttled", "ok"]}
    relay.run(oms)
    relay.let_leases_end()
    relay.run(oms)
    assert relay.states() == {"imported": NUMBER - 1, "in_doubt": 1}
    relay.until_quiet(oms)
    assert relay.states() == {"imported": NUMBER}


def test_an_order_that_a_search_finds_is_not_overwritten(relay: IdempotentRelay, oms: UpsertingOms) -> None:
    api = upserting_api(search=SEARCH)
    oms.behaviour = {"N-3": ["lost"], "N-5": ["cut", "ok"]}
    relay.run(oms, api)
    relay.until_quiet(oms, api)
    assert relay.states() == {"imported": NUMBER}
    assert (oms.writes["N-3"], oms.attempts["N-5"]) == (1, 2)


@pytest.mark.parametrize("stored", [True, False])
def test_without_idempotence_and_without_a_search_an_operator_is_asked(
    relay: IdempotentRelay, oms: UpsertingOms, stored: bool
) -> None:
    api = upserting_api(idempotent=False)
    oms.behaviour = {"N-3": ["lost" if stored else "cut", "ok"]}
    relay.run(oms, api)
    relay.until_quiet(oms, api)
    assert relay.states() == {"imported": NUMBER - 1, "in_doubt": 1}
    assert oms.attempts["N-3"] == 1
    relay.ledger.decisions.settle_in_doubt("N-3", str(oms.ids["N-3"]) if stored else None, "looked", "ann")
    relay.until_quiet(oms, api)
    assert relay.states() == {"imported": NUMBER}
    assert set(oms.writes.values()) == {1}


PLACES = [
    "before ledger Claims.claim",
    "before destination import",
    "after destination import",
    "before ledger Outcomes.record",
    "after ledger Outcomes.record",
]


def test_kills_between_claim_request_and_commit(forks: Forks, databases: Callable[[str], str], tmp_path: Path) -> None:
    jobs = [{"at": at, "ledger": databases("sqlite"), "folder": str(tmp_path / str(n))} for n, at in enumerate(PLACES)]
    for job in jobs:
        Path(job["folder"]).mkdir()
    results = forks.run("idempotent:kill", jobs)
    keys = [f"N-{n}" for n in range(1, 7)]
    assert [r["killed"] for r in results] == [True] * len(PLACES)
    assert [r["breaches"] for r in results if r["breaches"]] == []
    assert [r["states"] for r in results] == [{"imported": 6}] * len(PLACES)
    assert [r["stored"] for r in results] == [keys] * len(PLACES)
