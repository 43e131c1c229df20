"""``/``: what happened today, what needs an operator, and how the last 30 days went. Days are UTC."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from order_relay.desk.access import Viewer
from order_relay.desk.banners import banners
from order_relay.desk.charts import Chart, Series, lines, stacked_bars
from order_relay.desk.deployment import Desk, DeskDeployment
from order_relay.desk.rendering import render, state_title
from order_relay.ledger.operators.attention import AttentionGroup
from order_relay.ledger.reporting.trends import DayTrend, SoFar, time_within
from order_relay.ledger.schema.records import Heartbeat
from order_relay.ledger.schema.states import State

router = APIRouter()

DAYS = 30
_STACKED = (State.IMPORTED, State.QUARANTINED, State.REJECTED, State.HELD)
_STOPS = (State.QUARANTINED, State.REJECTED, State.HELD)


@dataclass(frozen=True)
class Tile:
    """One number. ``path``: the page that lists its orders. ``tone``: ``bad``, ``warn``, ``good`` or empty."""

    title: str
    number: int
    note: str
    path: str
    tone: str = ""


@router.get("/")
async def show(request: Request, desk: Desk, user: Viewer) -> Response:
    """The page."""
    page = await desk.run(lambda: _today(desk, user.pipelines, datetime.now(UTC)))
    return render(request, "today.html", title="Today", **page)


def _today(desk: DeskDeployment, pipelines: Collection[str], now: datetime) -> dict[str, Any]:
    ledger = desk.ledger
    pulses = {name: ledger.health.heartbeat(name) for name in sorted(pipelines)}
    groups = ledger.attention.groups(pipelines, desk.actions.attention_rules)
    today = ledger.trends.today(pipelines, now)
    return {
        "banners": banners(desk, pipelines, pulses, now),
        "tiles": tiles(today, groups, ledger.trends.open_orders(pipelines), now),
        "groups": [group for group in groups if not group.snoozed],
        "snoozed": sum(group.number for group in groups if group.snoozed),
        "several": len(pipelines) > 1,
        "reading": last_reads(pulses, now),
        "charts": _charts(ledger.trends.daily(pipelines, now - timedelta(days=DAYS - 1))),
        "weekday": f"{now:%A}",
    }


def tiles(
    today: Mapping[str, SoFar], groups: Iterable[AttentionGroup], still_open: Mapping[str, int], now: datetime
) -> list[Tile]:
    """The numbers of today, and of what is open."""
    attention = sum(group.number for group in groups if not group.snoozed)
    doubt = still_open.get(State.IN_DOUBT, 0)
    stops = [today[state] for state in _STOPS]
    usual = [one.usual for one in stops if one.usual is not None]
    stopped = SoFar(sum(one.today for one in stops), sum(usual) if usual else None, stops[0].weeks)
    day = now.date().isoformat()
    imported = f"orders?state=imported&changed_from={day}"
    return [
        Tile("Received", today["received"].today, compared(today["received"], now), f"orders?received_from={day}"),
        Tile("Imported", today["imported"].today, compared(today["imported"], now), imported, "good"),
        Tile("Needs attention", attention, _new(stopped, now), "attention", "bad" if attention else ""),
        Tile("In doubt", doubt, _new(today["in_doubt"], now), "orders?state=in_doubt", "warn" if doubt else ""),
        Tile("Shipped", today["shipped"].today, compared(today["shipped"], now), "orders"),
    ]


def compared(number: SoFar, now: datetime) -> str:
    """The usual number until this time of day, in words."""
    if number.usual is None:
        return "No earlier week to compare with"
    weeks = "" if number.weeks > 1 else ", of one week"
    return f"Usually {number.usual:.0f} by this time on a {now:%A}{weeks}"


def _new(number: SoFar, now: datetime) -> str:
    return f"{number.today} new today. {compared(number, now)}"


def last_reads(pulses: Mapping[str, Heartbeat | None], now: datetime) -> list[str]:
    """When each source was last read, as sentences."""
    found = []
    for name, pulse in pulses.items():
        at = pulse.read_at if pulse else None
        if at is None:
            found.append(f"{name} has not been read yet.")
        else:
            day = "" if at.date() == now.date() else f"on {at:%Y-%m-%d} "
            found.append(f"{name} was read {day}at {at:%H:%M} UTC.")
    return found


def _charts(trends: Sequence[DayTrend]) -> list[Chart]:
    days = [trend.day for trend in trends]
    stacked = [Series(state, state_title(state), [trend.entered[state] for trend in trends]) for state in _STACKED]
    times = [
        Series(key, label, [time_within(trend.import_times, share) for trend in trends])
        for key, label, share in (("median", "Half of the orders", 0.5), ("p95", "95 % of the orders", 0.95))
    ]
    assisted = Series("median", "Share of finished orders", [trend.assisted_share for trend in trends])
    return [
        stacked_bars("orders", "Orders per day", days, stacked),
        lines("times", "Time from submission to import", days, times, duration, unit=3_600),
        lines("assisted", "Orders that needed an operator", days, [assisted], lambda share: f"{share:.0%}", unit=0.01),
    ]


def duration(seconds: float) -> str:
    """Seconds in words, such as ``25 min``, ``2.5 h`` or ``3 days``."""
    if math.isinf(seconds):
        return "over 28 days"
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (size == 60 and seconds >= 60):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
