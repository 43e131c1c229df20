"""Statuses: events stored per second by poll and by webhook, and the memory for a large window.

    python benchmarks/statuses.py [--events 10000,100000] [--deliveries 1000]

Each measurement is a separate process, on a SQLite ledger with full durability. The poll's pages (100 orders of ten
events) are generated in the process, so that reading, evaluating and storing is measured. A window is read in two
passes, of which the second confirms that nothing was missed. A delivery is one event, posted to the app in process,
signed, and durable before the response. Prints Markdown; exits with 1 if an event is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from measuring import peak_kib

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.endpoints.app import create_app
from order_relay.endpoints.dependencies import Deployment
from order_relay.ledger import Ledger, migrate
from order_relay.orders.fulfilment.status_records import StatusPage
from order_relay.orders.messages import RunContext
from order_relay.pipeline.fulfilment.status_poll import StatusIntake, poll_changes
from order_relay.pipeline.settings.status_account import load_status
from order_relay.wiring.statuses import status_reader

ACCOUNT = "acommerce_status"
START = datetime(2026, 5, 1, tzinfo=UTC)
EVENTS_AN_ORDER = 10
SECRET = b"hush"


def record(number: int, events: int = EVENTS_AN_ORDER) -> dict[str, Any]:
    """Record of an order with ``events`` events."""
    history = [
        {
            "eventId": f"e-{number}-{event}",
            "shippingStatus": "IN_TRANSIT",
            "shippingLocation": "Bangkok",
            "shippingDetail": "scanned",
            "updatedTime": f"{START + timedelta(minutes=event):%Y-%m-%dT%H:%M:%SZ}",
        }
        for event in range(events)
    ]
    return {"orderId": f"WEB-{number}", "shipPackage": [{"trackingId": f"PKG{number}", "statusHistory": history}]}


class Pages:
    """A status source whose list has ``orders`` orders."""

    account = "acommerce:benchmark"
    max_ids_per_call = 10

    def __init__(self, orders: int) -> None:
        self._orders = orders

    def changed(self, since: datetime) -> Iterator[StatusPage]:
        for first in range(0, self._orders, 100):
            numbers = range(first, min(first + 100, self._orders))
            yield StatusPage(tuple(map(record, numbers)), datetime.now(UTC))


def measure_poll(folder: Path, events: int) -> dict[str, Any]:
    """Two passes over a window of ``events`` events."""
    ledger = _ledger(folder)
    intake = StatusIntake(RunContext(ACCOUNT, "run"), ledger, status_reader(load_status(ACCOUNT)))
    ledger.status_history.bind(ACCOUNT, Pages.account)
    before, begun = peak_kib(), time.perf_counter()
    poll_changes(intake, Pages(events // EVENTS_AN_ORDER), load_status(ACCOUNT).poll, datetime.now(UTC))  # type: ignore[arg-type]
    seconds = time.perf_counter() - begun
    with ledger.database.engine.connect() as conn:
        kept = conn.exec_driver_sql("SELECT COUNT(*) FROM status_event WHERE kind = 'parcel'").scalar_one()
    return {"seconds": seconds, "kept": kept, "before_kib": before, "peak_kib": peak_kib()}


def measure_webhook(folder: Path, deliveries: int) -> dict[str, Any]:
    """Post deliveries, eight at a time."""
    ledger = _ledger(folder)
    connection = Connection(
        "acommerce_default",
        "https://fulfil.example",
        "me",
        "key",
        extra={"channel": "demo", "hook_secret": SECRET.decode()},
    )
    url = f"sqlite:///{folder}/ledger.sqlite"
    app = create_app(Deployment(lambda _name: connection, lambda: url, lambda: BatchStore(folder.as_uri())))
    seconds, times = asyncio.run(_deliver(app, deliveries))
    with ledger.database.engine.connect() as conn:
        kept = conn.exec_driver_sql("SELECT COUNT(*) FROM status_event WHERE kind = 'parcel'").scalar_one()
    return {
        "seconds": seconds,
        "kept": kept,
        "median_ms": 1000 * statistics.median(times),
        "p99_ms": 1000 * statistics.quantiles(times, n=100)[98],
    }


async def _deliver(app: Any, deliveries: int) -> tuple[float, list[float]]:
    times: list[float] = []
    left = iter(range(deliveries))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay.example") as client:

        async def sender() -> None:
            for number in left:
                body = json.dumps(record(number, 1)).encode()
                headers = {"X-Acomm-Signature": hmac.new(SECRET, body, "sha256").hexdigest()}
                begun = time.perf_counter()
                answer = await client.post("/acommerce/events", content=body, headers=headers)
                times.append(time.perf_counter() - begun)
                assert answer.status_code == 200, answer.text

        begun = time.perf_counter()
        await asyncio.gather(*[sender() for _ in range(8)])
        return time.perf_counter() - begun, times


def _ledger(folder: Path) -> Ledger:
    url = f"sqlite:///{folder}/ledger.sqlite"
    migrate(url)
    return Ledger.open(url)


def _apart(kind: str, number: int) -> dict[str, Any]:
    """Run one measurement in a separate process."""
    command = [sys.executable, __file__, "--one", kind, str(number)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return answer


def main() -> int:
    """Measure and print; 1 if an event is missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--events", default="10000,100000")
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "NUMBER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure = {"poll": measure_poll, "webhook": measure_webhook}[options.one[0]]
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(measure(Path(place), int(options.one[1]))))
        return 0
    missing = False
    print("| poll, events in the window | seconds (two passes) | new events/s | memory before, MiB | peak, MiB |")
    print("|---:|---:|---:|---:|---:|")
    for events in map(int, options.events.split(",")):
        found = _apart("poll", events)
        missing |= found["kept"] != events
        print(
            f"| {events:,} | {found['seconds']:.1f} | {events / found['seconds']:,.0f} | "
            f"{found['before_kib'] / 1024:.0f} | {found['peak_kib'] / 1024:.0f} |"
        )
    found = _apart("webhook", options.deliveries)
    missing |= found["kept"] != options.deliveries
    print("\n| webhook deliveries, eight at a time | events stored/s | answer, median ms | 99 % ms |")
    print("|---:|---:|---:|---:|")
    print(
        f"| {options.deliveries:,} | {options.deliveries / found['seconds']:,.0f} | {found['median_ms']:.1f} | "
        f"{found['p99_ms']:.1f} |"
    )
    return int(missing)


if __name__ == "__main__":
    sys.exit(main())
