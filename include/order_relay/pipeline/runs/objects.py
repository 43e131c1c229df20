"""Names of a run's objects in the batch store."""

from __future__ import annotations

from order_relay.orders.messages import RunContext


def run_prefix(ctx: RunContext) -> str:
    """Where a run's own objects lie under the store's root."""
    return f"{ctx.pipeline}/runs/{ctx.run}"
