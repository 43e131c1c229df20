"""Which listed orders count as never received, and what a comparison with the source says."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from order_relay.errors import ConfigurationError, OrderRelayError, TransientError
from order_relay.http.reading.client import UnreachableError
from order_relay.ledger import Ledger
from order_relay.ledger.reporting.reconciliation import KnownOrders
from order_relay.orders.messages import Selection, SourceOrder
from order_relay.pipeline.lookup.unseen_orders import MAX_LISTED, SourceComparison, UnseenOrders, compare_source
from order_relay.pipeline.ports import Source

IDENTITY = {"source_id": "id", "order_number": "number"}
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@dataclass
class Shop:
    """A source with these orders; ``error`` ends the list."""

    orders: list[Any]
    error: Exception | None = None
    account: str = "shop:https://shop.example/a"
    acknowledges: str = "order_number"
    format: Any = field(default_factory=lambda: SimpleNamespace(name="shop", mapping={"identity": IDENTITY}))
    asked: list[Selection] = field(default_factory=list)

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        self.asked.append(selection)
        for order in self.orders:
            yield order if isinstance(order, SourceOrder) else SourceOrder(order)
        if self.error:
            raise self.error


def ledger(ids: AbstractSet[str] = frozenset(), numbers: AbstractSet[str] = frozenset()) -> Ledger:
    def known(name: str, some: set[str], named: set[str]) -> KnownOrders:
        return KnownOrders(frozenset(some & ids), frozenset(named & numbers))

    return cast(Ledger, SimpleNamespace(reconciliation=SimpleNamespace(known=known)))


def order(number: int) -> dict[str, Any]:
    return {"id": number, "number": f"N{number}"}


def compare(shop: Shop, ours: Ledger) -> SourceComparison:
    return compare_source(cast(Source, shop), ours, "p", days=3, now=NOW)


def test_an_order_is_known_by_its_id_or_its_number() -> None:
    shop, ours = Shop([order(1), order(2), order(3)]), ledger({"1"}, {"N2"})
    found = compare(shop, ours)
    assert (found.listed, found.unseen, found.numbers) == (3, 1, ["N3"])
    passed = UnseenOrders(cast(Source, shop), ours, "p").fetch(Selection())
    assert [one.document["id"] for one in passed] == [3]


def test_the_newest_orders_are_left_for_the_next_comparison() -> None:
    shop = Shop([])
    compare(shop, ledger())
    assert (shop.asked[0].start, shop.asked[0].end) == (NOW - timedelta(days=3), NOW - timedelta(hours=6))


def test_an_order_without_a_readable_id_is_counted_but_not_called_missed() -> None:
    unreadable = SourceOrder({}, "not_json", text="{...}")
    found = compare(Shop([unreadable, order(1)]), ledger({"1"}))
    assert (found.unseen, found.unidentified, found.alarming) == (0, 1, False)
    assert found.verdict == "0 of 2 orders at the source were never received; 1 has no readable id."


@pytest.mark.parametrize(
    "error", [UnreachableError("cannot connect"), TransientError("HTTP 503"), ConfigurationError("HTTP 404")]
)
def test_a_failure_of_the_source_is_reported_with_what_was_found_before(error: OrderRelayError) -> None:
    found = compare(Shop([order(n) for n in range(150)], error), ledger())
    assert found.alarming
    assert (found.problem, found.unseen) == (str(error), 100)
    assert f"not be read to the end: {error}" in found.verdict


def test_a_long_list_is_cut_and_cannot_forge_the_report() -> None:
    shop = Shop([{"id": n, "number": f"<b>{n}"} for n in range(MAX_LISTED + 3)])
    text = compare(shop, ledger()).as_markdown()
    assert "- and 3 more" in text
    assert "<b>" not in text


def test_as_json_it_has_plain_values() -> None:
    found = compare(Shop([order(1)]), ledger()).as_dict()
    assert found["since"] == "2026-05-01T12:00:00+00:00"
    assert found["numbers"] == ["N1"]
