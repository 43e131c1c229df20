"""Formats that reports and alerts share."""

from __future__ import annotations

from datetime import datetime

from order_relay.pipeline.report.advice import advice_for


def format_orders(number: int, one: str, several: str) -> str:
    """A number of orders with its verb, such as ``1 order is``, ``3 orders are`` or ``No order is``."""
    if number > 1:
        return f"{number} orders {several}"
    return f"{number or 'No'} order {one}"


def format_time(when: datetime) -> str:
    """A UTC time for operators, such as ``2026-05-04 06:00 UTC``."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def format_duration(seconds: float) -> str:
    """A duration in its largest whole unit, such as ``45 minutes``, ``4 hours`` or ``2 days``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            number = int(seconds // length)
            return f"{number} {unit}{'s' * (number > 1)}"
    return f"{seconds:.0f} seconds"


def format_reason(code: str, number: int) -> str:
    """How many orders have a reason code, such as ``Unknown country (`unknown_country`): 3``."""
    advice = advice_for(code)
    return f"{advice.title} (`{code}`): {number}" if advice else f"`{code}`: {number}"
