"""Time windows and lists of several pages: no order is missed, and none is returned more than once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest

from order_relay.errors import TransientError
from order_relay.orders.messages import Selection
from order_relay_contract.fixtures import concerns
from order_relay_contract.support.account import SourceAccount

ZONES = {"UTC": UTC, "ahead": timezone(timedelta(hours=5, minutes=30)), "behind": timezone(timedelta(hours=-8))}

MOVES = ("arriving_while_paging", "leaving_while_paging", "moving_while_paging")
"""Switches of stand-ins whose lists have pages; the value is how often it happens."""

PAGED = 23
PAGE = 7


class TestWindowsAndPages:
    """``Source.fetch`` of a source that is queried by time, or page by page."""

    @concerns("window_edges")
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("microseconds", [0, 1, 700_000, 999_999])
    def test_orders_at_the_edges_are_read(self, source: SourceAccount, zone: str, microseconds: int) -> None:
        start, end = _window(source, ZONES[zone], microseconds)
        middle = start + (end - start) / 2
        inside = _offered(source, start, middle, end, start + timedelta(microseconds=1), end - timedelta(seconds=1))
        assert inside <= set(source.fetch(Selection(start=start, end=end)))

    @concerns("window_edges")
    def test_orders_far_outside_are_not_read(self, source: SourceAccount) -> None:
        start, end = _window(source, UTC, 0)
        outside = _offered(source, start - timedelta(days=3), start - timedelta(days=4))
        assert not outside & set(source.fetch(Selection(start=start, end=end)))

    @concerns("window_edges")
    def test_consecutive_windows_leave_no_gap(self, source: SourceAccount) -> None:
        start, end = _window(source, UTC, 300_000)
        step = (end - start) / 4
        times = [start + step * n / 4 for n in range(17)]
        offered = _offered(source, *times)
        found: set[str] = set()
        for number in range(4):
            window = Selection(start=start + step * number, end=start + step * (number + 1))
            found |= set(source.fetch(window))
        assert offered <= found

    @concerns("window_edges")
    def test_without_an_end_everything_since_the_start_is_read(self, source: SourceAccount) -> None:
        start, _ = _window(source, UTC, 0)
        offered = _offered(source, start, start + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=5))
        assert offered <= set(source.fetch(Selection(start=start)))

    @concerns("moving_lists")
    def test_all_pages_are_read(self, source: SourceAccount) -> None:
        assert set(_paged(source)) == source.ids

    @concerns("moving_lists")
    @pytest.mark.parametrize("moves", [*([name] for name in MOVES), list(MOVES)], ids="+".join)
    @pytest.mark.parametrize("times", [1, 3])
    def test_a_list_that_moves_hides_nothing(self, source: SourceAccount, moves: list[str], times: int) -> None:
        known = [name for name in moves if name in source.switches]
        if not known:
            pytest.skip(f"the stand-in does not have {', '.join(moves)}")
        before = set(_paged(source))
        source.change(**dict.fromkeys(known, times))
        during = set(source.fetch())
        source.change(**dict.fromkeys(known, 0))
        assert before & set(source.fetch()) <= during

    @concerns("moving_lists")
    @pytest.mark.parametrize("answer", ["cut_body", "500", "html", "empty"])
    def test_a_list_without_its_last_page_is_not_used(self, source: SourceAccount, answer: str) -> None:
        _paged(source)
        source.spoil({"purpose": "list", "answer": answer, "after": 2})
        source.refused(source.fetch, TransientError)


def _window(source: SourceAccount, zone: tzinfo, microseconds: int) -> tuple[datetime, datetime]:
    if not source.port.windowed:
        pytest.skip(f"{source.name} is not queried by time")
    end = datetime.now(zone).replace(microsecond=microseconds) - timedelta(hours=2)
    return end - timedelta(hours=4), end


def _offered(source: SourceAccount, *times: datetime) -> set[str]:
    """Ids of new orders that were made at these times."""
    before = source.ids
    fresh = source.stand_in.plain(len(before) + len(times), 1)[len(before) :]
    made = [source.stand_in.dated(order, time) for order, time in zip(fresh, times, strict=True)]
    source.sandbox.offer(made, source=source.name)
    return source.ids - before


def _paged(source: SourceAccount) -> set[str]:
    """Ids of the orders of a list of several pages."""
    if "max_page_size" not in source.switches:
        pytest.fail("its stand-in needs the switch max_page_size; or answer the rule moving_lists with 'exempt'")
    source.sandbox.offer(source.stand_in.plain(PAGED, 1), source=source.name)
    source.change(max_page_size=PAGE)
    return set(source.fetch())
