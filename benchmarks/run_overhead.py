"""What a run spends its time on, on a real scheduler: an empty run, and one of 300 orders.

    python benchmarks/run_overhead.py [--orders 0,300] [--runs 3] [--database SQLite|PostgreSQL]
        [--set AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.2 ...]

Starts Airflow (scheduler with LocalExecutor, API server, DAG processor) with its default settings and those of
``docker-compose.yaml`` that concern the overhead, and the simulated vendors without latency. The first run warms up
and is not counted. Prints Markdown: wall time and CPU seconds of the runs (median), and where each task's time went:

* wait: nothing of the run was executing: the scheduler looks for the next task, the executor starts it
* start: the task's process begins, until the DAG file is parsed (as the task's log says)
* imports: from there to the first line of the job: context, templates, import of the engine
* work: the job itself with its connections
* end: XCom, success, until Airflow has recorded the end

CPU seconds are those of all processes of Airflow during the run, without what they used while idle.
Exits with 1 if a run failed or did not import every order.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

import generated_orders  # noqa: E402
from local_airflow import live_files, sandbox, vendor_connections  # noqa: E402
from tests.support.airflow_processes import RealAirflow, Runs, real_airflow, until  # noqa: E402
from tests.support.databases import Cluster, postgres_bin  # noqa: E402

from order_relay_sandbox.serving import ThreadedSandbox  # noqa: E402

PIPELINE = "supercat_to_shopatron"
TASKS = ("extract", "validate", "dedupe", "transform", "load", "acknowledge", "report")
PARTS = ("wait", "start", "imports", "work", "end")
SETTINGS = {  # what tests lower, as Airflow ships it; then what docker-compose.yaml sets
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "0",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "300",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "ORDER_RELAY_PRELOAD": "0",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}


@dataclass
class Measured:
    """One run: seconds from trigger to end, CPU seconds, and seconds of each part by task."""

    wall_s: float
    cpu_s: float
    tasks: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)


def main() -> int:
    """Read the command line, measure, print."""
    options = _options()
    numbers = [int(number) for number in options.orders.split(",")]
    results: dict[int, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="order-relay-overhead-") as folder, ExitStack() as stack:
        home = Path(folder)
        address = stack.enter_context(sandbox(home, 0, 1, "--source", "supercat"))
        env = SETTINGS | vendor_connections(address) | _only_dag(home)
        if options.database == "PostgreSQL":
            env |= stack.enter_context(_databases())
        if options.preload:
            env |= _preloading(home)
        env |= dict(pair.split("=", 1) for pair in options.set)
        airflow = stack.enter_context(real_airflow(home, env))
        bench = Bench(airflow, Runs(airflow, PIPELINE), ThreadedSandbox(address), max(numbers) * (options.runs + 1))
        bench.warm_up()
        for number in numbers:
            results[number] = [bench.run(number) for _ in range(options.runs)]
    sys.stdout.write(
        f"{os.cpu_count()} cores, load average {_load()}, {options.database}, {' '.join(sys.argv[1:])}\n\n"
    )
    for number, runs in results.items():
        sys.stdout.write(_table(number, runs))
    return 0


class Bench:
    """A running Airflow whose runs are measured."""

    def __init__(self, airflow: RealAirflow, runs: Runs, vendors: ThreadedSandbox, orders: int) -> None:
        self.airflow, self.runs, self.vendors = airflow, runs, vendors
        self._orders = generated_orders.generate(orders)
        self._idle_cpu = 0.0

    def warm_up(self) -> None:
        """A first run; then the CPU share of an idle Airflow is measured."""
        self.runs.unpause()
        self.run(0)
        begun, used = time.monotonic(), _cpu_seconds()
        time.sleep(10)
        self._idle_cpu = (_cpu_seconds() - used) / (time.monotonic() - begun)
        sys.stderr.write(f"idle: {100 * self._idle_cpu:.0f}% of a core\n")

    def run(self, orders: int) -> Measured:
        """Offer orders, trigger a run, wait for its end."""
        if orders:
            self.vendors.offer([next(self._orders) for _ in range(orders)])
        imported, begun, used = self.vendors.report()["imported"], time.monotonic(), _cpu_seconds()
        run = self.runs.trigger()
        until(lambda: self.runs.state(run) in ("success", "failed"), f"the end of {run}", 0.5)
        cpu = _cpu_seconds() - used - self._idle_cpu * (time.monotonic() - begun)
        if self.runs.state(run) != "success" or self.vendors.report()["imported"] - imported != orders:
            raise SystemExit(f"{run} failed or did not import {orders} orders; see {self.airflow.home}")
        measured = self._measured(run, cpu)
        sys.stderr.write(f"{run}: {orders} orders, {measured.wall_s:.1f} s, {cpu:.1f} CPU s, load {_load()}\n")
        return measured

    def _measured(self, run: str, cpu_s: float) -> Measured:
        path = f"/dags/{PIPELINE}/dagRuns/{run}"
        dag_run = self.airflow.call("GET", path)
        found = self.airflow.call("GET", f"{path}/taskInstances?limit=100")["task_instances"]
        begun = _seconds(dag_run["queued_at"])
        result = Measured(_seconds(dag_run["end_date"]) - begun, cpu_s)
        end = begun
        for one in sorted((task for task in found if task["start_date"]), key=lambda task: task["start_date"]):
            if one["state"] == "skipped" and not one["pid"]:
                result.skipped.append(one["task_id"])
                continue
            parts = self._parts(path, one)
            wait = max(0.0, _seconds(one["start_date"]) - end)
            end = max(end, _seconds(one["end_date"]))
            name = one["task_id"] if one["task_id"] not in result.tasks else f"{one['task_id']} {one['map_index']}"
            result.tasks[name] = {"wait": wait, **parts}
        result.tasks["end of the run"] = {"wait": _seconds(dag_run["end_date"]) - end}
        return result

    def _parts(self, path: str, task: Mapping[str, Any]) -> dict[str, float]:
        """Seconds between the lines of a task's log."""
        lines = self._log(task)
        begun, over = _seconds(task["start_date"]), _seconds(task["end_date"])
        parsed = next((_seconds(line["timestamp"]) for line in lines if "parse complete" in line["event"]), begun)
        xcom = self._times(path, task)
        started, ended = xcom.get("started", parsed), xcom.get("ended", over)
        return {
            "start": parsed - begun,
            "imports": max(0.0, started - parsed),
            "work": ended - max(started, parsed),
            "end": max(0.0, over - ended),
        }

    def _times(self, path: str, task: Mapping[str, Any]) -> dict[str, float]:
        key = "manifest" if task["task_id"] == "transform" else "return_value"
        query = f"?map_index={task['map_index']}&deserialize=true"
        with suppress(AssertionError):  # skipped: no XCom
            found = self.airflow.call("GET", f"{path}/taskInstances/{task['task_id']}/xcomEntries/{key}{query}")
            value = found["value"] if isinstance(found["value"], dict) else {}
            return {name: value[name] for name in ("started", "ended") if name in value}
        return {}

    def _log(self, task: Mapping[str, Any]) -> list[dict[str, Any]]:
        name = f"task_id={task['task_id']}" + (f"/map_index={task['map_index']}" if task["map_index"] >= 0 else "")
        folder = self.airflow.home / "logs" / f"dag_id={PIPELINE}" / f"run_id={task['dag_run_id']}" / name
        text = (folder / f"attempt={task['try_number']}.log").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _load() -> str:
    return "/".join(f"{value:.1f}" for value in os.getloadavg())


