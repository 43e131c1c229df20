"""The tasks of ``watch``."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task


@task(multiple_outputs=False)
def look() -> dict[str, Any]:
    """Check every pipeline and deliver the alerts that are due."""
    from order_relay.airflow.jobs import alerts

    return alerts.look()


@task(multiple_outputs=False)
def summarize() -> dict[str, Any]:
    """Send the daily summary when its time has come."""
    from order_relay.airflow.jobs import alerts

    return alerts.summarize()
