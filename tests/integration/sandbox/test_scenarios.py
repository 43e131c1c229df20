"""Scenario files, and the rules that pick calls."""

from __future__ import annotations

import pytest

from order_relay_sandbox import Scenario, shipped
from order_relay_sandbox.faults import Rule, RuleBook


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_is_valid_described_and_effective(name):
    path = shipped()[name]
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert Scenario.load(path) != Scenario.of()


@pytest.mark.parametrize(
    ("switches", "named"),
    [
        ({"shopatrom": {}}, "shopatrom"),
        ({"shopatron": {"duplicates": "maybe"}}, "duplicates"),
        ({"shopatron": {"faults": [{"answer": "explode"}]}}, "explode"),
        ({"shopatron": {"faults": [{"at": "search", "effect": "later"}]}}, "later"),
        ({"supercat": {"faults": [{"at": "acknowledge", "answer": "nan"}]}}, "nan"),
        ({"supercat": {"faults": [{"at": "entry", "answer": "500"}]}}, "entry"),
        ({"supercat": {"faults": [{"answer": "html", "evry": 2}]}}, "evry"),
        ({"cloudsuite": {"time_zone": "Mars/Olympus"}}, "Mars"),
        ({"cloudsuite": {"now": "2026-03-04T12:00:00"}}, "zone"),
        ({"cloudsuite": {"faults": [{"at": "patch", "answer": "truncated"}]}}, "truncated"),
        ({"cloudsuite": {"faults": [{"at": "patch", "effect": "later"}]}}, "later"),
    ],
)
def test_wrong_switches_are_named(switches, named):
    with pytest.raises(ValueError, match=named):
        Scenario.of(switches)


def test_changes_merge_objects_and_replace_lists():
    scenario = Scenario.of({"shopatron": {"latency_ms": 5, "faults": [{"answer": "cut"}]}})
    changed = scenario.changed({"shopatron": {"faults": []}, "supercat": {"org": "acme"}})
    assert (changed.shopatron.latency_ms, changed.shopatron.faults, changed.supercat.org) == (5, (), "acme")


def struck(calls, **selectors):
    rules = RuleBook([Rule(at="x", **selectors)], seed=1)
    return [n for n, key in enumerate(calls, start=1) if rules.pick("x", key) is not None]


def test_selectors():
    ten = [f"o{n}" for n in range(1, 11)]
    assert struck(ten) == list(range(1, 11))
    assert struck(ten, every=3) == [3, 6, 9]
    assert struck(ten, first=2) == [1, 2]
    assert struck(ten, after=7) == [8, 9, 10]
    assert struck(ten, after=2, every=4) == [6, 10]
    assert struck(ten, orders=["o4", "o5"]) == [4, 5]
    assert struck(["a", "a", "b", "a", "b"], times=1) == [1, 3]
    assert struck(ten, first=0) == []


def test_chance_is_repeatable_and_does_not_depend_on_the_sequence():
    keys = [f"o{n}" for n in range(400)]
    once = {keys[n - 1] for n in struck(keys, probability=0.25)}
    backwards = list(reversed(keys))
    assert {backwards[n - 1] for n in struck(backwards, probability=0.25)} == once
    assert 60 < len(once) < 140


def test_first_matching_rule_wins_and_all_count():
    rules = RuleBook([Rule(at="x", answer="cut", first=1), Rule(at="x", answer="html", first=2), Rule(at="y")], seed=0)
    picked = [rules.pick("x") for _ in range(3)]
    assert [rule and rule.answer for rule in picked] == ["cut", "html", None]
