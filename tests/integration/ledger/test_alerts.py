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
def book(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(ledger_url)
    yield opened
    opened.close()


def late(size: int = 1, **changes: float) -> Alert:
    return Alert("stuck", "stuck:held", f"{size} orders are held", ("N1",), size=size, **changes)


def pass_time(book: Ledger, **time: float) -> None:
    """As if the alerts had been written so long ago."""

    def shift(tx):
        for row in tx.run(sa.select(alert)).all():
            values = {c.name: getattr(row, c.name) - timedelta(**time) for c in TIMES if getattr(row, c.name)}
            tx.run(alert.update().where(alert.c.pipeline == row.pipeline, alert.c.cause == row.cause), values)

    book.database.write(shift)


def deliver(book: Ledger) -> list[tuple[str, bool]]:
    """What reaches people now."""
    notes = book.alerts.claim_due()
    for note in notes:
        book.alerts.mark_delivered(note)
    return [(note.subject, note.over) for note in notes]


def look(book: Ledger, *messages: Alert) -> list[tuple[str, bool]]:
    book.alerts.record(NAME, messages, {"stuck"})
    return deliver(book)


def test_a_condition_is_alerted_once_and_not_at_each_check(book):
    assert look(book, late()) == [("1 orders are held", False)]
    for _ in range(5):
        pass_time(book, minutes=15)
        assert look(book, late()) == []


def test_while_it_lasts_it_is_repeated_after_the_configured_time(book):
    look(book, late(repeat_s=DAY_S))
    pass_time(book, hours=23)
    assert look(book, late(repeat_s=DAY_S)) == []
    pass_time(book, hours=1)
    assert look(book, late(repeat_s=DAY_S)) == [("1 orders are held", False)]
    assert look(book, late(repeat_s=DAY_S)) == []


def test_a_doubled_count_is_alerted_immediately(book):
    look(book, late(3))
    assert look(book, late(5)) == []
    assert look(book, late(6)) == [("6 orders are held", False)]
    assert look(book, late(11)) == []


def test_recovery_is_announced_once(book):
    look(book, late())
    assert look(book) == []
    pass_time(book, hours=1)
    assert look(book) == [("1 orders are held", True)]
    pass_time(book, days=2)
    assert look(book) == []
    assert book.alerts.unresolved() == []


def test_an_intermittent_condition_is_one_alert(book):
    look(book, late())
    for _ in range(6):
        pass_time(book, minutes=10)
        assert look(book) == []
        pass_time(book, minutes=10)
        assert look(book, late()) == []


def test_after_its_recovery_notice_the_same_condition_is_new(book):
    look(book, late())
    look(book)
    pass_time(book, hours=1)
    look(book)
    assert look(book, late()) == [("1 orders are held", False)]


def test_a_failed_delivery_is_retried_by_one_worker(book):
    book.alerts.record(NAME, [late()])
    assert [note.subject for note in book.alerts.claim_due()] == ["1 orders are held"]
    assert book.alerts.claim_due() == []
    pass_time(book, minutes=5)
    assert deliver(book) == [("1 orders are held", False)], "also by a look that notes nothing"
    pass_time(book, minutes=5)
    assert look(book, late()) == []


def test_a_condition_that_cleared_before_its_alert_is_dropped(book):
    book.alerts.record(NAME, [late()], {"stuck"})
    book.alerts.record(NAME, [], {"stuck"})
    pass_time(book, hours=2)
    assert deliver(book) == []


def test_a_condition_may_have_to_persist_before_it_is_alerted(book):
    assert look(book, late(after_s=3600)) == []
    pass_time(book, minutes=59)
    assert look(book, late(after_s=3600)) == []
    pass_time(book, minutes=1)
    assert look(book, late(after_s=3600)) == [("1 orders are held", False)]


def test_a_look_closes_only_its_own_kinds_and_its_own_pipeline(book):
    look(book, late())
    book.alerts.record("other", [], {"stuck"})
    book.alerts.record(NAME, [], {"run_failed"})
    assert [row["cause"] for row in book.alerts.unresolved()] == ["stuck:held"]


def test_conditions_that_no_longer_occur_are_closed_silently(book):
    book.alerts.record(NAME, [Alert("review", "review:1", "order N1 waits", repeat_s=DAY_S)])
    deliver(book)
    pass_time(book, hours=47)
    assert look(book) == [], "it is not noted any more, so nobody is reminded"
    assert len(book.alerts.unresolved()) == 1
    pass_time(book, hours=2)
    assert look(book) == []
    assert book.alerts.unresolved() == []


def test_a_recovery_during_delivery_is_still_reported(book):
    book.alerts.record(NAME, [late()], {"stuck"})
    (note,) = book.alerts.claim_due()
    book.alerts.record(NAME, [], {"stuck"})
    book.alerts.mark_delivered(note)
    pass_time(book, hours=1)
    assert deliver(book) == [("1 orders are held", True)]


def test_closed_ones_leave_the_ledger_after_a_while(book):
    look(book, late())
    look(book)
    pass_time(book, days=91)
    look(book)
    assert book.alerts.first_recorded_at(NAME, "stuck:held") is None


def test_a_note_about_a_deleted_row_changes_nothing(book):
    book.alerts.mark_delivered(Delivery(NAME, "stuck:held", "stuck", "gone", "gone"))
    assert book.alerts.unresolved() == []


def test_texts_that_no_database_can_hold_are_cleaned(book):
    assert look(book, Alert("stuck", "stuck:held", "a\x00b\ud800")) == [("a\ufffdb?", False)]