def _cpu_seconds() -> float:
    """CPU seconds of all processes that this one started, and of their children that have ended."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "order_relay_sandbox" not in process.cmdline():
                total += sum(process.cpu_times()[:4])
    return total


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(re.sub(r"Z$", "+00:00", stamp)).timestamp()


def _only_dag(home: Path) -> dict[str, str]:
    """Settings with which Airflow has one DAG, without a schedule: others would run beside what is measured."""
    (home / "dags").mkdir()
    shutil.copy(ROOT / "dags" / f"{PIPELINE}.py", home / "dags")
    file = home / f"{PIPELINE}.yaml"
    file.write_text((ROOT / "include" / "config" / file.name).read_text() + "schedule: null\n")
    return live_files(home / "order_relay" / "config", [file]) | {"AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}


def _preloading(home: Path) -> dict[str, str]:
    """Settings with which Airflow loads the entry point ``airflow.policy`` also of a package that is not installed."""
    folder = home / "entry_points" / "order_relay_overhead-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: order-relay-overhead\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[airflow.policy]\noverhead = order_relay.airflow.jobs.preload\n")
    paths = (str(ROOT / "include"), str(ROOT), str(folder.parent))
    return {"ORDER_RELAY_PRELOAD": "1", "PYTHONPATH": os.pathsep.join(paths)}


@contextmanager
def _databases() -> Iterator[dict[str, str]]:
    """A private PostgreSQL server with Airflow's database and the ledger; the settings that name them."""
    programs = postgres_bin()
    if programs is None:
        raise SystemExit("PostgreSQL's server programs are not installed")
    cluster = Cluster(programs)
    try:
        cluster.start()
        for name in ("airflow", "order_relay"):
            cluster.admin(f"CREATE DATABASE {name}")
        ledger = {"conn_type": "postgres", "host": "localhost", "schema": "order_relay", "login": "relay"}
        url = cluster.url("airflow")
        yield {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("+psycopg", "+psycopg_async"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC": "",
            "AIRFLOW_CONN_ORDER_RELAY_LEDGER": json.dumps({**ledger, "extra": {"host": str(cluster.home)}}),
        }
    finally:
        cluster.stop()


def _table(orders: int, runs: list[Measured]) -> str:
    """Medians of the runs."""
    wall, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("wall_s", "cpu_s"))
    names = list(dict.fromkeys(name for run in runs for name in run.tasks))
    rows = []
    for name in names:
        mine = [run.tasks[name] for run in runs if name in run.tasks]
        rows.append((name, {part: statistics.median(one.get(part, 0.0) for one in mine) for part in PARTS}))
    lines = [
        f"{orders} orders: {wall:.1f} s wall, {cpu:.1f} CPU s "
        f"(runs: {', '.join(f'{run.wall_s:.1f}/{run.cpu_s:.1f}' for run in runs)})",
        *([f"skipped without a process: {', '.join(runs[0].skipped)}"] if runs[0].skipped else []),
        "",
        f"| task | {' | '.join(PARTS)} | sum |",
        "|---|" + "---:|" * (len(PARTS) + 1),
    ]
    sums: dict[str, float] = {part: sum(row[part] for _, row in rows) for part in PARTS}
    for name, row in [*rows, ("**all**", sums)]:
        lines.append(f"| {name} | {' | '.join(f'{row[part]:.2f}' for part in PARTS)} | {sum(row.values()):.2f} |")
    return "\n".join(lines) + "\n\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", default="0,300", help="orders per run, comma-separated (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each (default: %(default)s)")
    parser.add_argument("--database", choices=("SQLite", "PostgreSQL"), default="PostgreSQL")
    parser.add_argument("--preload", action="store_true", help="with ORDER_RELAY_PRELOAD=1")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one more setting")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
