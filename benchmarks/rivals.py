"""Order Relay beside dlt and a Singer tap and target: the same orders from the same stand-in, POSTed to it.

    python benchmarks/rivals.py [--orders 2000] [--latency 20] [--pairs 3] [--connections 16] [--lose-every 100]

The tools are installed into an environment of their own, ``build/rivals`` (``rivals/requirements.txt``), and used as
their documentation recommends; ``rivals/run_dlt.py`` and ``rivals/run_singer.py`` say how. They POST each order
as read. Order Relay also validates, maps and acknowledges it, and commits each attempt before it is made. First, all
tools run in turn and are measured, without imports. Then each runs once while the stand-in stores every hundredth order
without an answer, and the stored orders are counted; Order Relay runs again until no order is in doubt. Prints a
Markdown table and writes it to ``benchmarks/rivals.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import generated_orders
from run import fetch, stand_in

_HERE = Path(__file__).resolve().parent
_FOLDER = _HERE / "rivals"
_VENV = _HERE.parent / "build" / "rivals"
_HEAD = ("", "orders/s", "CPU ms/order", "peak MiB", "answers lost", "orders lost", "stored twice", "in doubt")


def install() -> tuple[str, list[str]]:
    """Create the environment of the other tools; returns its Python and the pinned versions."""
    wanted = _FOLDER / "requirements.txt"
    python = _VENV / "bin" / "python"
    if not python.exists():
        venv.create(_VENV, with_pip=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(wanted)], check=True)
    return str(python), wanted.read_text(encoding="utf-8").split()


def commands(python: str, orders: int) -> dict[str, list[str]]:
    """The command of each tool, without the stand-in's address and the folder."""
    return {
        "Order Relay": [sys.executable, str(_HERE / "engine.py")],
        "dlt": [python, str(_FOLDER / "run_dlt.py"), "--orders", str(orders)],
        "Singer": [python, str(_FOLDER / "run_singer.py")],
    }


def run_tool(command: Sequence[str], url: str, connections: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """One run of a tool on a fresh stand-in; returns its measurement and the stand-in's counts."""
    fetch(f"{url}/_reset", "POST")
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        where = ["--url", url, "--connections", str(connections), "--folder", folder]
        done = subprocess.run([*command, *where], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3_000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result, fetch(f"{url}/_counts")


def measure(tools: dict[str, list[str]], url: str, orders: int, pairs: int, connections: int) -> dict[str, list[Any]]:
    """All tools in turn, ``pairs`` times. Exits unless each POSTs every order once."""
    runs: dict[str, list[Any]] = {name: [] for name in tools}
    for _ in range(pairs):
        for name, command in tools.items():
            result, counts = run_tool(command, url, connections)
            if counts["posted"] != orders:
                raise SystemExit(f"{name} posted {counts['posted']} of {orders} orders")
            runs[name].append(result)
            print(f"{name}: {orders / result['seconds']:.0f}/s", file=sys.stderr, flush=True)
    return runs


def lose_answers(tools: dict[str, list[str]], url: str, orders: int, connections: int) -> dict[str, list[str]]:
    """Each tool once while answers are lost: answers lost, orders lost, stored twice, in doubt."""
    rows = {}
    for name, command in tools.items():
        more = ["--settle"] if name == "Order Relay" else []
        result, counts = run_tool([*command, *more], url, connections)
        lost, doubled = orders - counts["stored"], counts["doubled"]
        rows[name] = [str(number) for number in (counts["unanswered"], lost, doubled, result.get("in_doubt", 0))]
        print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
    return rows


def as_table(runs: dict[str, list[Any]], losses: dict[str, list[str]], orders: int) -> list[str]:
    """The table as Markdown lines."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|---" + "|---:" * (len(_HEAD) - 1) + "|"]
    for name, results in runs.items():
        rate, cpu, peak = (
            statistics.median(of(result) for result in results)
            for of in (
                lambda result: orders / result["seconds"],
                lambda result: 1000 * result["cpu_s"] / orders,
                lambda result: result["peak_kib"] / 1024,
            )
        )
        lines.append("| " + " | ".join((name, f"{rate:,.0f}", f"{cpu:.2f}", f"{peak:.0f}", *losses[name])) + " |")
    return lines


def main() -> None:
    """Read the command line, install, measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--latency", type=float, default=20.0, help="latency of the OMS in milliseconds")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--lose-every", type=int, default=100)
    parser.add_argument("--out", type=Path, default=_HERE / "rivals.md")
    options = parser.parse_args()
    python, versions = install()
    tools = commands(python, options.orders)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="order-relay-bench-") as folder:
        path = Path(folder) / "orders.jsonl"
        generated_orders.write(path, options.orders)
        with stand_in(path, options.latency) as url:
            runs = measure(tools, url, options.orders, options.pairs, options.connections)
        with stand_in(path, options.latency, options.lose_every) as url:
            losses = lose_answers(tools, url, options.orders, options.connections)
    text = "\n".join(
        [
            "# Beside other tools",
            "",
            f"{options.orders:,} orders, answers after {options.latency:g} ms, {options.connections} connections, "
            f"median of {options.pairs} runs in turn; then one run in which every {options.lose_every}th order was "
            f"stored without an answer. {os.cpu_count()} cores, Python {platform.python_version()}, load average "
            f"{load:.1f} at the beginning. {', '.join(versions)}. Made by `make bench RIVALS=1`.",
            "",
            *as_table(runs, losses, options.orders),
            "",
        ]
    )
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
