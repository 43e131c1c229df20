"""A range of the vendor's list: what belongs to it, and where reading may end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.errors import ConfigurationError
from order_relay.ledger.fulfilment.status_merge import StoredStatuses
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_records import ParsedRecords
from order_relay.pipeline.alerts.fulfilment_rules import refused_statuses
from order_relay.pipeline.fulfilment.status_poll import poll_changes
from order_relay.pipeline.fulfilment.status_range import requested_range
from order_relay.pipeline.settings.status_account import PollSettings

START = datetime(2026, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def order(minute: int, *earlier: int) -> StatusReport:
    events = (StatusEvent(f"e-{n}", EventKind.ORDER, "NEW", updated_at=START + n * MINUTE) for n in (*earlier, minute))
    return StatusReport(f"A{minute}", tuple(events), Channel.POLL, START)


class Vendor:
    """Pages of orders; the list begins where it is asked for and has no end."""

    def __init__(self, orders: list[StatusReport], size: int = 10) -> None:
        self.orders, self.size, self.pages = orders, size, 0
        self.stored: list[str] = []
        self.settled: list[datetime] = []

    def changed(self, since: datetime) -> Iterator[Any]:
        listed = [each for each in self.orders if max(e.updated_at for e in each.events if e.updated_at) >= since]
        for begin in range(0, len(listed), self.size):
            self.pages += 1
            yield SimpleNamespace(asked_at=START, reports=tuple(listed[begin : begin + self.size]))

    def read(self, page: Any, _channel: Channel) -> ParsedRecords:
        return ParsedRecords(page.reports)

    def keep(self, found: ParsedRecords, *_: Any) -> StoredStatuses:
        self.stored += [report.order_id for report in found.reports]
        return StoredStatuses()

    def poll(self, begin: int, end: int | None) -> list[str]:
        status_reads = SimpleNamespace(advance_watermark=lambda _, moment: self.settled.append(moment))
        intake: Any = SimpleNamespace(
            account="a", ledger=SimpleNamespace(status_reads=status_reads), reader=self, keep=self.keep
        )
        until = None if end is None else START + end * MINUTE
        self.stored = []
        poll_changes(intake, self, PollSettings(most_passes=1), START, START + begin * MINUTE, until)  # type: ignore[arg-type]
        return self.stored


def test_each_interval_of_a_backfill_stores_its_own_orders_and_reads_few_pages() -> None:
    vendor = Vendor([order(n) for n in range(1440)])
    stored = [number for begin in range(0, 1440, 5) for number in vendor.poll(begin, begin + 5)]
    assert stored == [f"A{n}" for n in range(1440)]
    assert vendor.pages <= 2 * 288
    assert vendor.settled == []


def test_one_run_reads_the_whole_range() -> None:
    vendor = Vendor([order(n) for n in range(1440)])
    assert vendor.poll(100, 200) == [f"A{n}" for n in range(100, 200)]
    assert vendor.poll(1400, None) == [f"A{n}" for n in range(1400, 1440)]


def test_an_order_that_changed_again_later_belongs_to_both() -> None:
    vendor = Vendor([order(7, 2), order(8)])
    assert vendor.poll(0, 5) == ["A7"]
    assert vendor.poll(5, 10) == ["A7", "A8"]


def test_a_list_in_another_order_is_read_to_its_end() -> None:
    vendor = Vendor([order(n) for n in reversed(range(100))])
    assert sorted(vendor.poll(0, 5)) == [f"A{n}" for n in range(5)]


def test_an_order_without_times_is_never_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Vendor([order(50)])
    bare = StatusReport("B", (StatusEvent("b", EventKind.ORDER, "NEW"),), Channel.POLL, START)
    page = SimpleNamespace(asked_at=START, reports=(bare, order(50)))
    monkeypatch.setattr(vendor, "changed", lambda _: iter([page]))
    assert vendor.poll(0, 5) == ["B"]


def test_what_a_form_asks_for() -> None:
    assert requested_range({}) == (None, None)
    assert requested_range({"from": "2026-05-01T00:00:00+07:00", "to": "2026-05-01T00:00"}) == (
        datetime(2026, 4, 30, 17, tzinfo=UTC),
        START,
    )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"to": "2026-05-01T00:00:00Z"}, "'to' requires 'from'"),
        ({"from": "soon"}, "'from' must be a time such as"),
        ({"from": "2026-05-02T00:00:00Z", "to": "2026-05-01T00:00:00Z"}, "'from' must be before 'to'"),
    ],
)
def test_a_form_that_makes_no_sense(form: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        requested_range(form)


def test_refused_rows_raise_one_alert_a_file() -> None:
    found = [
        {"origin": "one.csv", "number": 3, "codes": [("time_unreadable", 2, "row 3"), ("wrong_width", 1, "row 9")]},
        {"origin": "poll", "number": 1, "codes": [("wrong_type", 1, "WEB-1")]},
    ]
    first, second = refused_statuses("acommerce_status", found)
    assert (first.kind, first.cause, first.size) == ("status_refused", "status_refused:one.csv", 3)
    assert "3 status records or rows of 'one.csv'" in first.subject
    assert "statuses --refused" in first.subject
    assert first.lines == ("time_unreadable: 2, such as row 3", "wrong_width: 1, such as row 9")
    assert second.cause == "status_refused:poll"
    assert refused_statuses("acommerce_status", []) == []
