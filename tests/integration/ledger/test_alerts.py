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
    notes = book.take_alerts()
    for note in notes:
        book.alert_told(note)
    return [(note.subject, note.over) for note in notes]


def look(book: Ledger, *messages: Alert) -> list[tuple[str, bool]]:
    book.note_alerts(NAME, messages, {"stuck"})
    return deliver(book)


def test_a_cause_is_told_once_and_not_at_each_look(book):
    assert look(book, late()) == [("1 orders are held", False)]
    for _ in range(5):
        pass_time(book, minutes=15)
        assert look(book, late()) == []


def test_while_it_lasts_it_is_told_again_after_the_setting(book):
    look(book, late(repeat_s=DAY_S))
    pass_time(book, hours=23)
    assert look(book, late(repeat_s=DAY_S)) == []
    pass_time(book, hours=1)
    assert look(book, late(repeat_s=DAY_S)) == [("1 orders are held", False)]
    assert look(book, late(repeat_s=DAY_S)) == []


def test_doubled_it_is_told_at_once_with_the_new_count(book):
    look(book, late(3))
    assert look(book, late(5)) == []
    assert look(book, late(6)) == [("6 orders are held", False)]
    assert look(book, late(11)) == []


def test_people_hear_once_that_it_is_over(book):
    look(book, late())
    assert look(book) == []
    pass_time(book, hours=1)
    assert look(book) == [("1 orders are held", True)]
    pass_time(book, days=2)
    assert look(book) == []
    assert book.open_alerts() == []


def test_what_comes_and_goes_is_told_as_one(book):
    look(book, late())
    for _ in range(6):
        pass_time(book, minutes=10)
        assert look(book) == []
        pass_time(book, minutes=10)
        assert look(book, late()) == []


def test_after_its_end_was_told_the_same_cause_is_new(book):
    look(book, late())
    look(book)
    pass_time(book, hours=1)
    look(book)
    assert look(book, late()) == [("1 orders are held", False)]


def test_a_delivery_that_failed_is_tried_again_and_meanwhile_by_nobody_else(book):
    book.note_alerts(NAME, [late()])
    assert [note.subject for note in book.take_alerts()] == ["1 orders are held"]
    assert book.take_alerts() == []
    pass_time(book, minutes=5)
    assert deliver(book) == [("1 orders are held", False)], "also by a look that notes nothing"
    pass_time(book, minutes=5)
    assert look(book, late()) == []


def test_a_cause_that_went_before_anybody_was_told_is_dropped(book):
    book.note_alerts(NAME, [late()], {"stuck"})
    book.note_alerts(NAME, [], {"stuck"})
    pass_time(book, hours=2)
    assert deliver(book) == []


def test_a_cause_may_have_to_last_before_it_is_told(book):
    assert look(book, late(after_s=3600)) == []
    pass_time(book, minutes=59)
    assert look(book, late(after_s=3600)) == []
    pass_time(book, minutes=1)
    assert look(book, late(after_s=3600)) == [("1 orders are held", False)]


def test_a_look_closes_only_its_own_kinds_and_its_own_pipeline(book):
    look(book, late())
    book.note_alerts("other", [], {"stuck"})
    book.note_alerts(NAME, [], {"run_failed"})
    assert [row["cause"] for row in book.open_alerts()] == ["stuck:held"]


def test_what_nobody_notes_any_more_is_closed_without_a_word(book):
    book.note_alerts(NAME, [Alert("review", "review:1", "order N1 waits", repeat_s=DAY_S)])
    deliver(book)
    pass_time(book, hours=47)
    assert look(book) == [], "it is not noted any more, so nobody is reminded"
    assert len(book.open_alerts()) == 1
    pass_time(book, hours=2)
    assert look(book) == []
    assert book.open_alerts() == []


def test_over_before_the_delivery_was_done_is_still_told_to_be_over(book):
    book.note_alerts(NAME, [late()], {"stuck"})
    (note,) = book.take_alerts()
    book.note_alerts(NAME, [], {"stuck"})
    book.alert_told(note)
    pass_time(book, hours=1)
    assert deliver(book) == [("1 orders are held", True)]


def test_closed_ones_leave_the_ledger_after_a_while(book):
    look(book, late())
    look(book)
    pass_time(book, days=91)
    look(book)
    assert book.alert_noted_at(NAME, "stuck:held") is None


def test_a_note_of_a_row_that_is_gone_changes_nothing(book):
    book.alert_told(Delivery(NAME, "stuck:held", "stuck", "gone", "gone"))
    assert book.open_alerts() == []


def test_texts_that_no_database_can_hold_are_cleaned(book):
    assert look(book, Alert("stuck", "stuck:held", "a\x00b\ud800")) == [("a\ufffdb?", False)]
