"""The actions of operators: what they would do, what they do, and what a changed order makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from order_relay.errors import ConcurrentUpdateError, ConfigurationError, IllegalTransitionError, TransientError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.operators.previews import OUTCOMES
from order_relay.pipeline.runs.stop_switch import StopSwitch, read_switch, unreadable_switch
from tests.support.archived_orders import PIPELINE
from tests.support.desk import OTHER
from tests.support.stopped_orders import StoppedOrders, copied

SOON = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[StoppedOrders]:
    made = copied(tmp_path / "home")
    yield made
    assert made.ledger.accounting.invariant_violations() == []
    made.ledger.close()


def test_a_preview_says_what_happens_to_each_order_and_changes_nothing(stopped: StoppedOrders) -> None:
    shown = stopped.shown("clean", "broken", "rejected")
    seen: list[int] = []
    found = stopped.actions.preview("replay", shown, done=seen.append)
    assert found.counts == {"passes": 2, "refused": 1}
    assert set(found.counts) < set(OUTCOMES)
    assert sum(seen) == 3
    (refused,) = (one for one in found.orders if one.outcome == "refused")
    assert (refused.order_number, refused.issues[0].code) == (stopped.numbers["broken"], "total_mismatch")
    assert found.changing == stopped.shown("clean", "rejected")
    assert stopped.shown("clean", "broken", "rejected") == shown


def test_replay_continues_with_what_passes(stopped: StoppedOrders) -> None:
    stopped.actions.replay(stopped.shown("clean", "broken", "rejected"), " table completed ", "ann")
    assert [stopped.state(name) for name in ("clean", "broken", "rejected")] == ["received", "quarantined", "received"]
    last = stopped.ledger.queries.find(stopped.numbers["clean"])[0]["events"][-1]
    assert (last["who"], last["why"]) == ("ann", "replay: table completed")


def test_discard_takes_held_orders_and_closes_their_reviews(stopped: StoppedOrders) -> None:
    found = stopped.actions.discard(stopped.shown("broken", "held"), "test orders", "ann")
    assert found.counts == {"discarded": 2}
    assert [stopped.state(name) for name in ("broken", "held")] == ["discarded"] * 2
    assert stopped.host.rechecked == [stopped.numbers["held"]]


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_a_stale_selection_is_refused_whole(stopped: StoppedOrders, action: str) -> None:
    shown = stopped.shown("clean", "rejected")
    stopped.ledger.bulk.replay(RunContext(PIPELINE, "", "bob"), [stopped.id("clean")], "fixed")
    number = stopped.numbers["clean"]
    for act in (
        lambda: stopped.actions.preview(action, shown),
        lambda: getattr(stopped.actions, action)(shown, "x", "ann"),
    ):
        with pytest.raises(ConcurrentUpdateError, match=rf"1 of 2 orders have changed .* {number} \(now received\)"):
            act()
    assert stopped.state("rejected") == "rejected"


def test_an_order_that_changes_during_the_evaluation_is_not_replayed(stopped: StoppedOrders) -> None:
    def change(_: int) -> None:
        stopped.ledger.bulk.discard(RunContext(PIPELINE, "", "bob"), [stopped.id("clean")], "duplicate")

    with pytest.raises(ConcurrentUpdateError, match="now discarded"):
        stopped.actions.replay(stopped.shown("clean", "rejected"), "fixed", "ann", done=change)
    assert stopped.state("rejected") == "rejected"


def test_an_action_is_bounded_and_needs_a_reason(stopped: StoppedOrders) -> None:
    shown = stopped.shown("clean", "broken")
    with pytest.raises(ConfigurationError, match="2 orders are selected, but one action takes at most 1"):
        stopped.actions.replay(shown, "x", "ann", limit=1)
    with pytest.raises(ConfigurationError, match="the reason is empty"):
        stopped.actions.discard(shown, " ", "ann")
    with pytest.raises(ConfigurationError, match="unknown action 'send'; choose one of: replay, discard"):
        stopped.actions.preview("send", shown)
    with pytest.raises(ConcurrentUpdateError, match="now in_doubt"):
        stopped.actions.discard(stopped.shown("in_doubt"), "x", "ann")
    assert stopped.shown("clean", "broken") == shown


def test_a_held_order_is_reviewed_and_decided(stopped: StoppedOrders) -> None:
    number = stopped.numbers["held"]
    review = stopped.actions.review(PIPELINE, number)
    assert dict(review.answers).keys() == {"replacement", "separate", "discard"}
    shown: dict[int, int | None] = dict(zip(review.shown_ids, review.revisions, strict=True))
    ids = stopped.actions.decide(number, "separate", "another order", "ann", pipeline=PIPELINE, shown=shown)
    assert (ids, stopped.host.rechecked) == ([stopped.id("held")], [number])
    with pytest.raises(IllegalTransitionError, match="nothing is held"):
        stopped.actions.decide(number, "discard", "x", "bob", pipeline=PIPELINE)


def test_an_order_in_doubt_is_settled_once(stopped: StoppedOrders) -> None:
    number, shown = stopped.numbers["in_doubt"], stopped.shown("in_doubt")
    assert stopped.actions.settle(number, "901", "found in the OMS", "ann", shown=shown) == [stopped.id("in_doubt")]
    assert (stopped.state("in_doubt"), stopped.host.rechecked) == ("imported", [number])
    with pytest.raises(IllegalTransitionError, match="0 submissions"):
        stopped.actions.settle(number, None, "x", "bob")


def test_a_decision_counts_even_if_the_open_review_cannot_be_reached(
    stopped: StoppedOrders, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise TransientError("Airflow's database could not be written")

    monkeypatch.setattr(stopped.host, "recheck_reviews", fail)
    stopped.actions.settle(stopped.numbers["in_doubt"], None, "searched", "ann")
    assert stopped.state("in_doubt") == "ready"
    assert "close within an hour" in caplog.text


def test_notes_assignments_and_snoozes_are_recorded(stopped: StoppedOrders) -> None:
    shown, number = stopped.shown("clean"), stopped.id("clean")
    stopped.actions.note([number], "asked sales", "ann")
    stopped.actions.assign(shown, "bob", "ann")
    stopped.actions.snooze(shown, SOON, "sales will answer", "ann")
    stopped.actions.unsnooze(shown, "bob", "they did")
    done = [(one.action, one.who) for one in stopped.ledger.activity.of_submission(number)]
    assert done == [("note", "ann"), ("assign", "ann"), ("snooze", "ann"), ("unsnooze", "bob")]


def test_the_rules_of_doubt_are_those_of_the_pipelines(stopped: StoppedOrders) -> None:
    rules = stopped.actions.attention_rules
    assert rules.tell_after_s == {PIPELINE: stopped.parts.pipelines[PIPELINE].doubt.tell_after_s}
    assert "resends_exhausted" in rules.doubt_reasons


KNOWN = (PIPELINE, OTHER)


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [
        ("", lambda actions: actions.stop(None, "OMS is down", "ann"), "true"),
        ("", lambda actions: actions.stop(PIPELINE, "OMS is down", "ann"), PIPELINE),
        (OTHER, lambda actions: actions.stop(PIPELINE, "x", "ann"), f"{OTHER} {PIPELINE}"),
        ("true", lambda actions: actions.stop(PIPELINE, "x", "ann"), "true"),
        ("typo", lambda actions: actions.stop(PIPELINE, "x", "ann"), "true"),
        ("true", lambda actions: actions.resume(None, "x", "ann"), "false"),
        (f"{PIPELINE} {OTHER}", lambda actions: actions.resume(PIPELINE, "x", "ann"), OTHER),
        (PIPELINE, lambda actions: actions.resume(PIPELINE, "x", "ann"), "false"),
    ],
)
def test_sending_is_stopped_and_resumed(
    stopped: StoppedOrders, before: str, act: Callable[..., StopSwitch], after: str
) -> None:
    stopped.parts.pipelines = dict.fromkeys(KNOWN, stopped.parts.pipelines[PIPELINE])
    stopped.host.switch = read_switch(before, KNOWN)
    switch = act(stopped.actions)
    assert stopped.host.written == [after]
    assert switch == read_switch(after, KNOWN)
    (kept,) = stopped.ledger.activity.general("stop") or stopped.ledger.activity.general("resume")
    assert (kept.who, kept.pipeline in {"", PIPELINE}) == ("ann", True)


def test_a_stop_that_has_no_effect_is_an_error(stopped: StoppedOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopped.host, "set_stop_switch", lambda _: None)
    with pytest.raises(ConfigurationError, match="changed at the same time"):
        stopped.actions.stop(PIPELINE, "x", "ann")


@pytest.mark.parametrize(
    ("switch", "pipeline", "problem"),
    [
        (StopSwitch(), None, "sending is not stopped$"),
        (StopSwitch(pipelines=frozenset({OTHER})), PIPELINE, f"not stopped for {PIPELINE}"),
        (unreadable_switch("no answer", KNOWN), None, "could not be read"),
        (StopSwitch(everything=True), "nobody", "unknown pipeline 'nobody'"),
    ],
)
def test_resuming_what_is_not_stopped_changes_nothing(
    stopped: StoppedOrders, switch: StopSwitch, pipeline: str | None, problem: str
) -> None:
    stopped.host.switch = switch
    with pytest.raises(ConfigurationError, match=problem):
        stopped.actions.resume(pipeline, "x", "ann")
    assert (stopped.host.written, stopped.ledger.activity.general("resume")) == ([], [])
