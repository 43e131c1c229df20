"""Cost of polling a slow vendor in a worker's slot and deferred to the triggerer, on real Airflow.

    python benchmarks/deferring.py [--runs 5] [--pages 3] [--page-s 2]

A separate server answers each page with a delay and does nothing else, so that only the waiting is measured. CPU is
that of scheduler, workers, API server and triggerer, minus their idle consumption in the same time. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]

from local_airflow import running  # noqa: E402
from tests.support.airflow_processes import RealAirflow, Runs, real_airflow, until  # noqa: E402

DAGS = ROOT / "benchmarks" / "deferring"
SAMPLE_S = 0.1
MIB = 1 << 20


@contextmanager
def slow_server(page_s: float) -> Iterator[str]:
    """Answer every GET after ``seconds``; yields the URL."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(page_s)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@dataclass
class Watch:
    """Samples this process's descendants in the background. Times in seconds, memory in MiB (PSS)."""

    slot_s: float = 0.0
    task_mib: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._before, self._began = cpu(), time.monotonic()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.cpu_s, self.wall_s = cpu() - self._before, time.monotonic() - self._began

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_S):
            found = [pss(one) for one in tasks()]
            self.slot_s += SAMPLE_S * len(found)
            self.task_mib = max([self.task_mib, *found])


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def tasks() -> list[psutil.Process]:
    """Processes that execute a task: children of the executor's workers."""
    workers = [one for one in descendants() if name(one).startswith("airflow worker")]
    return [child for worker in workers for child in children(worker)]


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.Error:
        return []


def name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def pss(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / MIB
    except psutil.Error:
        return 0.0


def cpu() -> float:
    """CPU seconds of all descendants so far, including their finished children."""
    total = 0.0
    for one in descendants():
        try:
            times = one.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
        total += times.children_user + times.children_system
    return total


def measured(airflow: RealAirflow, dag: str, runs: int, idle: float) -> str:
    """A row of the table. The first run of each DAG is not counted, because it includes imports."""
    one = Runs(airflow, dag)
    one.unpause()
    one.end_of(one.trigger())
    walls, watches = [], []
    for _ in range(runs):
        with Watch() as watch:
            run = one.trigger()
            until(lambda run=run: one.state(run) in ("success", "failed"), run, 0.2)
        assert one.state(run) == "success"
        walls.append(watch.wall_s)
        watches.append(watch)
    cost = statistics.median(w.cpu_s - idle * w.wall_s for w in watches)
    slot, memory = (statistics.median(getattr(w, n) for w in watches) for n in ("slot_s", "task_mib"))
    return f"| {dag} | {statistics.median(walls):.1f} | {slot:.1f} | {cost:.2f} | {memory:.0f} |"


def idle_cpu(seconds: float) -> float:
    """CPU seconds per second of all processes while nothing runs."""
    with Watch() as watch:
        time.sleep(seconds)
    return watch.cpu_s / watch.wall_s


def main() -> int:
    parser = argparse.ArgumentParser(description="Cost of waiting for a slow vendor, in the slot or deferred.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--page-s", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="order-relay-deferring-") as place, slow_server(options.page_s) as url:
        home = Path(place)
        extra = {"AIRFLOW__CORE__DAGS_FOLDER": str(DAGS), "WAITING_URL": url, "WAITING_PAGES": str(options.pages)}
        with real_airflow(home, extra) as airflow:
            without = idle_cpu(15)
            lines = [measured(airflow, "plain", options.runs, without)]
            env = {**airflow.env, "PYTHONPATH": f"{airflow.env['PYTHONPATH']}:{DAGS}"}
            known = {one.pid for one in descendants()}
            with running([sys.executable, "-m", "airflow", "triggerer"], home / "triggerer.log", env):
                time.sleep(20)  # until it has imported everything
                with_it = idle_cpu(15)
                memory = sum(pss(one) for one in descendants() if one.pid not in known)
                lines.append(measured(airflow, "deferred", options.runs, with_it))
    print("| way | wall, s | slot held, s | CPU above idle, s | memory of the task, MiB |\n|---|---:|---:|---:|---:|")
    print("\n".join(lines))
    burnt = max(0.0, with_it - without) * 100
    print(f"\nThe triggerer itself: {memory:.0f} MiB, and {burnt:.1f} % of a core while idle.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
