"""The stop switch fails closed: what nobody understands stops everything, and says so."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from order_relay.pipeline.alerts.rules import invalid_stop_value
from order_relay.pipeline.runs.stop_switch import RESUME_WORDS, STOP_WORDS, StopSwitch, read_switch, unreadable_switch

KNOWN = ("supercat_to_shopatron", "supercat_to_shopatron__east", "cloudsuite_to_shopatron")


def any_case(terms: frozenset[str]) -> st.SearchStrategy[str]:
    pad = st.sampled_from(["", " ", "\n", "\t "])
    change = st.sampled_from([str.lower, str.upper, str.title])
    return st.builds(lambda a, f, word, b: a + f(word) + b, pad, change, st.sampled_from(sorted(terms)), pad)


@given(st.one_of(any_case(RESUME_WORDS), st.sampled_from(["", " ", "\n"])))
def test_empty_and_false_values_stop_nothing(text: str) -> None:
    switch = read_switch(text, KNOWN)
    assert switch == StopSwitch()


@given(any_case(STOP_WORDS))
def test_true_values_stop_everything(text: str) -> None:
    switch = read_switch(text, KNOWN)
    assert switch.everything
    assert switch.problem == ""
    assert invalid_stop_value(switch) == []


@given(st.lists(st.sampled_from(KNOWN), min_size=1), st.sampled_from([",", " ", ", ", ";", "\n"]))
def test_names_of_pipelines_stop_these_and_no_others(names: list[str], between: str) -> None:
    switch = read_switch(between.join(names), KNOWN)
    assert {name for name in KNOWN if switch.stops(name)} == set(names)
    assert switch.problem == ""


@pytest.mark.parametrize("text", ["all", "*", "stop"])
def test_texts_that_mean_everything(text: str) -> None:
    assert read_switch(text, KNOWN).everything


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("supercat", "'supercat'"),
        ("supercat_to_shopatrom", "'supercat_to_shopatrom'"),
        ("supercat_to_shopatron, watch", "'watch'"),
        ("Supercat_To_Shopatron", "'Supercat_To_Shopatron'"),
        ('["supercat_to_shopatron"]', "supercat_to_shopatron"),
        ("true, supercat", "'supercat'"),
        ("false true", "contradictory"),
        ("supercat_to_shopatron false", "contradictory"),
        (",", "','"),
        ("\u200b", "u200b"),
    ],
)
def test_a_mistake_stops_everything_and_is_quoted_with_the_known_names(text: str, named: str) -> None:
    switch = read_switch(text, KNOWN)
    assert all(switch.stops(name) for name in (*KNOWN, "one_that_comes_later"))
    (message,) = invalid_stop_value(switch)
    assert named in message.subject
    assert all(name in message.subject for name in KNOWN)
    assert message.after_s == 0


@given(st.text(min_size=1), st.lists(st.sampled_from(KNOWN), unique=True))
@example("no!", [])
@example("0.0", [])
@example("falsch", ["supercat_to_shopatron"])
def test_no_other_text_lets_an_order_out(text: str, known: list[str]) -> None:
    """Whatever is neither empty, false, nor names of pipelines stops everything."""
    switch = read_switch(text, known)
    terms = {word for word in text.replace(",", " ").replace(";", " ").split() if word}
    if not text.strip() or (terms and {word.lower() for word in terms} <= RESUME_WORDS):
        assert switch == StopSwitch()
    elif terms and terms <= set(known):
        assert switch.pipelines == terms
    else:
        assert switch.everything


def test_a_long_value_is_quoted_in_part() -> None:
    (message,) = invalid_stop_value(read_switch("x" * 10_000, KNOWN))
    assert len(message.subject) < 600


def test_an_unreadable_value_stops_everything_and_is_reported_if_it_persists() -> None:
    switch = unreadable_switch("Variable order_relay_stop: the API server did not answer", KNOWN)
    assert switch.everything
    (message,) = invalid_stop_value(switch)
    assert "did not answer" in message.subject
    assert 0 < message.after_s < 600, "two looks of the DAG watch"
