"""``tile.json``: what the tile on Airflow's home page shows."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter

from order_relay.desk.access import Viewer
from order_relay.desk.deployment import Desk
from order_relay.desk.rendering import state_title
from order_relay.ledger.schema.states import State

router = APIRouter()

SHOWN = (State.QUARANTINED, State.REJECTED, State.HELD, State.IN_DOUBT)
"""States that need an operator, in the order in which the tile shows them."""


@router.get("/tile.json")
async def tile(desk: Desk, user: Viewer) -> dict[str, Any]:
    """``needs``: each state that needs an operator with its title, number of orders and page; ``stopped``: whether
    sending is stopped for a pipeline of the user."""
    return await desk.run(lambda: _tile(desk, user.pipelines))


def _tile(desk: Desk, pipelines: frozenset[str]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for name in sorted(pipelines):
        counts.update(desk.ledger.accounting.counts(name)["states"])
    switch = desk.host.stop_switch()
    return {
        "needs": [
            {"title": state_title(state), "orders": counts[state], "path": f"orders?state={state}"} for state in SHOWN
        ],
        "stopped": any(map(switch.stops, pipelines)),
    }
