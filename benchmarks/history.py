"""What a run and the commands cost in a ledger with a long past, beside a short one.

    python benchmarks/history.py [--sizes 1000,1000000] [--orders 300] [--databases sqlite,postgres]

Per database and size: a ledger filled by the database itself, then an empty run and a run of ``--orders`` new orders
(extract to report, without Airflow, the vendors simulated), and the questions that commands and ``watch`` ask. Median
of ``--rounds``; prints Markdown, times in milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.databases import Cluster, postgres_bin
from tests.support.engine import Engine
from tests.support.faults.cases import named
from tests.support.past_orders import write_past

from order_relay.ledger import migrate
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.rules import state_limits
from order_relay.pipeline.run import run_once
from order_relay_sandbox import serve_in_thread

CASE = named("supercat-shopatron")
Times = dict[str, list[float]]


@contextmanager
def timed(times: Times, name: str) -> Iterator[None]:
    """Add the duration of the block in milliseconds."""
    started = time.perf_counter()
    yield
    times[name].append((time.perf_counter() - started) * 1000)


def one_run(engine: Engine, times: Times, label: str, run: str) -> int:
    """Time the stages and the report of one run; the number of orders that it imported."""
    ctx = RunContext(engine.pipeline, run)
    with timed(times, f"{label}: all"):
        done = run_once(
            engine.stages(ctx), options=engine.options(), stage=lambda name: timed(times, f"{label}: {name}")
        )
        with timed(times, f"{label}: report"):
            report = engine.report(ctx, done.batch)
            engine.ledger.runs.end(ctx, report.facts)
    if report.breaches or done.failed:
        raise SystemExit(f"{report.breaches} {done.failed}")
    return int(report.facts.get("run_imported", 0))


def questions(engine: Engine) -> dict[str, Callable[[], object]]:
    """What commands, ``watch``, the summary and the review finder ask."""
    ledger, name, now = engine.ledger, engine.pipeline, datetime.now(UTC)
    limits = state_limits(engine.wiring.settings)
    return {
        "counts": lambda: ledger.accounting.counts(name),
        "order (by number)": lambda: ledger.queries.find("N77"),
        "held, review finder": ledger.decisions.held_groups,
        "doubt": ledger.queries.in_doubt,
        "quarantine": ledger.queries.quarantined,
        "watch": lambda: (ledger.health.heartbeat(name), ledger.health.overdue(name, limits)),
        "summary": lambda: ledger.health.activity_since(name, now - timedelta(days=1)),
        "report: accounting check of all": lambda: ledger.accounting.invariant_violations(name),
        "retention: rows that open orders need": lambda: ledger.retention.required_rows(name),
        "retention: personal data": lambda: ledger.retention.with_personal_data(name, now - timedelta(days=90)),
    }


def measure(url: str, folder: Path, size: int, orders: int, rounds: int) -> Times:
    """All times of one ledger."""
    times: Times = defaultdict(list)
    migrate(url)
    with serve_in_thread(CASE.at_destination(), [], sources=[CASE.source_side]) as sandbox:
        engine = Engine(folder, CASE.connect(sandbox.url), url, pipeline=CASE.pipeline)
        started = time.perf_counter()
        write_past(
            url, CASE.pipeline, size, source=engine.wiring.source.account, destination=engine.wiring.destination.account
        )
        print(f"{size} orders: filled in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        one_run(engine, defaultdict(list), "warm", "warm")
        new = CASE.plain(orders * rounds)
        for number in range(rounds):
            one_run(engine, times, "empty run", f"empty-{number}")
            sandbox.offer(new[number * orders : (number + 1) * orders])
            imported = one_run(engine, times, f"{orders} orders", f"full-{number}")
            if imported != orders:
                raise SystemExit(f"{imported} of {orders} orders were imported")
        for name, ask in questions(engine).items():
            for _ in range(1 if "all" in name or "retention" in name else rounds):
                with timed(times, name):
                    ask()
        engine.wiring.close()
    return times


def table(sizes: list[int], by_size: list[Times]) -> str:
    """Medians side by side, and the last as a multiple of the first."""
    heads = [f"{size:,}" for size in sizes]
    lines = [f"| | {' | '.join(heads)} | ratio |", f"|---|{'---:|' * (len(heads) + 1)}"]
    for name in by_size[0]:
        medians = [statistics.median(times[name]) for times in by_size]
        cells = " | ".join(f"{value:,.1f}" for value in medians)
        lines.append(f"| {name} | {cells} | {medians[-1] / max(medians[0], 0.001):.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,1000000")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", default="sqlite,postgres")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    for kind in options.databases.split(","):
        cluster = Cluster(postgres_bin() or Path()) if kind == "postgres" else None
        try:
            if cluster:
                cluster.start()
            found = []
            for size in sizes:
                with tempfile.TemporaryDirectory(prefix="order-relay-history-") as folder:
                    url = f"sqlite:///{folder}/ledger.sqlite"
                    if cluster:
                        cluster.admin(f"CREATE DATABASE history_{size}")
                        url = cluster.url(f"history_{size}")
                    found.append(measure(url, Path(folder), size, options.orders, options.rounds))
            print(f"\n{kind}, ms\n\n{table(sizes, found)}", flush=True)
        finally:
            if cluster:
                cluster.stop()


if __name__ == "__main__":
    main()
