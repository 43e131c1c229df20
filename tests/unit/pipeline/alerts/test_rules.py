"""Which alerts a pipeline and a run raise, and what they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.records import Heartbeat, OverdueOrders
from order_relay.pipeline.alerts.fulfilment_rules import unmatched_shipments
from order_relay.pipeline.alerts.kinds import PIPELINE_KINDS, RUN_KINDS, UNMATCHED_SHIPMENTS
from order_relay.pipeline.alerts.rules import PipelineFacts, check_pipeline, state_limits
from order_relay.pipeline.alerts.run_rules import check_run
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file

NAME = "supercat_to_shopatron"
NOW = datetime(2026, 5, 4, 6, tzinfo=UTC)
ALIVE = Heartbeat(
    bound_at=NOW - timedelta(days=90), read_at=NOW - timedelta(minutes=15), order_at=NOW - timedelta(hours=3)
)


def settings(**alerts: Any) -> PipelineSettings:
    more = {key: alerts.pop(key) for key in ("schedule", "acknowledge", "doubt", "mode") if key in alerts}
    return PipelineSettings.model_validate(
        {
            "name": NAME,
            "source": {"vendor": "supercat", "connection": "a"},
            "destination": {"vendor": "shopatron", "connection": "b"},
            "mode": "live",
            "alerts": alerts,
            **more,
        }
    )


def causes(facts: PipelineFacts, **alerts: Any) -> list[str]:
    return [message.cause for message in check_pipeline(facts, settings(**alerts))]


def pulse(**changes: Any) -> Heartbeat:
    return Heartbeat(**{"bound_at": ALIVE.bound_at, "read_at": ALIVE.read_at, "order_at": ALIVE.order_at, **changes})


def test_a_healthy_pipeline_gives_nothing() -> None:
    assert causes(PipelineFacts(NAME, NOW, ALIVE)) == []


def test_a_pipeline_that_never_ran_gives_nothing() -> None:
    assert causes(PipelineFacts(NAME, NOW, None, quarantined=1000, stopped=True)) == []


def test_stuck_orders_are_one_cause_a_state_with_numbers_and_what_to_do() -> None:
    late = OverdueOrders("held", 23, NOW - timedelta(days=2), tuple(f"N{n}" for n in range(20)))
    (message,) = check_pipeline(PipelineFacts(NAME, NOW, ALIVE, [late]), settings())
    assert (message.cause, message.size) == ("stuck:held", 23)
    assert (
        "23 orders have been held for more than 1 day, the oldest since 2026-05-02 06:00 UTC. Compare"
        in message.subject
    )
    assert "decide NUMBER" in message.subject
    assert message.text.splitlines()[1] == "  N0"
    assert message.text.splitlines()[-1] == "  and 3 more"


def test_every_watched_state_has_a_next_step() -> None:
    for state in state_limits(settings()):
        (message,) = check_pipeline(PipelineFacts(NAME, NOW, ALIVE, [OverdueOrders(state, 1, NOW)]), settings())
        assert len(message.subject.partition("UTC. ")[2]) > 20, state
        assert message.kind in PIPELINE_KINDS


def test_limits_come_from_the_file() -> None:
    found = state_limits(settings(stuck_after_s={"held": 3600, "waiting": None}, doubt={"tell_after_s": 120}))
    assert (found["held"], found["in_doubt"]) == (3600, 120)
    assert "waiting" not in found
    assert "acknowledgement" in found
    assert "acknowledgement" not in state_limits(settings(acknowledge={"enabled": False}))


@pytest.mark.parametrize(
    ("number", "most", "alerted"), [(20, 20, False), (21, 20, True), (1, 0, True), (99, None, False)]
)
def test_a_growing_quarantine_by_number(number: int, most: int | None, alerted: bool) -> None:
    facts = PipelineFacts(NAME, NOW, ALIVE, quarantined=number)
    assert causes(facts, quarantined_more_than=most) == ["quarantine:number"] * alerted


@pytest.mark.parametrize(("bad", "all_", "alerted"), [(5, 10, True), (4, 10, False), (9, 9, False), (0, 0, False)])
def test_a_growing_quarantine_by_its_share_of_a_run(bad: int, all_: int, alerted: bool) -> None:
    facts = PipelineFacts(NAME, NOW, pulse(last_run={"run_quarantined": bad, "run_received": all_}))
    assert causes(facts) == ["quarantine:share"] * alerted


def test_a_source_that_is_not_read() -> None:
    facts = PipelineFacts(NAME, NOW, pulse(read_at=NOW - timedelta(days=1)))
    assert causes(facts) == ["silent:unread"]
    assert causes(facts, unread_after_s=2 * 86_400) == []
    assert causes(facts, unread_after_s=None) == []
    assert causes(facts, schedule=None) == [], "nobody expects a reading where nothing is scheduled"


def test_a_source_that_was_never_read_counts_from_the_pipelines_beginning() -> None:
    assert causes(PipelineFacts(NAME, NOW, Heartbeat(bound_at=NOW - timedelta(days=1)))) == ["silent:unread"]
    assert causes(PipelineFacts(NAME, NOW, Heartbeat(bound_at=NOW))) == []


def test_a_silent_source_is_watched_if_configured() -> None:
    facts = PipelineFacts(NAME, NOW, pulse(order_at=NOW - timedelta(days=3)))
    assert causes(facts) == []
    assert causes(facts, no_orders_after_s=3 * 86_400) == ["silent:no_orders"]


def test_a_suspended_and_a_stopped_pipeline() -> None:
    rests, stopped = check_pipeline(
        PipelineFacts(NAME, NOW, pulse(resting="refused"), stopped=True), settings(stopped_after_s=7200)
    )
    assert (rests.cause, stopped.cause, stopped.after_s) == ("resting", "stopped", 7200)
    assert causes(PipelineFacts(NAME, NOW, ALIVE, stopped=True), stopped_after_s=None) == []


def test_the_distance_of_repeats_is_a_setting() -> None:
    late = [OverdueOrders("ready", 1, NOW)]
    facts = PipelineFacts(NAME, NOW, pulse(resting="x", read_at=ALIVE.bound_at), late, quarantined=21, stopped=True)
    assert {message.repeat_s for message in check_pipeline(facts, settings(repeat_s=7200))} == {7200}


def test_the_same_tasks_failing_again_are_the_same_cause() -> None:
    (first,) = check_run(NAME, "run-1", ["load_3", "load_7", "acknowledge"], [], 600)
    (second,) = check_run(NAME, "run-2", ["acknowledge", "load_0"], [], 600)
    assert first.cause == second.cause == "run_failed:acknowledge,load"
    assert "run-1" in first.subject
    assert first.lines == ("load_3", "load_7", "acknowledge")
    assert (first.size, first.repeat_s) == (3, 600)


def test_why_a_task_failed_is_in_the_message() -> None:
    (message,) = check_run(NAME, "run-1", ["load_0", "load_1"], [], 600, causes={"load_0": "GET https://x/: HTTP 404"})
    assert message.lines == ("load_0: GET https://x/: HTTP 404", "load_1")


def test_orders_that_are_not_sent_come_with_what_the_newest_run_failed_with() -> None:
    late = [OverdueOrders("ready", 3, NOW)]
    why = "GET https://x/api/v2/order/: HTTP 503"
    (message,) = check_pipeline(PipelineFacts(NAME, NOW, pulse(last_run={"cause": why}), late), settings())
    assert why in message.text
    (message,) = check_pipeline(PipelineFacts(NAME, NOW, pulse(), late), settings())
    assert "newest run failed" not in message.text


def test_a_failed_accounting_check_is_reported_beside_failed_tasks() -> None:
    messages = check_run(NAME, "run-1", ["load_3"], ["2 submissions differ"], 600)
    assert [message.kind for message in messages] == ["run_failed", "law"]
    assert {message.kind for message in messages} == RUN_KINDS
    assert check_run(NAME, "run-1", [], [], 600) == []


def test_a_wrong_alert_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / f"{NAME}.yaml"
    file.write_text("""
