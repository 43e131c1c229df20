"""Formats that reports and alerts share."""

from __future__ import annotations

from datetime import datetime


def format_orders(number: int, one: str, several: str) -> str:
    """A number of orders with its verb, such as ``1 order is``, ``3 orders are`` or ``No order is``."""
    if number > 1:
        return f"{number} orders {several}"
    return f"{number or 'No'} order {one}"


def format_time(when: datetime) -> str:
    """A UTC time for operators, such as ``2026-05-04 06:00 UTC``."""
    return f"{when:%Y-%m-%d %H:%M} UTC"
