"""Names of a run's objects in the batch store."""

from __future__ import annotations

from order_relay.orders.messages import RunContext


def run_prefix(ctx: RunContext) -> str:
    """The folder of a run's own objects, relative to the store's root."""
    return f"{ctx.pipeline}/runs/{ctx.run}"
