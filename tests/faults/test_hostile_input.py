"""Whatever a source sends: the order is quarantined, or the answer refused in clear words, and the run goes on."""

from __future__ import annotations

import pytest
from fault_cases import Case
from forks import Forks


def test_hostile_orders(case: Case, forks: Forks) -> None:
    trials = [{"case": case.name, "seed": seed, "number": 50} for seed in range(8)]
    results = forks.run("hostile_trials:orders", trials)
    assert [(r["seed"], r["faults"]) for r in results if r["faults"]] == []


def test_hostile_envelopes(case: Case, forks: Forks) -> None:
    trials = [{"case": case.name, "answer": answer} for answer in case.envelopes]
    results = forks.run("hostile_trials:envelope", trials)
    assert [(r["answer"], r["said"], r["faults"]) for r in results if r["faults"]] == []


def test_a_text_of_ten_megabytes(case: Case, forks: Forks) -> None:
    result = forks.run("hostile_trials:large", [{"case": case.name, "bytes": 10_000_000}])[0]
    assert result["faults"] == {}


@pytest.mark.parametrize("text", [b"1E400", b'"\\ud800"', b"[" * 5_000 + b"]" * 5_000, b'"\\u0000"', b"9" * 5_000])
def test_one_place_of_one_order(case: Case, forks: Forks, text: bytes) -> None:
    result = forks.run("hostile_trials:place", [{"case": case.name, "text": text.decode()}])[0]
    assert result["faults"] == {}
