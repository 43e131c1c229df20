"""Decides which alerts parcels and status records raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from order_relay import COMMAND
from order_relay.ledger.schema.records import Alert
from order_relay.pipeline.alerts.kinds import MAX_LINES, STATUS_REFUSED, UNMATCHED_SHIPMENTS, list_lines
from order_relay.pipeline.report.formatting import format_time


def unmatched_shipments(number: int, oldest: datetime | None, some: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """Parcels that need an operator: they match no order, or may already have been counted."""
    if not number or oldest is None:
        return []
    lines = [
        f"parcel {row['id']} for {', '.join(row['words'])}: {row['asks'] or 'no order has this number'}" for row in some
    ]
    parcels = "1 parcel needs an operator and is" if number == 1 else f"{number} parcels need an operator and are"
    return [
        Alert(
            UNMATCHED_SHIPMENTS,
            UNMATCHED_SHIPMENTS,
            f"{parcels} not counted yet, the oldest since {format_time(oldest)}. List: {COMMAND} shipments --unmatched",
            list_lines(lines, number),
            size=number,
        )
    ]


def refused_statuses(account: str, found: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """Status records and files that could not be used, one alert for each origin."""
    return [
        Alert(
            STATUS_REFUSED,
            f"{STATUS_REFUSED}:{entry['origin'][:200]}",
            f"{account}: {entry['number']} status records or rows of {entry['origin']!r} could not be used. List them "
            f"with '{COMMAND} statuses --refused', fix the file or the settings, and deliver the file again. To close "
            f"the alert instead: {COMMAND} statuses --refused --close {entry['origin'][:200]!r} --reason ...",
            list_lines([f"{code}: {n}, such as {place}" for code, n, place in entry["codes"]], len(entry["codes"])),
            size=entry["number"],
        )
        for entry in found[:MAX_LINES]
    ]
