"""Once for each cause: when people are told, told again, and told that it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from order_relay.ledger import Alert, Delivery, Ledger
from order_relay.ledger.schema.tables import alert

NAME = "shop_to_oms"
TIMES = [column for column in alert.columns if column.name.endswith("_at")]
DAY_S = 86_400


@pytest.fixture
def alert_ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(ledger_url)
    yield opened
    opened.close()


def late(size: int = 1, **changes: float) -> Alert:
    return Alert("stuck", "stuck:held", f"{size} orders are held", ("N1",), size=size, **changes)


def pass_time(alert_ledger: Ledger, **time: float) -> None:
    """As if the alerts had been written so long ago."""

    def shift(tx):
        for row in tx.run(sa.select(alert)).all():
            values = {c.name: getattr(row, c.name) - timedelta(**time) for c in TIMES if getattr(row, c.name)}
            tx.run(alert.update().where(alert.c.pipeline == row.pipeline, alert.c.cause == row.cause), values)

    alert_ledger.database.write(shift)


def deliver(alert_ledger: Ledger) -> list[tuple[str, bool]]:
    """What reaches people now."""
    notes = alert_ledger.alerts.claim_due()
    for note in notes:
        alert_ledger.alerts.mark_delivered(note)
    return [(note.subject, note.over) for note in notes]


def look(alert_ledger: Ledger, *messages: Alert) -> list[tuple[str, bool]]:
    alert_ledger.alerts.record(NAME, messages, {"stuck"})
    return deliver(alert_ledger)


def test_a_condition_is_alerted_once_and_not_at_each_check(alert_ledger):
    assert look(alert_ledger, late()) == [("1 orders are held", False)]
    for _ in range(5):
        pass_time(alert_ledger, minutes=15)
        assert look(alert_ledger, late()) == []


def test_while_it_lasts_it_is_repeated_after_the_configured_time(alert_ledger):
    look(alert_ledger, late(repeat_s=DAY_S))
    pass_time(alert_ledger, hours=23)
    assert look(alert_ledger, late(repeat_s=DAY_S)) == []
    pass_time(alert_ledger, hours=1)
    assert look(alert_ledger, late(repeat_s=DAY_S)) == [("1 orders are held", False)]
    assert look(alert_ledger, late(repeat_s=DAY_S)) == []


def test_a_doubled_count_is_alerted_immediately(alert_ledger):
    look(alert_ledger, late(3))
    assert look(alert_ledger, late(5)) == []
    assert look(alert_ledger, late(6)) == [("6 orders are held", False)]
    assert look(alert_ledger, late(11)) == []


def test_recovery_is_announced_once(alert_ledger):
    look(alert_ledger, late())
    assert look(alert_ledger) == []
    pass_time(alert_ledger, hours=1)
    assert look(alert_ledger) == [("1 orders are held", True)]
    pass_time(alert_ledger, days=2)
    assert look(alert_ledger) == []
    assert alert_ledger.alerts.unresolved() == []


def test_an_intermittent_condition_is_one_alert(alert_ledger):
    look(alert_ledger, late())
    for _ in range(6):
        pass_time(alert_ledger, minutes=10)
        assert look(alert_ledger) == []
        pass_time(alert_ledger, minutes=10)
        assert look(alert_ledger, late()) == []


def test_after_its_recovery_notice_the_same_condition_is_new(alert_ledger):
    look(alert_ledger, late())
    look(alert_ledger)
    pass_time(alert_ledger, hours=1)
    look(alert_ledger)
    assert look(alert_ledger, late()) == [("1 orders are held", False)]


def test_a_failed_delivery_is_retried_by_one_worker(alert_ledger):
    alert_ledger.alerts.record(NAME, [late()])
    assert [note.subject for note in alert_ledger.alerts.claim_due()] == ["1 orders are held"]
    assert alert_ledger.alerts.claim_due() == []
    pass_time(alert_ledger, minutes=5)
    assert deliver(alert_ledger) == [("1 orders are held", False)], "also by a look that notes nothing"
    pass_time(alert_ledger, minutes=5)
    assert look(alert_ledger, late()) == []


def test_a_condition_that_cleared_before_its_alert_is_dropped(alert_ledger):
    alert_ledger.alerts.record(NAME, [late()], {"stuck"})
    alert_ledger.alerts.record(NAME, [], {"stuck"})
    pass_time(alert_ledger, hours=2)
    assert deliver(alert_ledger) == []


def test_a_condition_may_have_to_persist_before_it_is_alerted(alert_ledger):
    assert look(alert_ledger, late(after_s=3600)) == []
    pass_time(alert_ledger, minutes=59)
    assert look(alert_ledger, late(after_s=3600)) == []
    pass_time(alert_ledger, minutes=1)
    assert look(alert_ledger, late(after_s=3600)) == [("1 orders are held", False)]


def test_a_look_closes_only_its_own_kinds_and_its_own_pipeline(alert_ledger):
    look(alert_ledger, late())
    alert_ledger.alerts.record("other", [], {"stuck"})
    alert_ledger.alerts.record(NAME, [], {"run_failed"})
    assert [row["cause"] for row in alert_ledger.alerts.unresolved()] == ["stuck:held"]


def test_conditions_that_no_longer_occur_are_closed_silently(alert_ledger):
    alert_ledger.alerts.record(NAME, [Alert("review", "review:1", "order N1 waits", repeat_s=DAY_S)])
    deliver(alert_ledger)
    pass_time(alert_ledger, hours=47)
    assert look(alert_ledger) == [], "it is not noted any more, so nobody is reminded"
    assert len(alert_ledger.alerts.unresolved()) == 1
    pass_time(alert_ledger, hours=2)
    assert look(alert_ledger) == []
    assert alert_ledger.alerts.unresolved() == []


def test_a_recovery_during_delivery_is_still_reported(alert_ledger):
    alert_ledger.alerts.record(NAME, [late()], {"stuck"})
    (note,) = alert_ledger.alerts.claim_due()
    alert_ledger.alerts.record(NAME, [], {"stuck"})
    alert_ledger.alerts.mark_delivered(note)
    pass_time(alert_ledger, hours=1)
    assert deliver(alert_ledger) == [("1 orders are held", True)]


def test_closed_ones_leave_the_ledger_after_a_while(alert_ledger):
    look(alert_ledger, late())
    look(alert_ledger)
    pass_time(alert_ledger, days=91)
    look(alert_ledger)
    assert alert_ledger.alerts.first_recorded_at(NAME, "stuck:held") is None


def test_a_note_about_a_deleted_row_changes_nothing(alert_ledger):
    alert_ledger.alerts.mark_delivered(Delivery(NAME, "stuck:held", "stuck", "gone", "gone"))
    assert alert_ledger.alerts.unresolved() == []


def test_texts_that_no_database_can_hold_are_cleaned(alert_ledger):
    assert look(alert_ledger, Alert("stuck", "stuck:held", "a\x00b\ud800")) == [("a\ufffdb?", False)]
