"""``python -m history --home .ui --vendors http://127.0.0.1:PORT``: makes the past, day by day."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from history.clock import Clock, set_back
from history.offers import Shops
from history.operators import Operators
from history.pipelines import CLOUDSUITE, SUPERCAT, Pipelines
from order_relay_sandbox.serving import ThreadedSandbox

DAYS = 30
RUNS = {SUPERCAT: ((6, 45), (14, 45)), CLOUDSUITE: ((7, 0), (15, 0))}
"""Hours and minutes (UTC) of the runs of a working day. On weekends, only the first."""

AVERAGE = {SUPERCAT: 13.0, CLOUDSUITE: 8.0}
"""Orders per run of an average day."""

OMS_FAULTS = (
    {"at": "import", "effect": "done", "answer": "cut", "probability": 0.008, "times": 1},
    {"at": "import", "effect": "done", "answer": 504, "probability": 0.005, "times": 1},
    {"at": "import", "effect": "none", "answer": 503, "probability": 0.01, "times": 1},
    {"at": "import", "answer": 422, "probability": 0.012, "times": 1},
)
_LAST_RUN_LOST = ({"at": "import", "effect": "done", "answer": "cut", "first": 2},)


def make_history(home: Path, vendors: ThreadedSandbox, shops: Shops, seed: int, days: int = DAYS) -> None:
    """Make the past of ``days`` days. The pipeline files must be in live mode."""
    end = datetime.now(UTC)
    vendors.change({"shopatron": {"faults": OMS_FAULTS}})
    with Pipelines(home, vendors, seed) as pipelines, set_back(vendors) as clock:
        past = _Past(pipelines, vendors, clock, shops, seed)
        for ago in range(days, -1, -1):
            past.day(end - timedelta(days=ago), end)
        past.end()
    vendors.change({"shopatron": {"faults": ()}})


class _Past:
    def __init__(self, pipelines: Pipelines, vendors: ThreadedSandbox, clock: Clock, shops: Shops, seed: int) -> None:
        self._pipelines, self._vendors, self._clock, self._shops = pipelines, vendors, clock, shops
        self._operators = Operators(pipelines, vendors, clock, seed)

    def day(self, day: datetime, end: datetime) -> None:
        """One day: the runs, then what the warehouse, the fulfilment service and the operators did."""
        today = day.date() == end.date()
        for moment, name in _moments(day, end):
            last = today and moment >= end - timedelta(minutes=100)
            self._run(name, moment, lost=last and name == SUPERCAT)
        closing = day.replace(hour=18, minute=30, second=0, microsecond=0)
        evening = end - timedelta(minutes=12) if today else closing
        if day.weekday() < 5:
            if not today:
                self._clock.set(evening - timedelta(hours=2))
                self._operators.work(evening, end)
            self._clock.set(evening)
            self._afterwards(closing)
        self._clock.set(evening)
        self._pipelines.alert(self._clock.now())

    def end(self) -> None:
        """What is still open, some minutes ago."""
        self._operators.look_after(self._clock.now())

    def _run(self, name: str, moment: datetime, *, lost: bool) -> None:
        self._clock.set(moment)
        count = self._shops.number_of(AVERAGE[name], moment)
        source = name.partition("_to_")[0]
        self._vendors.offer(self._shops.sell(source, count, moment), source=source)
        if lost:
            self._vendors.offer(self._shops.cases(moment), source=source)
            self._vendors.change({"shopatron": {"faults": _LAST_RUN_LOST}})
        self._pipelines.run(name, moment)

    def _afterwards(self, closing: datetime) -> None:
        """What the warehouse and the fulfilment service report about orders of the days before ``closing``."""
        pipelines, days, now = self._pipelines, timedelta(days=1), self._clock.now()
        weekend = 2 if closing.weekday() == 0 else 0
        pipelines.ship(closing - (2 + weekend) * days, closing - days, now)
        for step, ago in enumerate((1, 2, 4, 5)):
            pipelines.report_statuses(closing - (ago + 1 + weekend) * days, closing - ago * days, step)
        pipelines.poll_statuses(self._clock.now())
        pipelines.write_back(self._clock.now())


def _moments(day: datetime, end: datetime) -> list[tuple[datetime, str]]:
    """When which pipeline runs. The last runs are 90 and 20 minutes ago, so that today has some."""
    weekday = day.weekday() < 5
    found = [
        (day.replace(hour=hour, minute=minute, second=0, microsecond=0), name)
        for name, times in RUNS.items()
        for hour, minute in (times if weekday else times[:1])
    ]
    if day.date() == end.date():
        found = [(moment, name) for moment, name in found if moment < end - timedelta(hours=3)]
        found += [(end - timedelta(minutes=90), SUPERCAT), (end - timedelta(minutes=20), CLOUDSUITE)]
    return sorted(found)


def main() -> int:
    """Make the past of one home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--vendors", required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--source", default="supercat", help="the source that offers more orders afterwards")
    parser.add_argument("--orders", type=int, default=0, help="how many, for the first run in the interface")
    options = parser.parse_args()
    begun, vendors, shops = time.monotonic(), ThreadedSandbox(options.vendors), Shops(options.seed)
    make_history(options.home, vendors, shops, options.seed, options.days)
    if options.orders:
        vendors.offer(shops.sell(options.source, options.orders, datetime.now(UTC)), source=options.source)
    sys.stdout.write(f"{options.days} days in {time.monotonic() - begun:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
