"""The one look-up function: hits, absences, and everything that is neither."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.ledger.schema.records import InDoubtOrder, PositiveControl
from order_relay.orders.identity.traits import OURS, Traits
from order_relay.orders.messages import RunContext, SearchResult
from order_relay.orders.messages import SearchHit as Row
from order_relay.pipeline.lookup.in_doubt import look_up
from order_relay.pipeline.lookup.search import WINDOW_MARGIN, merge_windows

CTX = RunContext("p", "r")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONTROL = PositiveControl("OLD", "1", NOW - timedelta(days=1))


def Found(oms_id, key, **traits):
    """A row that names our account."""
    return Row(oms_id, key, "", Traits(**{"owner": OURS, **traits}))


OLD = Found("1", "OLD")


def page(*rows, problem=""):
    return SearchResult(tuple(rows), complete=not problem, problem=problem)


def doubt(i=1, sent=timedelta(hours=3), **more):
    fields = {"submitted_at": None, "absent_once_at": None, "send_before": NOW - sent + timedelta(seconds=30)}
    return InDoubtOrder(i, 1, f"K{i}", 2, NOW - sent, **(fields | more))


class Lookups:
    def __init__(self, *doubts, control=CONTROL):
        self.doubts = doubts
        self.control = control
        self.recorded = []

    def in_doubt(self, ids):
        return [d for d in self.doubts if d.id in ids]

    def positive_controls(self, destination, exclude, shown_after_s):
        assert (destination, shown_after_s) == ("oms", 960)
        return [self.control] if self.control else []

    def record(self, ctx, results, quiet_s, max_attempts):
        assert quiet_s == 960
        self.recorded += results
        return {}


class Oms:
    account = "oms"
    timeout_s = 60.0
    visible_after_s = 900.0
    idempotent = False

    def __init__(self, by_key=None, by_window=None, search_by="auto"):
        self.search_by = search_by
        self.by_key = by_key or page(problem="unsupported")
        self.by_window = by_window or page(problem="unsupported")
        self.asked = []

    async def find_by_key(self, keys):
        """A page stands for what is there: rows that were not asked for are not shown."""
        self.asked.append(list(keys))
        page = self.by_key(keys) if callable(self.by_key) else self.by_key
        asked = [row for row in page.rows if row.destination_key in keys or not row.destination_key]
        return replace(page, rows=tuple(asked) if page.complete else page.rows)

    async def read_order(self, oms_id):
        return SearchResult((), complete=False, problem="http_404")

    def expected_traits(self, payload):
        return Traits()

    async def find_by_window(self, start, end):
        self.asked.append((start, end))
        return self.by_window(start, end) if callable(self.by_window) else self.by_window


def verdict(oms, *doubts, control=CONTROL):
    lookups: Any = Lookups(*(doubts or [doubt()]), control=control)
    asyncio.run(look_up(CTX, lookups, oms, oms, [d.id for d in lookups.doubts], now=lambda: NOW))
    return lookups.recorded


def kind(oms, **more):
    (result,) = verdict(oms, **more)
    return result.finding.kind, result.method


def test_a_hit_is_a_row_with_exactly_our_key():
    (result,) = verdict(Oms(page(OLD, Found("77", "K1"))))
    assert (result.finding.kind, result.finding.oms_id, result.method) == ("found", "77", "external_id")
    assert (result.id, result.attempt) == (1, 2)
    assert kind(Oms(page(OLD, Found("77", "k1"))))[0] == "absent"
    assert kind(Oms(page(OLD, Found("77", "K11"))))[0] == "absent"


def test_a_hit_counts_even_in_an_unreliable_search():
    assert kind(Oms(page(Found("77", "K1"), problem="parameter_ignored")))[0] == "found"
    assert kind(Oms(page(Found("77", "K1"))), control=None)[0] == "found"


def test_two_orders_with_our_key_are_reported():
    (result,) = verdict(Oms(page(OLD, Found("100", "K1"), Found("99", "K1"))))
    assert result.finding.oms_id == "99"
    assert "2 orders" in result.why


def test_absent_needs_the_control_in_the_same_search():
    assert kind(Oms(page(OLD))) == ("absent", "external_id")
    assert kind(Oms(page()))[0] == "unclear"
    assert kind(Oms(page(Found("2", "OLD"))))[0] == "unclear", "the control with another OMS id is none"
    assert kind(Oms(page(OLD)), control=None)[0] == "unclear"


@pytest.mark.parametrize("problem", ["unsupported", "parameter_ignored", "total_changed", "http_503", "unreachable"])
def test_an_incomplete_search_is_no_absence(problem):
    (result,) = verdict(Oms(page(OLD, problem=problem), search_by="external_id"))
    assert result.finding.kind == "unclear"
    assert problem in result.why


def test_rows_without_key_are_no_absence():
    assert kind(Oms(page(OLD, Found("5", "")), search_by="external_id"))[0] == "unclear"


def test_the_window_is_the_second_way():
    assert kind(Oms(by_window=page(OLD, Found("77", "K1")))) == ("found", "window")
    assert kind(Oms(by_window=page(OLD))) == ("absent", "window")
    assert kind(Oms(by_window=page()))[0] == "unclear"
    (result,) = verdict(Oms())
    assert "external_id: unsupported" in result.why
    assert "window: unsupported" in result.why


def test_the_setting_chooses_the_order_of_steps():
    oms = Oms(page(OLD), page(OLD), search_by="window")
    assert kind(oms)[1] == "window"
    oms = Oms(page(OLD), page(OLD), search_by="none")
    assert kind(oms) == ("unclear", "none")
    assert oms.asked == []


def test_a_single_control_is_asked_for_at_both_ends_and_alone():
    oms = Oms(page(OLD))
    verdict(oms, doubt(1), doubt(2))
    assert oms.asked == [["OLD", "K1", "K2"], ["K1", "K2", "OLD"], ["OLD"], ["K1"], ["K2"], ["OLD"]]


def test_at_most_a_hundred_keys_a_search():
    oms = Oms(lambda keys: page(OLD))
    verdict(oms, *(doubt(i) for i in range(1, 251)))
    assert [len(keys) for keys in oms.asked if len(keys) > 1] == [98, 98, 98, 98, 57, 57]


def test_windows_cover_import_and_original_date_and_the_control():
    oms = Oms(by_window=page(OLD), search_by="window")
    verdict(oms, doubt(submitted_at=NOW - timedelta(days=300)))
    spans = [tuple(datetime.fromisoformat(t) for t in span) for span in oms.asked]
    for moment in (NOW, NOW - timedelta(hours=3), NOW - timedelta(days=300), CONTROL.imported_at):
        assert any(start <= moment <= end for start, end in spans)
    whole, halves = spans[:2], spans[2:]
    assert whole[-1][1] - NOW == WINDOW_MARGIN, "what overlaps is asked once"
    assert [start for start, _ in halves[::2]] == [start for start, _ in whole]
    assert [end for _, end in halves[1::2]] == [end for _, end in whole]


def test_one_window_that_fails_spoils_the_absence_but_not_the_hit():
    def answer(start, end):
        return page(OLD) if end > "2026-11" else page(problem="http_500")

    old = doubt(submitted_at=NOW - timedelta(days=300))
    assert verdict(Oms(by_window=answer, search_by="window"), old)[0].finding.kind == "unclear"


def test_an_early_absence_is_checked_again_once_it_can_count():
    early = doubt(sent=timedelta(minutes=5))
    (result,) = verdict(Oms(page(OLD)), early)
    assert result.next_at == early.send_before + timedelta(seconds=960)
    assert verdict(Oms(page(OLD)))[0].next_at is None


def test_only_what_is_in_doubt_is_looked_up():
    lookups: Any = Lookups(doubt(1))
    oms: Any = Oms(page(OLD))
    counts = asyncio.run(look_up(CTX, lookups, oms, oms, [1, 2, 3], now=lambda: NOW))
    assert counts == {"absent": 1}
    assert asyncio.run(look_up(CTX, lookups, oms, oms, [2], now=lambda: NOW)) == {}


def test_merged_spans():
    hour = timedelta(hours=1)
    a, b = (NOW, NOW + hour), (NOW + hour, NOW + 2 * hour)
    assert merge_windows([b, a]) == [(NOW, NOW + 2 * hour)]
    assert merge_windows([(NOW, NOW + 3 * hour), a]) == [(NOW, NOW + 3 * hour)]
    assert merge_windows([]) == []
