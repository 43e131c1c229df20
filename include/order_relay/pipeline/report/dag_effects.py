"""What is missing while a DAG that sends nothing is paused."""

from __future__ import annotations

from collections.abc import Mapping

MISSING_WHILE_PAUSED: Mapping[str, str] = {
    "watch": "no alerts and no daily summary are sent",
    "order_review": "no reviews are opened for held orders",
    "in_doubt_sweep": "orders in doubt are looked up only by runs of their pipeline",
    "reconcile": "ledger and OMS are not reconciled",
    "retention": "expired data is not removed",
}
"""DAG id -> effect of pausing it."""

NO_RUNS = "its schedule does not run"
"""The effect of pausing the DAG of a pipeline or status account."""
