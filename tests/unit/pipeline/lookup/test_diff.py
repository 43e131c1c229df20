"""What differs between ledger and destination, and how surely."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from order_relay.ledger.reporting.reconciliation import LedgerOrder
from order_relay.ledger.schema.records import PositiveControl
from order_relay.orders.messages import SearchHit, SearchResult
from order_relay.pipeline.lookup.diff import (
    MAX_LISTED,
    Discrepancy,
    DiscrepancyKind,
    ReconciliationReport,
    as_markdown,
    check_presence,
    classify,
    describe,
    oms_ids_by_key,
    verdict,
)

NOW = datetime(2026, 5, 2, tzinfo=UTC)
CONTROL = PositiveControl("C", "7", NOW)


def recorded(key: str = "K1", oms_id: str = "1", state: str = "imported", reason: str = "") -> LedgerOrder:
    return LedgerOrder(1, "p", key, key, oms_id, state, reason, NOW, None)


def page(*rows: tuple[str, str], complete: bool = True, problem: str = "") -> SearchResult:
    return SearchResult(tuple(SearchHit(oms_id, key) for oms_id, key in rows), complete, problem)


@pytest.mark.parametrize(
    ("known", "there", "kind"),
    [
        (recorded(), {"1"}, None),
        (recorded(), set(), DiscrepancyKind.MISSING),
        (recorded(), {"2"}, DiscrepancyKind.OTHER_ID),
        (recorded(), {"1", "2"}, DiscrepancyKind.DOUBLED),
        (None, {"9"}, DiscrepancyKind.UNKNOWN),
        (None, {"8", "9"}, DiscrepancyKind.DOUBLED),
        (None, set(), None),
        (recorded(state="rejected", oms_id=""), {"9"}, DiscrepancyKind.NOT_IMPORTED),
        (recorded(state="ready", oms_id=""), {"8", "9"}, DiscrepancyKind.DOUBLED),
        (recorded(state="in_doubt", oms_id=""), {"9"}, None),
        (recorded(state="sending", oms_id=""), {"9"}, None),
        (recorded(state="discarded", oms_id="", reason="baseline"), {"9"}, None),
        (recorded(state="discarded", oms_id="", reason="person"), {"9"}, DiscrepancyKind.NOT_IMPORTED),
    ],
)
def test_what_is_different(known: LedgerOrder | None, there: set[str], kind: DiscrepancyKind | None) -> None:
    found = classify("K1", known, there)
    assert (found.kind if found else None) == kind


def test_absent_beside_one_of_ours() -> None:
    found = check_presence([recorded(), recorded("K2", "2")], page(("2", "K2")), [])
    assert [order.key for order in found.absent] == ["K1"]
    assert found.unsure == ()


def test_absent_beside_the_control() -> None:
    assert [o.key for o in check_presence([recorded()], page(("7", "C")), [CONTROL]).absent] == ["K1"]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (page(), "no_known_order"),
        (page(("8", "C")), "no_known_order"),
        (page(("7", "C"), complete=False, problem="total_changed"), "total_changed"),
        (page(("7", "C"), complete=False), "incomplete"),
        (page(("7", "C"), ("9", "")), "rows_without_key"),
    ],
)
def test_an_absence_that_proves_nothing(shown: SearchResult, why: str) -> None:
    found = check_presence([recorded()], shown, [CONTROL])
    assert (found.absent, found.why, len(found.unsure)) == ((), why, 1)


def test_a_hit_is_a_fact_even_in_an_incomplete_search() -> None:
    shown = page(("1", "K1"), ("2", "K1"), complete=False, problem="unreachable")
    assert check_presence([recorded()], shown, []).there["K1"] == {"1", "2"}


def test_rows_without_external_id_match_nothing() -> None:
    assert oms_ids_by_key(page(("1", ""), ("", "K"), ("2", "K")).rows) == {"K": {"2"}}


def test_the_report_shows_each_kind_and_cannot_be_forged() -> None:
    result = ReconciliationReport("p", NOW, NOW, imported=3, bare=2)
    result.differences = [Discrepancy(kind, f"<b>{kind}|\n# x", there=("1",)) for kind in DiscrepancyKind]
    result.unsure["total_changed"] = 4
    text = as_markdown(result)
    assert "<b>" not in text
    assert "\n# x" not in text
    for kind in DiscrepancyKind:
        assert f"1 {kind.value.replace('_', ' ')}" in verdict(result)
    assert "4 imported orders were not found, but the search proves nothing: the total changed" in text
    assert "2 orders in the OMS have no external id" in text
    assert result.counts["missing"] == 1


def test_a_long_report_is_cut() -> None:
    result = ReconciliationReport("p", NOW, NOW)
    result.differences = [Discrepancy(DiscrepancyKind.UNKNOWN, f"K{n}") for n in range(MAX_LISTED + 3)]
    assert "and 3 more" in as_markdown(result)


def test_nothing_compared_is_not_called_fine() -> None:
    result = ReconciliationReport("p", NOW, NOW, remarks=["no search"])
    assert verdict(result) == "No differences found. Not everything could be compared."
    assert "no search" in as_markdown(result)


def test_a_line_for_the_operator() -> None:
    assert describe(Discrepancy(DiscrepancyKind.MISSING, "K", "K", "imported", "7")) == (
        "missing; not in the OMS; OMS id in the ledger: 7"
    )
    assert (
        describe(Discrepancy(DiscrepancyKind.UNKNOWN, "K", there=("1", "2")))
        == "unknown; OMS ids in the OMS: 1, 2; state in the ledger: none"
    )
