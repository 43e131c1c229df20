"""Before the first POST: which accounts and ledgers have a past, what is believed without one, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from order_relay.batches import BatchStore
from order_relay.http.sending.search import SearchReply
from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.schema.records import LookupResult, PositiveControl, Sendable
from order_relay.orders.messages import RunContext
from order_relay.pipeline.lookup.preflight import PreflightResult, run_preflight, unknown_payloads
from tests.support.faulty_search import NOW, Lie, Oms, Order, payload, without

CTX = RunContext("p", "r")
OTHERS = [Order(100 + n, f"WEB-{n}", created=NOW - timedelta(days=n)) for n in range(5)]
"""Orders that the ledger does not know."""


@dataclass
class Ledger:
    """What proving needs of a ledger, in memory."""

    claims = preflight = lookups = accounting = retention = reconciliation = property(lambda self: self)

    number: int
    imported: Sequence[PositiveControl] = ()
    unproven_ids: list[int] | None = None
    found: dict[int, str] = field(default_factory=dict)
    held: dict[int, tuple[str, str]] = field(default_factory=dict)

    def key(self, number: int) -> str:
        return f"N-{number:03d}"

    def sendable(self, ids: Sequence[int]) -> list[Sendable]:
        return [Sendable(i, 1, self.key(i), "payloads", i, "", 0, "", "", 10350, "USD", NOW) for i in ids]

    def positive_controls(
        self, destination: str, exclude: Iterable[str], shown_after_s: float
    ) -> list[PositiveControl]:
        return list(self.imported)

    def unverified(self, pipeline: str) -> list[int]:
        return list(range(self.number)) if self.unproven_ids is None else self.unproven_ids

    def batches(self, pipeline: str) -> list[dict[str, Any]]:
        return []

    def run_start_times(self, pipeline: str) -> Mapping[str, datetime]:
        return {"known": NOW}

    def by_destination_key(self, destination: str, keys: Iterable[str]) -> Mapping[str, LedgerOrder]:
        known = {control.key for control in self.imported}
        return {key: LedgerOrder(0, "p", key, key, "", "imported", "", NOW, NOW) for key in keys if key in known}

    def mark_already_imported(self, ctx: RunContext, found: Mapping[int, str], method: str) -> list[int]:
        self.found.update(found)
        return list(found)

    def hold_key_conflicts(self, ctx: RunContext, found: Mapping[int, tuple[str, str]]) -> tuple[list[int], list[int]]:
        self.held.update(found)
        return list(found), []

    def mark_verified(self, ctx: RunContext, ids: Sequence[int]) -> None:
        self.unproven_ids = [i for i in self.unverified("p") if i not in ids]

    def in_doubt(self, ids: Sequence[int]) -> list[Any]:
        raise NotImplementedError

    def record(
        self, ctx: RunContext, results: Sequence[LookupResult], quiet_s: float, max_attempts: int = 3
    ) -> dict[int, str]:
        raise NotImplementedError


class Payloads:
    def read_rows(self, name: str, rows: Collection[int]) -> dict[int, bytes]:
        return {row: payload(f"N-{row:03d}") for row in rows}


def prove(oms: Any, ledger: Any, *, past: bool = False, sent_elsewhere: bool = False, **more: Any) -> PreflightResult:
    return asyncio.run(
        run_preflight(
            CTX,
            ledger,
            oms,
            oms,
            range(ledger.number),
            payloads=cast(BatchStore, Payloads()),
            has_past=lambda: past,
            sent_elsewhere=lambda: sent_elsewhere,
            **more,
        )
    )


def known(order: Order, age: timedelta) -> PositiveControl:
    return PositiveControl(order.key, str(order.number), datetime.now(UTC) - age, None, 10350, "USD")


class TestCost:
    """Requests to the destination."""

    def test_an_ordinary_run_asks_nothing(self) -> None:
        oms = Oms(list(OTHERS))
        ledger = Ledger(300, [known(OTHERS[0], timedelta(days=1))], unproven_ids=[])
        assert prove(oms, ledger, past=True).may_be_sent == list(range(300))
        assert oms.asked == 0

    @pytest.mark.parametrize("earlier", [[], [OTHERS[0]]])
    def test_a_new_account_asks_once_and_for_each_list(self, earlier: list[Order]) -> None:
        oms = Oms(earlier)
        ledger = Ledger(300, [known(order, timedelta(days=1)) for order in earlier])
        assert len(prove(oms, ledger).may_be_sent) == 300
        assert oms.asked == 1 + 4 * (2 if earlier else 1), "a single known order is asked for at both ends"

    def test_with_a_past_each_order_costs_one_request(self) -> None:
        oms = Oms(list(OTHERS))
        assert len(prove(oms, Ledger(300), past=True).may_be_sent) == 300
        assert oms.asked <= 300 + 1 + 4 * 3


class TestWithoutAPast:
    def test_orders_that_need_not_be_shown_yet_prove_nothing(self) -> None:
        """The second chunk of a first run: what the first one sent is not searchable yet."""
        fresh = [Order(1, "N-900")]
        ledger = Ledger(3, [known(fresh[0], timedelta(seconds=30))])
        hidden = Oms(fresh, Lie(shows=lambda order: False))
        assert prove(hidden, ledger).may_be_sent == [0, 1, 2]

    def test_but_with_one_they_must_be_shown(self) -> None:
        fresh = [Order(1, "N-900")]
        hidden = Oms(fresh, Lie(shows=lambda order: False))
        result = prove(hidden, Ledger(3, [known(fresh[0], timedelta(seconds=30))]), past=True)
        assert (result.may_be_sent, result.kept) == ([], [0, 1, 2])
        assert "known to be imported is not found" in result.cause

    def test_an_account_that_is_unreadable_proves_nothing(self) -> None:
        oms = Oms([], Lie(reply=lambda reply, number: SearchReply(503) if number == 1 else reply))
        result = prove(oms, Ledger(3))
        assert (result.may_be_sent, result.kept, result.unsearchable) == ([], [0, 1, 2], [])
        assert "HTTP 503" in result.cause

    @pytest.mark.parametrize("lie", [Lie(row=without("externalOrderID")), Lie()])
    def test_an_order_that_the_ledger_does_not_know_is_a_past(self, lie: Lie) -> None:
        """Also where only the order itself names its external id. A list alone is not believed then."""
        stored = [*OTHERS, *(Order(500 + n, f"N-{n:03d}") for n in range(1, 8, 2))]
        oms = Oms(stored, Lie(terms=lambda terms: terms[::2], row=lie.row))
        ledger = Ledger(9)
        assert prove(oms, ledger).may_be_sent == [0, 2, 4, 6, 8]
        assert ledger.found == {n: str(500 + n) for n in (1, 3, 5, 7)}

    def test_orders_of_other_manufacturers_are_none(self) -> None:
        others = [Order(order.number, order.key, 2099) for order in OTHERS]
        oms = Oms(others, Lie(filters_manufacturer=False))
        assert prove(oms, Ledger(3)).may_be_sent == [0, 1, 2]
        assert oms.asked == 2


class TestAnEmptyAccount:
    """It holds none of ours, if its search can be believed."""

    @pytest.mark.parametrize("past", [False, True])
    def test_is_believed_although_something_was_fetched_before(self, past: bool) -> None:
        assert prove(Oms([]), Ledger(3), past=past).may_be_sent == [0, 1, 2]

    def test_is_not_believed_where_another_ledger_may_have_sent(self) -> None:
        stored = [Order(1, "N-000"), *OTHERS]
        blind = Oms(stored, Lie(shows=lambda order: False))
        result = prove(blind, Ledger(3), past=True, sent_elsewhere=True)
        assert (result.may_be_sent, result.unsearchable) == ([], [0, 1, 2])
        assert "no imported order is known" in result.cause


class TestNoSearchByExternalId:
    def test_orders_are_sent_beside_orders_of_other_channels(self) -> None:
        result = prove(Oms(list(OTHERS), Lie(knows_keys=False)), Ledger(3))
        assert result.counts["sent_without_lookup"] == 3

    def test_but_not_if_one_of_them_is_stored(self) -> None:
        result = prove(Oms([*OTHERS, Order(1, "N-001")], Lie(knows_keys=False)), Ledger(3))
        assert (result.may_be_sent, result.unsearchable) == ([], [0, 1, 2])
        assert "not supported" in result.cause

    def test_one_search_that_fails_is_no_missing_method(self) -> None:
        """Lists are refused and single searches work: whoever could not be asked waits."""

        class Busy(Oms):
            def _search(self, query: dict[str, str]) -> SearchReply:
                keys = query.get("externalOrderID", "").split(",")
                if len(keys) > 1:
                    return SearchReply(400, b'{"code": 5014}')
                return SearchReply(503) if keys == ["N-001"] else super()._search(query)

        result = prove(Busy([*OTHERS, Order(1, "N-001")]), Ledger(3))
        assert (result.may_be_sent, result.kept) == ([0, 2], [1])
        assert "HTTP 503" in result.cause


class TestPayloadsOfAnotherLedger:
    @pytest.mark.parametrize(
        ("names", "unknown"),
        [
            (["lost/payloads-1-00000.jsonl.gz"], True),
            (["known/payloads-1-00000.jsonl.gz"], False),
            (["trial/trial.json", "trial/payloads-1-00000.jsonl.gz"], False),
            (["lost/winners.jsonl.gz"], False),
            (["trial/trial.json", "trial/payloads-1-00000.jsonl.gz", "lost/payloads-1-00000.jsonl.gz"], True),
            ([], False),
        ],
    )
    def test_a_run_that_the_ledger_does_not_know(self, names: list[str], unknown: bool) -> None:
        class Store:
            def list(self, prefix: str) -> Any:
                assert prefix == "p/runs"
                return iter(f"p/runs/{name}" for name in names)

        assert unknown_payloads(Store(), Ledger(1), "p") is unknown  # type: ignore[arg-type]
