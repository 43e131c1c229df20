"""What a person is told after ledger and OMS were compared."""

from __future__ import annotations

from datetime import UTC, datetime

from order_relay.airflow.jobs.reconcile import alerts_for
from order_relay.pipeline.lookup.diff import Discrepancy, DiscrepancyKind, ReconciliationReport

NOW = datetime(2026, 5, 2, tzinfo=UTC)


def compared(*found: Discrepancy) -> ReconciliationReport:
    return ReconciliationReport("p", NOW, NOW, differences=list(found))


MISSING = Discrepancy(DiscrepancyKind.MISSING, "K1", "K1", "imported", "7")
UNKNOWN = Discrepancy(DiscrepancyKind.UNKNOWN, "K2", there=("9",))


def test_nothing_to_report() -> None:
    assert alerts_for(compared(), alert_unknown=True) == []


def test_the_same_differences_are_one_cause() -> None:
    first, second = (
        alerts_for(compared(*order), alert_unknown=True)[0] for order in ((MISSING, UNKNOWN), (UNKNOWN, MISSING))
    )
    assert first.cause == second.cause
    assert first.cause != alerts_for(compared(MISSING), alert_unknown=True)[0].cause
    assert "2 orders differ" in first.text


def test_unknown_orders_are_reported_if_configured() -> None:
    assert "K2" in alerts_for(compared(UNKNOWN), alert_unknown=True)[0].text
    assert alerts_for(compared(UNKNOWN), alert_unknown=False) == []


def test_an_unreliable_search_is_reported() -> None:
    report = compared()
    report.unsure["total_changed"] = 3
    report.unread.append("2026-05-01T00:00:00Z to 2026-05-02T00:00:00Z: http_503")
    message = alerts_for(report, alert_unknown=True)[0]
    assert message.cause == "reconcile:p:not_compared:http_503,total_changed"
    assert "3 orders" in message.subject
