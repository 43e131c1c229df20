"""Asking the OMS what became of orders, with notifications and feedback: a sample of the trials of ``make prove``."""

from __future__ import annotations

from tests.support.faults.forks import Forks

CANCELLED_AND_BACK = ["READY", "CANCELLED", "READY"]


def test_killed_after_a_parcel_nothing_is_lost_doubled_or_shipped_after_its_cancellation(forks: Forks) -> None:
    (result,) = forks.run("oms_status:crash", [{"point": "after ledger Shipments.record", "number": 2}])
    assert (result["killed"], result["faults"]) == (True, {})


def test_a_status_that_changes_back_does_not_ship_a_cancelled_order(forks: Forks) -> None:
    (result,) = forks.run("oms_status:changes", [{"words": [CANCELLED_AND_BACK]}])
    assert result["faults"] == {}
