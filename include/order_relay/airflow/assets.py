"""Airflow assets that our DAGs update, for scheduling other DAGs on them."""

from __future__ import annotations

from airflow.sdk import Asset

SCHEME = "x-order-relay"
"""Has a hyphen because RFC 3986 does not allow underscores."""


def orders_asset(pipeline: str) -> Asset:
    """A pipeline's orders. Events carry counts and the name of the batch's manifest, no customer data."""
    return Asset(name=f"{pipeline} orders", uri=f"{SCHEME}://{pipeline}/orders", group="order_relay")


def statuses_asset(account: str) -> Asset:
    """The order statuses of a status account. Events carry counts, no customer data."""
    return Asset(name=f"{account} statuses", uri=f"{SCHEME}://{account}/statuses", group="order_relay")
