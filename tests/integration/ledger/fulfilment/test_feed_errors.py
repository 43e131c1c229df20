"""Orders that a feed leaves out: noted once, mentioned, closed; and the end of it is a modification."""

from __future__ import annotations

from datetime import timedelta

from order_relay.ledger.fulfilment.feed_index import modified_stamp
from order_relay.ledger.store import database

MENTIONED_S = 30 * 24 * 3600


def test_noted_once_and_closed_when_it_can_be_rendered(driver, monkeypatch):
    ledger = driver.ledger
    first, second = driver.imported("1"), driver.imported("2")
    assert ledger.feed_errors.record({first: "no_price", second: ""}) == [first]
    assert ledger.feed_errors.record({first: "no_price"}) == [], "once"
    assert ledger.feed_errors.record({first: "no_total"}) == [], "another reason, no other gap"
    assert [gap.work.id for gap in ledger.feed_errors.omitted_orders()] == [first]
    assert ledger.feed_errors.omitted_orders(["another"]) == []
    later = ledger.feed_errors.omitted_orders()[0].modified_at + timedelta(days=1)
    monkeypatch.setattr(database, "read_clock", lambda _conn: later)
    assert ledger.feed_errors.record({first: ""}) == []
    assert ledger.feed_errors.omitted_orders() == []
    (gap,) = driver.row("1")["left_out"]
    assert (gap["problem"], gap["mended_at"]) == ("no_total", later)
    (modified,) = ledger.feed_index.modified_between(
        modified_stamp(later), modified_stamp(later), entered="imported"
    ).orders
    assert modified.work.id == first
    assert ledger.feed_errors.record({first: "no_price"}) == [first], "a further time"
    assert len(driver.row("1")["left_out"]) == 2


def test_mentioned_from_its_limit_on_and_not_for_ever(driver, monkeypatch):
    ledger = driver.ledger
    number = driver.imported("1")
    ledger.feed_errors.record({number: "no_price"})
    noted = driver.row("1")["left_out"][0]["noted_at"]
    for after_s, limit_s, mentioned in ((60, 60, True), (50, 60, False), (MENTIONED_S + 61, 60, False)):
        at = noted + timedelta(seconds=after_s)
        monkeypatch.setattr(database, "read_clock", lambda _conn, at=at: at)
        found = ledger.health.overdue("shop_to_oms", {"left_out": limit_s})
        assert [(late.state, late.number, late.oldest, late.orders) for late in found] == (
            [("left_out", 1, noted, ("N-1",))] if mentioned else []
        )


def test_of_many_each_gets_its_turn(driver):
    numbers = {driver.imported(source_id) for source_id in "123"}
    driver.ledger.feed_errors.record(dict.fromkeys(numbers, "no_price"))
    tried = [driver.ledger.feed_errors.omitted_orders(limit=1) for _ in range(60)]
    assert {gap.work.id for (gap,) in tried} == numbers
