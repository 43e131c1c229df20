"""Hostile input: the order is quarantined, or the response refused with a clear error, and the run continues."""

from __future__ import annotations

from tests.support.faults.case import Case
from tests.support.faults.cases import share
from tests.support.faults.forks import Forks


def test_hostile_orders(case: Case, forks: Forks) -> None:
    trials = [{"case": case.name, "seed": seed, "number": 50} for seed in share(case, range(8))]
    results = forks.run("hostile_input:orders", trials)
    assert [(r["seed"], r["faults"]) for r in results if r["faults"]] == []


def test_hostile_envelopes(case: Case, forks: Forks) -> None:
    trials = [{"case": case.name, "answer": answer} for answer in case.envelopes]
    results = forks.run("hostile_input:envelope", trials)
    assert [(r["answer"], r["error"], r["faults"]) for r in results if r["faults"]] == []


def test_a_text_of_ten_megabytes(case: Case, forks: Forks) -> None:
    result = forks.run("hostile_input:large", [{"case": case.name, "bytes": 10_000_000}])[0]
    assert result["faults"] == {}


def test_one_place_of_one_order(case: Case, forks: Forks) -> None:
    texts = ("1E400", '"\\ud800"', "[" * 5_000 + "]" * 5_000, '"\\u0000"', "9" * 5_000)
    results = forks.run("hostile_input:place", [{"case": case.name, "text": text} for text in texts])
    assert [(r["text"][:20], r["faults"]) for r in results if r["faults"]] == []
