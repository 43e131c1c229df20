"""The morning summary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.pipeline.alerts.digest import build_digest, digest_cause, latest_due

NOW = datetime(2026, 5, 4, 6, 10, tzinfo=UTC)
AT = datetime(2026, 5, 4, 6, tzinfo=UTC)
YESTERDAY = AT - timedelta(days=1)


def row(state: str, reason: str, n: int, lately: int = 0, oldest: datetime = YESTERDAY) -> dict[str, Any]:
    return {"state": state, "reason": reason, "n": n, "lately": lately, "oldest": oldest}


def day(*states: dict[str, Any], late: OverdueOrders | None = None) -> dict[str, Any]:
    return {
        "states": list(states),
        "received": 31,
        "imported": 30,
        "acknowledged": 29,
        "runs": 96,
        "runs_failed": 1,
        "acknowledgement": late,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("06:00", AT),
        ("06:10", NOW),
        ("06:11", datetime(2026, 5, 3, 6, 11, tzinfo=UTC)),
        ("07:30 Europe/Berlin", datetime(2026, 5, 4, 5, 30, tzinfo=UTC)),
        ("23:00 America/New_York", datetime(2026, 5, 4, 3, tzinfo=UTC)),
        ("never", None),
    ],
)
def test_the_newest_moment_that_the_setting_names(text: str, expected: datetime | None) -> None:
    assert latest_due(text, NOW) == expected


@given(
    now=st.sampled_from([datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)]).flatmap(
        lambda start: st.integers(0, 72 * 60).map(lambda minutes: start + timedelta(minutes=minutes))
    ),
    clock=st.sampled_from(["00:00", "01:59", "02:00", "02:30", "03:00", "07:30"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_a_summary_is_due_once_a_day_and_never_in_the_future(now: datetime, clock: str, zone: str) -> None:
    due = latest_due(f"{clock} {zone}", now)
    assert due is not None
    assert timedelta() <= now - due < timedelta(hours=25, minutes=30)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-29T01:10+00:00", "2026-03-28T01:30+00:00"),  # 03:10; 02:30 is skipped and becomes 03:30
        ("2026-03-29T01:30+00:00", "2026-03-29T01:30+00:00"),
        ("2026-10-25T01:10+00:00", "2026-10-25T00:30+00:00"),  # 02:10 for the second time
    ],
)
def test_a_summary_at_a_time_that_is_skipped_or_repeated(now: str, expected: str) -> None:
    assert latest_due("02:30 Europe/Berlin", datetime.fromisoformat(now)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text", ["", "6", "25:00", "06:00:00", "06:00+02:00", "06:00 Middle/Earth", "06:00 ../etc", "at six"]
)
def test_an_invalid_time_is_reported_with_the_variables_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="order_relay_summary_at"):
        latest_due(text, NOW)


def test_it_counts_the_day_and_lists_pending_work_with_commands() -> None:
    late = OverdueOrders("acknowledgement", 4, YESTERDAY)
    states = [
        row("held", "changed_after_import", 2, 1),
        row("imported", "", 900),
        row("quarantined", "not_in_table", 3),
        row("quarantined", "total_differs", 5, 4, YESTERDAY - timedelta(days=3)),
        row("ready", "", 7, 7),
    ]
    message = build_digest(AT, {"a_to_b": day(*states, late=late)}, [])
    assert message.subject == (
        "Order Relay, 2026-05-04 06:00 UTC: 30 orders were imported in the last 24 hours. 10 orders need an operator."
    )
    found = message.text
    assert "**a_to_b**, last 24 hours: 31 received, 30 imported, 29 acknowledged; 96 runs, 1 failed" in found
    assert "- held: 2 (1 new since yesterday), the oldest since 2026-05-03 06:00 UTC. Compare the versions" in found
    assert "decide NUMBER" in found
    assert "- quarantined: 8 (4 new since yesterday), the oldest since 2026-04-30 06:00 UTC" in found
    assert found.index("`total_differs`: 5") < found.index("(`not_in_table`): 3"), "the most frequent reason first"
    assert "- ready: 7 (7 new since yesterday)" in found
    assert "- unacknowledged: 4, the oldest since 2026-05-03 06:00 UTC" in found
    assert "900" not in found


def test_an_idle_pipeline_is_shown_as_idle() -> None:
    assert "- no open orders" in build_digest(AT, {"a_to_b": day(row("imported", "", 900))}, []).text


def test_all_pipelines_and_the_alerts_sent() -> None:
    def alert(kind: str, subject: str, told_at: datetime | None) -> dict[str, Any]:
        return {"kind": kind, "subject": subject, "first_at": YESTERDAY, "told_at": told_at}

    alerts = [alert("resting", "a_to_b rests", AT), alert("stopped", "not yet told", None), alert("summary", "old", AT)]
    found = build_digest(AT, {"a_to_b": day(), "c_to_d": day()}, alerts).text
    assert "60 orders were imported" in found
    assert "**a_to_b**, last" in found
    assert "**c_to_d**, last" in found
    assert "- since 2026-05-03 06:00 UTC: a_to_b rests" in found
    assert "not yet told" not in found
    assert "old\n" not in found


def test_each_day_is_a_cause_of_its_own() -> None:
    assert digest_cause(AT) != digest_cause(YESTERDAY)
    assert build_digest(AT, {}, []).cause == digest_cause(AT)
