"""Decides which alerts parcels, status records and statuses at the OMS raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from order_relay import COMMAND
from order_relay.ledger.oms.oms_status_counts import UNANSWERED
from order_relay.ledger.schema.records import Alert, OverdueOrders
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.pipeline.alerts.kinds import MAX_LINES, OMS_STATUS, STATUS_REFUSED, UNMATCHED_SHIPMENTS, list_lines
from order_relay.pipeline.report.formatting import format_orders, format_time
from order_relay.pipeline.settings.pipeline import PipelineSettings


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


_OMS_TEXTS: Mapping[str, str] = {
    OmsReading.UNKNOWN: "{orders} had an unknown status at the OMS, the oldest since {since}. See the word with "
    "'{command} order NUMBER' and give its meaning in the connection's field order_statuses.",
    OmsReading.REJECTED: "{orders} been rejected by the OMS, the oldest since {since}. Correct or cancel them in the "
    "OMS.",
    UNANSWERED: "{orders} had no readable answer of the OMS, the oldest since {since}. Look them up in the OMS; the "
    "reason: '{command} order NUMBER'.",
}


def oms_status(entry: OverdueOrders, pipeline: str, settings: PipelineSettings) -> Alert:
    """Orders that the OMS rejected, or whose status is unknown or without a readable answer for too long."""
    orders = format_orders(entry.number, "has", "have")
    text = _OMS_TEXTS[entry.state].format(orders=orders, since=format_time(entry.oldest), command=COMMAND)
    return Alert(
        OMS_STATUS,
        f"{OMS_STATUS}:{entry.state}",
        f"{pipeline}: {text}",
        list_lines(entry.orders, entry.number),
        size=entry.number,
        repeat_s=settings.alerts.repeat_s,
    )
