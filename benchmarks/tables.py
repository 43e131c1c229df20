"""The measurements as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol


class Case(Protocol):
    """Measurements of ``run.py`` for one number of orders and one latency."""

    orders: int
    latency_ms: float
    engine: list[dict[str, Any]]
    bare: list[dict[str, Any]]
    stand_in_cpu_s: list[float]


def _median(runs: Iterable[dict[str, Any]], of: Callable[[dict[str, Any]], float]) -> float:
    return statistics.median(of(run) for run in runs)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---:" for _ in head) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def _speed(case: Case) -> list[str]:
    ratios = [bare["seconds"] / ours["seconds"] for ours, bare in zip(case.engine, case.bare, strict=True)]
    return [
        f"{case.orders:,}",
        *_latency(case),
        f"{case.orders / _median(case.engine, lambda run: run['seconds']):,.0f}",
        f"{case.orders / _median(case.bare, lambda run: run['seconds']):,.0f}",
        f"{statistics.median(ratios):.2f}",
        f"{1000 * _median(case.engine, lambda run: run['cpu_s']) / case.orders:.2f}",
        f"{1000 * _median(case.bare, lambda run: run['cpu_s']) / case.orders:.2f}",
        f"{1000 * statistics.median(case.stand_in_cpu_s) / case.orders:.2f}",
    ]


def _stages(case: Case) -> list[str]:
    names = case.engine[0]["stages"]
    seconds = [f"{_median(case.engine, lambda run, n=name: run['stages'][n]):.2f}" for name in names]  # type: ignore[misc]
    return [f"{case.orders:,}", *_latency(case), *seconds]


def _cpu(case: Case) -> list[str]:
    names = case.engine[0]["stages_cpu"]
    seconds = (_median(case.engine, lambda run, n=name: run["stages_cpu"][n]) for name in names)  # type: ignore[misc]
    return [f"{case.orders:,}", *_latency(case), *(f"{1000 * value / case.orders:.3f}" for value in seconds)]


def _latency(case: Case) -> list[str]:
    return [f"{case.latency_ms:g} ms" if case.latency_ms else "at once"]


def _memory(case: Case) -> list[str]:
    peak = max(run["peak_kib"] for run in case.engine) / 1024
    idle = max(run["idle_kib"] for run in case.engine) / 1024
    return [f"{case.orders:,}", *_latency(case), f"{idle:.0f}", f"{peak:.0f}"]


def write_results(cases: Sequence[Case], machine: str, pairs: int, connections: int) -> str:
    """The whole page."""
    lines = [
        "# Benchmark",
        "",
        f"{machine}. {connections} connections, median of {pairs} interleaved pairs. The engine runs extract to "
        "acknowledge in one process, with a SQLite ledger (WAL, `synchronous=FULL`) and a `file://` batch store, both "
        "synced. The bare loop posts the same bodies to the same stand-in and records nothing. "
        "Made by `make bench`.",
        "",
        *_table(
            (
                "orders",
                "OMS answers",
                "engine, orders/s",
                "bare loop, orders/s",
                "engine / loop",
                "CPU ms/order: engine",
                "bare loop",
                "stand-in",
            ),
            map(_speed, cases),
        ),
        "Seconds per stage of the engine:",
        "",
        *_table(("orders", "OMS answers", *cases[0].engine[0]["stages"]), map(_stages, cases)),
        "CPU milliseconds per order and stage of the engine:",
        "",
        *_table(("orders", "OMS answers", *cases[0].engine[0]["stages"]), map(_cpu, cases)),
        "Peak memory of the engine's process (MiB), and memory before the first stage:",
        "",
        *_table(("orders", "OMS answers", "before", "peak"), map(_memory, cases)),
    ]
    small, large = min(c.orders for c in cases), max(c.orders for c in cases)
    if small != large:
        peaks = [max(r["peak_kib"] for c in cases if c.orders == n for r in c.engine) for n in (small, large)]
        lines += [f"Peak at {large:,} orders: {peaks[1] / peaks[0]:.2f} times that at {small:,}.", ""]
    return "\n".join(lines)
