"""Stages one after another compared with slices that overlap: an ordinary run, a history import and a bare loop.

    python benchmarks/overlap.py [--orders 5000] [--latency 20] [--pairs 3] [--slice 250] [--connections 16]

A run of an order DAG finishes each stage before the next begins. A history import reads and transforms slices while
the ones before are sent. All three post the same orders to the same stand-in; interleaved, each in a process of its
own, with the ledger and batch store of ``run.py``. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import generated_orders
from engine import Engine
from measuring import cpu_seconds, peak_kib
from run import Case, fetch, run_pair, stand_in

from order_relay.http.json.strict_json import read_order
from order_relay.ledger.delivery.history_imports import HistoryRange
from order_relay.orders.messages import Selection, SourceOrder
from order_relay.pipeline.history.importer import HistoryImporter
from order_relay.pipeline.history.slices import days_of
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.run import PipelineRun

START = datetime(2020, 1, 1, tzinfo=UTC)


class OrdersOfPast:
    """A port ``Source`` that offers the lines of a file, so many for each day."""

    account, windowed, acknowledges = "supercat:https://generated", True, "order_number"

    def __init__(self, like: Any, file: Path, each_day: int) -> None:
        self.format, self._each_day = like.format, each_day
        self._lines = file.read_bytes().splitlines()

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        """The orders of the selected day."""
        day = (selection.start - START).days if selection.start else 0
        for line in self._lines[day * self._each_day : (day + 1) * self._each_day]:
            yield read_order(line, "generated order")

    def acknowledge(self, names: list[str]) -> dict[str, Any]:
        """Nothing of the past is acknowledged."""
        raise AssertionError(names)

    def close(self) -> None:
        """See ``Source.close``."""


def import_past(args: argparse.Namespace) -> None:
    """The importing process: prints seconds, CPU seconds and peak memory."""
    logging.basicConfig(level=logging.WARNING)
    engine = Engine(args.url, args.folder, args.connections)
    wiring, orders = engine.wiring, args.orders
    what = HistoryRange(START, START + timedelta(days=-(-orders // args.slice)))
    run = PipelineRun(engine.ctx, wiring, engine.ledger)
    run.start("history")
    wiring.__dict__["source"] = OrdersOfPast(wiring.source, args.file, args.slice)
    number = engine.ledger.history_imports.begin(engine.ctx, what, list(days_of(what, datetime.now(UTC))), again=False)
    started, cpu = time.perf_counter(), cpu_seconds()
    HistoryImporter(run, number, LoadOptions(wiring.settings.load)).import_all()
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "cpu_s": cpu_seconds() - cpu,
                "peak_kib": peak_kib(),
            }
        )
    )


def measure_import(args: argparse.Namespace, url: str, file: Path) -> dict[str, Any]:
    """One import in a process of its own."""
    fetch(f"{url}/_reset", "POST")
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        command = [sys.executable, __file__, "--url", url, "--folder", folder, "--file", str(file)]
        command += ["--orders", str(args.orders), "--slice", str(args.slice), "--connections", str(args.connections)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    counts = fetch(f"{url}/_counts")
    if counts["posted"] != args.orders:
        raise SystemExit(f"the stand-in counted {counts['posted']} orders, expected {args.orders}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def print_table(case: Case, imports: list[dict[str, Any]]) -> None:
    """A row for each way."""
    bare = statistics.median(run["seconds"] for run in case.bare)
    print(f"\n{case.orders:,} orders, OMS answers after {case.latency_ms:g} ms, median of {len(imports)}:\n")
    print("| | orders/s | of the bare loop | CPU ms/order |\n|---|---:|---:|---:|")
    for name, runs in (("bare loop", case.bare), ("ordinary run", case.engine), ("history import", imports)):
        seconds = statistics.median(run["seconds"] for run in runs)
        cpu = 1000 * statistics.median(run["cpu_s"] for run in runs) / case.orders
        print(f"| {name} | {case.orders / seconds:,.0f} | {bare / seconds:.2f} | {cpu:.2f} |")


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=5000)
    parser.add_argument("--latency", type=float, default=20)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--slice", type=int, default=250, help="orders of a day")
    parser.add_argument("--connections", type=int, default=16)
    for name in ("url", "folder", "file"):  # given to the importing process
        parser.add_argument(f"--{name}", type=str if name == "url" else Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.url:
        import_past(args)
        return
    case, imports = Case(args.orders, args.latency), []
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        file = Path(folder) / "orders.jsonl"
        generated_orders.write(file, args.orders)
        with stand_in(file, args.latency) as url:
            for _ in range(args.pairs):
                run_pair(case, url, args.connections)
                imports.append(measure_import(args, url, file))
    print_table(case, imports)


if __name__ == "__main__":
    main()
