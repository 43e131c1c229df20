"""The Airflow assets that our DAGs announce, so that others can be scheduled on them."""

from __future__ import annotations

from airflow.sdk import Asset


def orders_asset(pipeline: str) -> Asset:
    """The orders that a pipeline moved. Each event carries counts and the batch's manifest name, no customer data.

    The scheme has no underscore because URIs (RFC 3986) allow none there.
    """
    return Asset(name=f"{pipeline} orders", uri=f"x-order-relay://{pipeline}/orders", group="order_relay")


def statuses_asset(account: str) -> Asset:
    """What became of orders, as a status account tells it. Each event carries counts, no customer data."""
    return Asset(name=f"{account} statuses", uri=f"x-order-relay://{account}/statuses", group="order_relay")
