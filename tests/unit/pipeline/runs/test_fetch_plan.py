from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.orders.messages import Selection
from order_relay.pipeline.runs.fetch_plan import MAX_REREAD, plan_ids, plan_interval, plan_new_orders
from order_relay.pipeline.settings.sections import ReadingSettings

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
SETTINGS = ReadingSettings(overlap_s=3600, first_days=5)


@dataclass
class FakeLedger:
    runs = source_holds = unread_orders = property(lambda self: self)
    point: datetime | None = None
    waiting: list[str] = field(default_factory=list)
    unread: dict[str, bool] = field(default_factory=dict)

    def watermark(self, _pipeline: str) -> datetime | None:
        return self.point

    def due_for_recheck(self, _pipeline: str, limit: int) -> list[str]:
        assert limit == MAX_REREAD
        return self.waiting

    def pending(self, _pipeline: str) -> dict[str, bool]:
        return self.unread


class Shop:
    def __init__(self, *, windowed: bool) -> None:
        self.windowed = windowed


def news(ledger: FakeLedger, *, windowed: bool = True) -> Any:
    return plan_new_orders("shop_to_oms", Shop(windowed=windowed), ledger, SETTINGS, NOW)  # type: ignore[arg-type]


def test_a_source_that_offers_everything_is_read_whole() -> None:
    reading = news(FakeLedger(NOW), windowed=False)
    assert reading.selection == Selection()
    assert (reading.complete, reading.read_to) == (True, None)


def test_the_first_run_looks_back_some_days() -> None:
    reading = news(FakeLedger())
    assert reading.selection == Selection((), NOW - timedelta(days=5, hours=1))
    assert (reading.complete, reading.read_to, reading.from_past) == (False, NOW, False)


def test_later_ones_begin_an_overlap_before_the_point_however_long_ago_it_is() -> None:
    point = NOW - timedelta(days=40)
    assert news(FakeLedger(point)).selection.start == point - timedelta(hours=1)


def test_a_point_in_the_future_loses_nothing() -> None:
    assert news(FakeLedger(NOW + timedelta(days=1))).selection.start == NOW - timedelta(hours=1)


def test_waiting_orders_are_asked_for_besides() -> None:
    reading = news(FakeLedger(NOW, ["7", "8"]))
    assert reading.selection.order_ids == reading.asked_again == ("7", "8")
    assert reading.selection.start is not None


def test_a_run_asks_for_no_end_so_that_a_shop_ahead_of_us_hides_nothing() -> None:
    reading = news(FakeLedger(NOW))
    assert reading.selection.end is None
    assert reading.read_to == NOW


def test_orders_that_could_not_be_read_are_left_alone_until_they_are_due() -> None:
    reading = news(FakeLedger(NOW, ["7"], {"7": True, "8": False}))
    assert reading.selection.later == {"8"}
    assert reading.selection.known == {"7", "8"}


def test_a_selection_and_a_backfill_move_no_point_and_prove_nothing() -> None:
    ids = plan_ids(("7",))
    past = plan_interval(NOW - timedelta(hours=1), NOW)
    assert [(r.complete, r.read_to, r.asked_again) for r in (ids, past)] == [(False, None, ())] * 2
    assert past.from_past
    assert past.selection == Selection(start=NOW - timedelta(hours=1), end=NOW)
