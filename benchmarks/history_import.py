"""A history import of many orders: time, memory, a kill in its middle, and the resume.

    python benchmarks/history_import.py [--orders 100000] [--days 365] [--databases sqlite,postgres] [--kill-at 0.5]

Not to be confused with ``history.py``, which measures what a long past costs an ordinary run. Orders of a web shop,
done, processing and cancelled, are generated in the process that imports them (no HTTP at the source); the OMS is the
sandbox. The importing process is killed (SIGKILL) when the share ``--kill-at`` of the orders is at the OMS, and started
again. Prints one JSON object per database: seconds, CPU seconds and peak memory (MiB) of both processes, orders per
second and CPU milliseconds per order in the first and in the last tenth of the import, orders by result, and how many
were lost or stored twice.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import cpu_seconds, peak_kib
from tests.support.databases import Cluster, postgres_bin

from order_relay.connections import Connection
from order_relay.ledger import migrate
from order_relay.ledger.delivery.history_imports import HistoryRange
from order_relay.orders.messages import RunContext, Selection, SourceOrder
from order_relay.pipeline.history.importer import HistoryImporter
from order_relay.pipeline.history.slices import days_of
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.start import start_run
from order_relay.vendors import load_vendor
from order_relay.wiring.pipeline import Wiring
from order_relay_contract.trial import plain_orders
from order_relay_sandbox import ThreadedSandbox, serve_in_thread

PIPELINE = "cloudsuite_to_shopatron"
START = datetime(2025, 1, 1, tzinfo=UTC)
STATES = ("cancel", "processing", *("done",) * 18)


class GeneratedShop:
    """A web shop of the past: a port ``Source`` whose orders are generated when they are read."""

    account, windowed, acknowledges = "cloudsuite:https://shop.example/generated", True, "source_id"

    def __init__(self, orders: int, days: int, marks: Path) -> None:
        """``marks``: a file that gets a line for each day that is read: orders before it, time, CPU s, peak MiB."""
        self._marks = marks
        self.format = load_vendor("cloudsuite").format("source")
        self._orders, self._days, self._made = orders, days, plain_orders("cloudsuite", 200)

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """The orders of the selected day."""
        day = (selection.start - START).days if selection.start else 0
        with self._marks.open("a") as marks:
            mark = [self._orders * day // self._days, time.time(), cpu_seconds(), peak_kib() / 1024]
            marks.write(json.dumps(mark) + "\n")
        for number in range(self._orders * day // self._days, self._orders * (day + 1) // self._days):
            state = STATES[number % len(STATES)]
            made = {"id": number + 1, "reference": f"CS{number + 1}", "state": state, "_history_state": state}
            confirmed = (START + timedelta(days=day, hours=8)).isoformat()
            yield SourceOrder({**self._made[number % len(self._made)], **made, "confirm_date": confirmed})

    def acknowledge(self, names: list[str]) -> dict[str, Any]:
        """Nothing of the past is acknowledged."""
        raise AssertionError(names)

    def close(self) -> None:
        """See ``Source.close``."""


def work(args: argparse.Namespace) -> None:
    """The importing process: begins or continues the import; prints what it needed."""
    logging.basicConfig(level=logging.WARNING)
    settings = json.loads(args.work)
    connections = {name: Connection(name, **fields) for name, fields in settings["connections"].items()}
    migrate(settings["ledger"])
    with Wiring.for_pipeline(PIPELINE, connections.__getitem__, settings["ledger"], settings["store"]) as wiring:
        transform = {**wiring.settings.transform, "assigned_location": "7", "use_inventory": False}
        wiring.settings = wiring.settings.model_copy(update={"transform": transform})
        wiring.__dict__["source"] = GeneratedShop(args.orders, args.days, Path(settings["marks"]))
        ctx = RunContext(PIPELINE, "history__bench")
        what = HistoryRange(START, START + timedelta(days=args.days))
        ledger, began = wiring.ledger, time.perf_counter()
        start_run(ctx, ledger, wiring.store, (wiring.source.account, wiring.destination.account), "history")
        number = ledger.history_imports.begin(ctx, what, list(days_of(what, datetime.now(UTC))), again=False)
        importer = HistoryImporter(PipelineRun(ctx, wiring, ledger), number, LoadOptions(wiring.settings.load))
        importer.import_all()
        imported_s, deadline = time.perf_counter() - began, time.monotonic() + 600
        while (now := ledger.history_imports.progress(number)).counts.keys() & {"ready", "sending", "in_doubt"}:
            if time.monotonic() > deadline:
                break
            time.sleep(1)  # until what was being sent at the kill may be looked up
            importer._load(importer.options)
        counts = {"slices": now.slices, "done": now.done, "counts": dict(now.counts)}
        measured = {"seconds": imported_s, "cpu_s": cpu_seconds(), "peak_mib": peak_kib() / 1024}
        print(json.dumps({**counts, **{name: round(value, 1) for name, value in measured.items()}}))


def child(args: argparse.Namespace, settings: dict[str, Any]) -> subprocess.Popen[str]:
    """Start the importing process."""
    size = ["--orders", str(args.orders), "--days", str(args.days)]
    return subprocess.Popen(
        [sys.executable, __file__, "--work", json.dumps(settings), *size], stdout=subprocess.PIPE, text=True
    )


def measure(args: argparse.Namespace, ledger: str, folder: Path) -> dict[str, Any]:
    """One import with a kill in its middle."""
    with serve_in_thread({}, 0, sources=["cloudsuite"]) as sandbox:
        made = sandbox.connections()
        oms = {**made["shopatron"], "extra": {**made["shopatron"]["extra"], "visible_after_s": 1}}
        connections = {"cloudsuite_default": made["cloudsuite"], "shopatron_default": oms}
        marks = folder / f"marks-{secrets.token_hex(4)}"
        places = {"ledger": ledger, "store": (folder / "batches").as_uri(), "marks": str(marks)}
        settings = {**places, "connections": connections}
        began, first = time.perf_counter(), child(args, settings)
        while stored(sandbox) < args.orders * args.kill_at and first.poll() is None:
            time.sleep(1 if args.orders < 10_000 else 15)
        first.kill()
        first.wait()
        killed_at, killed_s, before = stored(sandbox), time.perf_counter() - began, read_marks(marks)
        second = child(args, settings)
        resumed = json.loads(second.communicate()[0])
        audit = sandbox.report()
        return {
            "orders": args.orders,
            "killed": {"seconds": round(killed_s, 1), "at_the_oms": killed_at, "peak_mib": round(before[-1][3], 1)},
            "resumed": resumed,
            "first_tenth": pace(before, 0, args.orders // 10),
            "last_tenth": pace(read_marks(marks)[len(before) :], args.orders - args.orders // 10, args.orders),
            "at_the_oms": audit["imported"],
            "lost": args.orders - len(audit["posts"]),
            "doubled": len(audit["doubled"]),
            "posted_more_than_once": sum(number > 1 for number in audit["posts"].values()),
        }


def read_marks(marks: Path) -> list[list[float]]:
    """What ``GeneratedShop`` noted."""
    return [json.loads(line) for line in marks.read_text().splitlines()]


def pace(marks: list[list[float]], first: int, last: int) -> dict[str, float]:
    """Orders per second and CPU milliseconds per order of one process, from one order to another."""
    found = [mark for mark in marks if first <= mark[0] <= last]
    if len(found) < 2 or found[0][0] == found[-1][0]:
        return {}
    (begin, began, begin_cpu, _), (end, ended, end_cpu, _) = found[0], found[-1]
    orders = end - begin
    cpu_ms = 1000 * (end_cpu - begin_cpu) / orders
    return {"orders_per_s": round(orders / (ended - began), 1), "cpu_ms_per_order": round(cpu_ms, 2)}


def stored(sandbox: ThreadedSandbox) -> int:
    """The number of orders at the OMS."""
    return int(sandbox.report()["imported"])


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--databases", default="sqlite,postgres")
    parser.add_argument("--kill-at", type=float, default=0.5)
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args)
        return
    for database in args.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="order-relay-history-") as name:
            folder, cluster = Path(name), None
            url = f"sqlite:///{folder}/ledger.sqlite"
            if database == "postgres":
                programs = postgres_bin()
                if programs is None:
                    raise SystemExit("PostgreSQL is not installed")
                cluster = Cluster(programs)
                cluster.start()
                cluster.admin("CREATE DATABASE history")
                url = cluster.url("history")
            try:
                print(json.dumps({"database": database, **measure(args, url, folder)}))
            finally:
                if cluster is not None:
                    cluster.stop()


if __name__ == "__main__":
    main()
