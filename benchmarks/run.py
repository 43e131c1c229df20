"""Order Relay compared with a bare aiohttp loop: throughput, CPU and memory, measured in one run on one machine.

    python benchmarks/run.py [--pairs 5] [--orders 2000,20000] [--latency 0,20] [--connections 16]

For every number of orders and every latency of the OMS: interleaved pairs of one engine run (extract to
acknowledge, without Airflow, full durability) and one run of the bare loop, which posts the bodies that the engine
created to the same stand-in with the same number of connections. Engine, loop and stand-in are separate processes.
Prints Markdown tables and writes them to ``benchmarks/results.md``. Exits with 1 if a run did not move every order.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import generated_orders
from tables import write_results

_HERE = Path(__file__).resolve().parent


@dataclass
class Case:
    """All pairs of one number of orders and one latency."""

    orders: int
    latency_ms: float
    engine: list[dict[str, Any]] = field(default_factory=list)
    bare: list[dict[str, Any]] = field(default_factory=list)
    stand_in_cpu_s: list[float] = field(default_factory=list)


def fetch(url: str, method: str = "GET") -> dict[str, Any]:
    """The JSON object at one of the stand-in's addresses."""
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


@contextmanager
def stand_in(orders: Path, latency_ms: float, lose_every: int = 0) -> Iterator[str]:
    """Run a stand-in; yields its address. It ends when its standard input is closed."""
    command = [sys.executable, str(_HERE / "stand_in.py"), "--orders", str(orders), "--latency-ms", str(latency_ms)]
    command += ["--lose-every", str(lose_every)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)


def _measured(script: str, *arguments: str) -> dict[str, Any]:
    """Run one of our scripts; returns the JSON object of its last line."""
    done = subprocess.run(
        [sys.executable, str(_HERE / script), *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _engine(url: str, folder: Path, connections: int) -> dict[str, Any]:
    return _measured("engine.py", "--url", url, "--folder", str(folder), "--connections", str(connections))


def _bare(url: str, folder: Path, connections: int) -> dict[str, Any]:
    bodies = sorted(str(path) for path in folder.rglob("payloads-*.jsonl.gz"))
    return _measured(
        "bare_loop.py", "--url", f"{url}/api/v2/importOrder/", "--connections", str(connections), "--bodies", *bodies
    )


def _check(case: Case, counts: dict[str, Any], *, acknowledged: int) -> None:
    wanted = {"posted": case.orders, "acknowledged": acknowledged}
    seen = {name: counts[name] for name in wanted}
    if seen != wanted:
        raise SystemExit(f"the stand-in counted {seen}, expected {wanted}")


def run_pair(case: Case, url: str, connections: int) -> None:
    """One engine run and one run of the bare loop after it."""
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        fetch(f"{url}/_reset", "POST")
        engine = _engine(url, Path(folder), connections)
        counts = fetch(f"{url}/_counts")
        _check(case, counts, acknowledged=case.orders)
        case.stand_in_cpu_s.append(counts["cpu_s"])
        case.engine.append(engine)
        fetch(f"{url}/_reset", "POST")
        case.bare.append(_bare(url, Path(folder), connections))
        _check(case, fetch(f"{url}/_counts"), acknowledged=0)


def run_case(orders: int, latency_ms: float, pairs: int, connections: int) -> Case:
    """All pairs of one case, with a line of progress for each."""
    case = Case(orders, latency_ms)
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        path = Path(folder) / "orders.jsonl"
        generated_orders.write(path, orders)
        with stand_in(path, latency_ms) as url:
            for number in range(1, pairs + 1):
                run_pair(case, url, connections)
                ours, bare = (orders / runs[-1]["seconds"] for runs in (case.engine, case.bare))
                print(
                    f"{orders} orders, {latency_ms:g} ms, pair {number}: {ours:.0f}/s, bare loop {bare:.0f}/s",
                    file=sys.stderr,
                    flush=True,
                )
    return case


def main() -> None:
    """Read the command line, measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--orders", default="2000,20000", help="numbers of orders, comma-separated")
    parser.add_argument("--latency", default="0,20", help="latencies of the OMS in milliseconds, comma-separated")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--out", type=Path, default=_HERE / "results.md")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    cases = [
        run_case(int(orders), float(latency), options.pairs, options.connections)
        for orders in options.orders.split(",")
        for latency in options.latency.split(",")
    ]
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    machine += f", load average {load:.1f} at the beginning"
    text = write_results(cases, machine, options.pairs, options.connections)
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
