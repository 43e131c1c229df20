"""``tile.json``: what the tile on Airflow's home page shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from order_relay.desk.access import Viewer
from order_relay.desk.deployment import Desk, DeskDeployment
from order_relay.desk.pages.today import tiles
from order_relay.errors import ConfigurationError

router = APIRouter()


@router.get("/tile.json")
async def tile(desk: Desk, user: Viewer) -> dict[str, Any]:
    """``numbers``: the tiles of the page *Today*, each with ``title``, ``number``, ``path`` and ``tone``; ``stopped``:
    whether sending is stopped for a pipeline of the user; ``problem``: what is shown instead, such as of a new
    installation without a ledger."""
    try:
        return await desk.run(lambda: _tile(desk, user.pipelines))
    except ConfigurationError as error:
        return {"numbers": [], "stopped": False, "problem": str(error)}


def _tile(desk: DeskDeployment, pipelines: frozenset[str]) -> dict[str, Any]:
    ledger, now = desk.ledger, datetime.now(UTC)
    groups = ledger.attention.groups(pipelines, desk.actions.attention_rules)
    numbers = tiles(ledger.trends.today(pipelines, now), groups, ledger.trends.open_orders(pipelines), now)
    return {
        "numbers": [{"title": one.title, "number": one.number, "path": one.path, "tone": one.tone} for one in numbers],
        "stopped": any(map(desk.host.stop_switch().stops, pipelines)),
        "problem": "",
    }
