"""A search that lies, in each of its dimensions, over both uses of it: nothing doubled, nothing falsely imported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from order_relay.batches import BatchStore
from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.schema.records import InDoubtOrder, LookupResult, PositiveControl, Sendable
from order_relay.orders.messages import RunContext
from order_relay.pipeline.lookup.evidence import FOREIGN_ORDER, UNIDENTIFIED_ORDER
from order_relay.pipeline.lookup.in_doubt import look_up
from order_relay.pipeline.lookup.preflight import PreflightResult, run_preflight
from order_relay.vendors.shopatron.order_view import OrderView
from order_relay.vendors.shopatron.search import order_search
from tests.support.faulty_search import LIES, NOW, THEIRS, TRUTHFUL_ENOUGH, Lie, Oms, Order, payload, without

CTX = RunContext("p", "r")
NUMBER = 12
KEYS = [f"N-{i:02d}" for i in range(NUMBER)]
PAST = [
    Order(101, "OLD-1", created=NOW - timedelta(days=30)),
    Order(102, "OLD-2", created=NOW - timedelta(days=9)),
    Order(103, "OLD-3", created=NOW - timedelta(hours=1)),
]
"""Orders known to be imported; the newest was imported after the doubtful ones were sent."""


class Ledger:
    """What both uses need, in memory."""

    claims = preflight = lookups = accounting = retention = reconciliation = property(lambda self: self)

    def __init__(self, known: Sequence[Order] = PAST) -> None:
        self.known = [PositiveControl(o.key, str(o.number), o.created, None, 10350, "USD") for o in reversed(known)]
        self.results: list[LookupResult] = []
        self.found: dict[int, str] = {}
        self.held: dict[int, tuple[str, str]] = {}
        self.proven: set[int] = set()

    def in_doubt(self, ids: Sequence[int]) -> list[InDoubtOrder]:
        at = NOW - timedelta(hours=3)
        return [
            InDoubtOrder(
                i,
                1,
                KEYS[i],
                1,
                at,
                at,
                None,
                at + timedelta(seconds=30),
                payload_name="payloads",
                payload_row=i,
                total_minor=10350,
                currency="USD",
            )
            for i in ids
        ]

    def positive_controls(
        self, destination: str, exclude: Iterable[str], shown_after_s: float
    ) -> list[PositiveControl]:
        return self.known

    def record(
        self, ctx: RunContext, results: Sequence[LookupResult], quiet_s: float, max_attempts: int = 3
    ) -> dict[int, str]:
        self.results += results
        return {}

    def sendable(self, ids: Sequence[int]) -> list[Sendable]:
        at = NOW - timedelta(hours=3)
        return [Sendable(i, 1, KEYS[i], "payloads", i, "", 0, "", "", 10350, "USD", at) for i in ids]

    def unverified(self, pipeline: str) -> list[int]:
        return list(range(NUMBER))

    def batches(self, pipeline: str) -> list[dict[str, Any]]:
        return []

    def by_destination_key(self, destination: str, keys: Iterable[str]) -> Mapping[str, LedgerOrder]:
        return {}

    def run_start_times(self, pipeline: str) -> Mapping[str, datetime]:
        return {}

    def mark_already_imported(self, ctx: RunContext, found: Mapping[int, str], method: str) -> list[int]:
        self.found.update(found)
        return list(found)

    def hold_key_conflicts(self, ctx: RunContext, found: Mapping[int, tuple[str, str]]) -> tuple[list[int], list[int]]:
        self.held.update(found)
        return list(found), []

    def mark_verified(self, ctx: RunContext, ids: Sequence[int]) -> None:
        self.proven.update(ids)


class Payloads:
    def read_rows(self, name: str, rows: Collection[int]) -> dict[int, bytes]:
        return {row: payload(KEYS[row]) for row in rows}


def in_doubt(oms: Any, ledger: Any = None) -> dict[int, LookupResult]:
    ledger = ledger or Ledger()
    asyncio.run(
        look_up(CTX, ledger.lookups, oms, oms, range(NUMBER), payloads=cast(BatchStore, Payloads()), now=lambda: NOW)
    )
    return {result.id: result for result in ledger.results}


def before_sending(oms: Any, ledger: Any, *, past: bool = True) -> PreflightResult:
    return asyncio.run(
        run_preflight(
            CTX,
            ledger,
            oms,
            oms,
            range(NUMBER),
            payloads=cast(BatchStore, Payloads()),
            has_past=lambda: past,
            sent_elsewhere=lambda: past,
        )
    )


def world(lie: Lie, stored: Sequence[int], theirs: Sequence[int] = (), search_by: str = "auto") -> Oms:
    ours = [Order(500 + i, KEYS[i]) for i in stored]
    others = [Order(900 + i, KEYS[i], THEIRS) for i in theirs]
    return Oms([*PAST, *ours, *others], lie, search_by)


STORED = [range(0), [0], [NUMBER - 1], [NUMBER // 2], range(0, NUMBER, 2), range(NUMBER)]
THEIR_ORDERS = [(), range(1, NUMBER, 3)]


@pytest.mark.parametrize("search_by", ["auto", "external_id", "window"])
@pytest.mark.parametrize("kind", LIES)
def test_a_lie_about_orders_in_doubt(kind: str, search_by: str) -> None:
    for stored in STORED:
        for theirs in THEIR_ORDERS:
            outputs = in_doubt(world(LIES[kind], stored, theirs, search_by))
            assert not [i for i in stored if outputs[i].finding.kind == "absent"], "would be sent again"
            assert not [i for i in range(NUMBER) if outputs[i].finding.kind == "found" and i not in stored], "not ours"
            assert all(outputs[i].finding.oms_id == str(500 + i) for i in stored if outputs[i].finding.kind == "found")


@pytest.mark.parametrize("kind", LIES)
def test_a_lie_before_the_first_post(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    for stored in STORED:
        for theirs in THEIR_ORDERS:
            ledger = Ledger()
            proving = before_sending(world(LIES[kind], stored, theirs), ledger)
            assert not set(stored) & set(proving.may_be_sent), "would be sent again"
            assert ledger.found.items() <= {i: str(500 + i) for i in stored}.items(), "not ours"
            if proving.kept or proving.unsearchable:
                assert proving.cause
                assert "not sent" in caplog.text


@pytest.mark.parametrize("kind", sorted(LIES.keys() - {"of yesterday", "late by two hours"}))
def test_a_lie_to_a_ledger_that_was_lost(kind: str) -> None:
    """Nothing is known to be imported: the account's own orders are the controls.

    They cannot show that a search is out of date (nobody knows a newer order), so such lies are left out here.
    """
    for stored in STORED[1:]:
        ledger = Ledger(known=())
        proving = before_sending(world(LIES[kind], stored), ledger)
        assert not set(stored) & set(proving.may_be_sent), "would be sent again"
        assert ledger.found.items() <= {i: str(500 + i) for i in stored}.items()


@pytest.mark.parametrize("kind", sorted(TRUTHFUL_ENOUGH))
def test_absent_orders_are_sent_despite_a_faulty_search(kind: str) -> None:
    outputs = in_doubt(world(LIES[kind], [0, 3]))
    assert {i for i, result in outputs.items() if result.finding.kind == "absent"} == set(range(NUMBER)) - {0, 3}
    sent = before_sending(world(LIES[kind], [0, 3]), Ledger()).may_be_sent
    assert sent == [i for i in range(NUMBER) if i not in (0, 3)]


def test_the_truth() -> None:
    outputs = in_doubt(world(Lie(), range(0, NUMBER, 2)))
    assert [outputs[i].finding.kind for i in range(NUMBER)] == ["found", "absent"] * (NUMBER // 2)
    assert len(LIES) >= 29


@pytest.mark.parametrize("known", range(4))
def test_lists_that_are_honoured_in_part_with_few_known_orders(known: int) -> None:
    for kind in ("only the first id", "only the last id", "only the ends", "every second id"):
        outputs = in_doubt(world(LIES[kind], range(NUMBER)), Ledger(PAST[:known]))
        assert not [i for i in outputs if outputs[i].finding.kind == "absent"]
        ledger = Ledger(PAST[:known])
        assert before_sending(world(LIES[kind], range(NUMBER)), ledger).may_be_sent == []


class TestWhoseOrder:
    """What a row shows beside its external id."""

    def test_another_manufacturer_is_no_hit(self) -> None:
        lie = LIES["manufacturer ignored"]
        assert {r.finding.kind for r in in_doubt(world(lie, [], range(NUMBER))).values()} == {"absent"}
        assert before_sending(world(lie, [], range(NUMBER)), Ledger()).may_be_sent == list(range(NUMBER))

    def test_a_row_without_manufacturer_is_settled_by_the_order(self) -> None:
        lie = LIES["rows without manufacturer"]
        outputs = in_doubt(world(lie, [0], [1]))
        assert (outputs[0].finding.kind, outputs[1].finding.kind) == ("found", "absent")

    @pytest.mark.parametrize("kind", ["nothing names a manufacturer", "no detail"])
    def test_or_by_an_operator(self, kind: str) -> None:
        outputs = in_doubt(world(LIES[kind], [0], [1]))
        assert [(outputs[i].finding.kind, outputs[i].reason) for i in (0, 1)] == [("unclear", UNIDENTIFIED_ORDER)] * 2
        ledger = Ledger()
        before_sending(world(LIES[kind], [0], [1]), ledger)
        assert {i: reason for i, (reason, _) in ledger.held.items()} == dict.fromkeys((0, 1), UNIDENTIFIED_ORDER)
        assert ledger.found == {}

    def test_unless_the_connection_declares_them_ours(self) -> None:
        oms = world(LIES["nothing names a manufacturer"], [0])
        oms.search = order_search(OrderView(1042, {}, "ours"), ("startDate", "endDate"))
        assert in_doubt(oms)[0].finding.kind == "found"

    @pytest.mark.parametrize(
        ("other", "member"),
        [
            ({"total": "99.00"}, "total"),
            ({"email": "somebody@example.org"}, "customer"),
            ({"created": NOW - timedelta(days=400)}, "creation date"),
        ],
    )
    def test_an_order_that_contradicts_is_for_an_operator(self, other: dict[str, Any], member: str) -> None:
        stored = [*PAST, Order(777, KEYS[2], **other)]
        outputs = in_doubt(Oms(stored))[2]
        assert (outputs.finding.kind, outputs.reason) == ("unclear", FOREIGN_ORDER)
        assert member in outputs.why
        assert "777" in outputs.why
        for known in (PAST, ()):
            ledger = Ledger(known)
            proving = before_sending(Oms(stored), ledger, past=False)
            assert ledger.held[2][0] == FOREIGN_ORDER
            assert ledger.found == {}
            assert proving.may_be_sent == [i for i in range(NUMBER) if i != 2]

    def test_ours_beside_a_foreign_order(self) -> None:
        stored = [*PAST, Order(502, KEYS[2]), Order(777, KEYS[2], total="99.00")]
        assert in_doubt(Oms(stored))[2].finding.oms_id == "502"

    def test_totals_are_not_compared_where_known_orders_show_other_ones(self) -> None:
        lie = Lie(row=lambda row: {**row, "customerTotal": 1.0}, detail=lambda row: {**row, "customerTotal": 1.0})
        assert in_doubt(world(lie, [2]))[2].finding.kind == "found"

    def test_a_row_that_shows_little_is_compared_by_the_order(self) -> None:
        lie = Lie(row=without("customerTotal", "orderDate", "orderCurrency"))
        assert in_doubt(Oms([*PAST, Order(777, KEYS[2], total="99.00")], lie))[2].reason == FOREIGN_ORDER


def test_an_order_whose_detail_fails_stays_in_doubt() -> None:
    class Failing(Oms):
        async def read_order(self, oms_id: str) -> Any:
            from order_relay.orders.messages import SearchResult

            return SearchResult((), complete=False, problem="http_503")

    lie = Lie(row=without("manufacturerID", "customerTotal"))
    outputs = in_doubt(Failing([*PAST, Order(502, KEYS[2])], lie))[2]
    assert (outputs.finding.kind, outputs.reason) == ("unclear", "")
    assert "http_503" in outputs.why


def test_no_message_contains_data_of_the_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    outputs = in_doubt(Oms([*PAST, Order(777, KEYS[2], email="somebody@example.org")]))
    assert "example" not in outputs[2].why + caplog.text