source: {vendor: supercat, connection: a}
destination: {vendor: shopatron, connection: b}
transform: {customer_ip: 8.8.8.8}
alerts: {stuck_after_s: {helt: 60}}
""")
    with pytest.raises(
        ConfigurationError, match=r"alerts\.stuck_after_s\.helt: is unknown; allowed here: received, waiting"
    ):
        load_file(file)


def test_a_live_pipeline_that_returns_to_shadow_mode_is_alerted() -> None:
    """For example, an update lost the mode in the file. Shadow runs enter no order, so a known order was live."""
    (message,) = check_pipeline(PipelineFacts(NAME, NOW, ALIVE), settings(mode="shadow", stopped_after_s=7200))
    assert (message.cause, message.after_s) == ("shadow", 7200)
    assert "mode: live" in message.subject
    assert causes(PipelineFacts(NAME, NOW, pulse(order_at=None)), mode="shadow") == []


def test_in_shadow_mode_nothing_is_expected_of_the_source_or_of_runs() -> None:
    facts = PipelineFacts(
        NAME,
        NOW,
        pulse(read_at=None, order_at=None, resting="x", last_run={"run_quarantined": 99, "run_received": 99}),
        stopped=True,
    )
    assert causes(facts, mode="shadow") == ["resting"]


@pytest.mark.parametrize("state", sorted(state_limits(settings())))
def test_orders_left_open_from_live_mode_alert_in_shadow_mode_too(state: str) -> None:
    facts = PipelineFacts(
        NAME, NOW, pulse(order_at=None), [OverdueOrders(state, 2, NOW - timedelta(days=1), ("N-1", "N-2"))]
    )
    (message,) = check_pipeline(facts, settings(mode="shadow"))
    (live,) = check_pipeline(facts, settings())
    assert (message.cause, message.size, message.lines) == (live.cause, live.size, live.lines)
    needs_a_run = state in {"received", "waiting", "ready", "sending", "acknowledgement"}
    assert ("mode: live" in message.subject) is needs_a_run, "a paused DAG is not why they are not sent"


def test_cancelled_and_quarantined_orders_alert_in_shadow_mode_too() -> None:
    facts = PipelineFacts(NAME, NOW, pulse(order_at=None), tasks=[OverdueOrders("cancelled", 1, NOW)], quarantined=21)
    assert causes(facts, mode="shadow") == ["write_back:cancelled", "quarantine:number"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("cancelled", ("2 orders were cancelled in the shop after the import", "cancelled --done NUMBER --reason")),
        (
            "untold",
            ("2 orders were refused by the source in write-back", "feedback --failed", "--retry NUMBER` or `--give-up"),
        ),
    ],
)
def test_what_write_back_leaves_to_operators_names_orders_and_the_command(
    state: str, expected: tuple[str, ...]
) -> None:
    facts = PipelineFacts(NAME, NOW, ALIVE, tasks=[OverdueOrders(state, 2, NOW, ("1-CS1", "1-CS2"))])
    (message,) = [message for message in check_pipeline(facts, settings()) if message.kind == "write_back"]
    assert all(part in message.subject for part in expected)
    assert message.lines == ("1-CS1", "1-CS2")


def test_orders_imported_beside_an_error_are_alerted_once_for_each_run() -> None:
    (message,) = check_run(NAME, "run-1", [], [], 3600.0, ["N-1", "N-2"])
    assert message.cause == "imported_with_error:run-1"
    assert "2 orders were imported" in message.subject
    assert message.lines == ("N-1", "N-2")
    assert message.kind not in RUN_KINDS, "a later run without an error does not take it back"


def test_parcels_that_wait_for_an_operator_are_alerted_with_what_is_asked() -> None:
    assert unmatched_shipments(0, None, []) == []
    row = {"id": 7, "words": ["N-1"], "asks": "its number N-1 is another order's"}
    (message,) = unmatched_shipments(30, datetime(2026, 5, 1, tzinfo=UTC), [row])
    assert (message.kind, message.size) == (UNMATCHED_SHIPMENTS, 30)
    assert "shipments --unmatched" in message.subject
    assert "another order's" in message.lines[0]
    assert "29 more" in message.lines[-1]


@pytest.mark.parametrize(
    ("state", "said"), [("unknown", "order_statuses"), ("rejected", "in the OMS"), ("unanswered", "reason")]
)
def test_orders_whose_status_at_the_oms_needs_an_operator(state: str, said: str) -> None:
    found = PipelineFacts(NAME, NOW, ALIVE, oms=[OverdueOrders(state, 2, NOW, ("N1", "N2"))])
    (alert,) = check_pipeline(found, settings())
    assert (alert.cause, alert.size, alert.lines) == (f"oms_status:{state}", 2, ("N1", "N2"))
    assert said in alert.subject
