"""What a run and the commands cost in a ledger with a long past, beside a short one.

    python benchmarks/history.py [--sizes 1000,1000000] [--orders 300] [--databases sqlite,postgres] [--ledgers FOLDER]

Per database: a ledger of each size, filled by the database itself. Then in turn, so that other load concerns all alike,
an empty run and a run of ``--orders`` new orders (extract to report, without Airflow, the vendors simulated), and the
questions that commands and ``watch`` ask. Prints Markdown: the lowest CPU time of ``--rounds`` in milliseconds, of this
process (with the simulated vendors) and of PostgreSQL; the median wall time; and the statements. ``--ledgers`` keeps
the filled ledgers there for the next call.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sqlalchemy as sa
from measuring import tree_cpu_seconds
from past_ledgers import PORT, PastLedgers, past_ledgers
from tests.support.engine import Engine
from tests.support.faults.cases import named

from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.rules import state_limits
from order_relay.pipeline.run import run_once
from order_relay_sandbox import serve_in_thread
from order_relay_sandbox.supercat import generator

CASE = named("supercat-shopatron")
ONCE = ("of all", "retention")
"""Questions that are asked once."""


class Cost(NamedTuple):
    """Of one call, in milliseconds, and its number of statements."""

    cpu: float
    wall: float
    statements: int


@dataclass
class Costs:
    """Costs by what was called. ``server``: PostgreSQL's process, whose CPU counts too."""

    server: int | None
    by_name: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))
    _statements: int = 0

    def watch(self, engine: sa.Engine) -> None:
        """Count the statements of an engine."""
        sa.event.listen(engine, "after_cursor_execute", self._count)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the cost of the block."""
        cpu, wall, before = self._cpu(), time.perf_counter(), self._statements
        yield
        spent = time.perf_counter() - wall
        self.by_name[name].append(Cost((self._cpu() - cpu) * 1000, spent * 1000, self._statements - before))

    def _cpu(self) -> float:
        return time.process_time() + (tree_cpu_seconds(self.server) if self.server else 0.0)

    def _count(self, *_: object) -> None:
        self._statements += 1


def one_run(engine: Engine, costs: Costs, label: str, run: str) -> int:
    """Measure the stages and the report of one run; the number of orders that it imported."""
    ctx = RunContext(engine.pipeline, run)
    with costs.timed(f"{label}: all"):
        done = run_once(
            engine.stages(ctx), options=engine.options(), stage=lambda name: costs.timed(f"{label}: {name}")
        )
        with costs.timed(f"{label}: report"):
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
        "retention: personal data": lambda: list(ledger.retention.with_personal_data(name, now - timedelta(days=90))),
    }


def measure(ledgers: PastLedgers, sizes: list[int], orders: int, rounds: int) -> list[Costs]:
    """The costs in a ledger of each size, measured in turn."""
    measured = []
    with ExitStack() as stack:
        sandbox = stack.enter_context(serve_in_thread(CASE.at_destination(), [], port=PORT, sources=[CASE.source_side]))
        generated = generator.orders(2 * orders * rounds * len(sizes), 11)
        new = (made.order for made in generated if made.kind == "plain")
        for size in sizes:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="order-relay-history-"))
            url = ledgers.copy(size, f"history_{size}")
            engine = Engine(Path(folder), CASE.connect(sandbox.url), url, pipeline=CASE.pipeline)
            stack.callback(engine.wiring.close)
            one_run(engine, Costs(None), "warm", "warm")
            costs = Costs(ledgers.cluster.pid() if ledgers.cluster else None)
            costs.watch(engine.ledger.database.engine)
            measured.append((engine, costs))
        for number in range(rounds):
            for engine, costs in measured:
                one_run(engine, costs, "empty run", f"empty-{number}")
                sandbox.offer([next(new) for _ in range(orders)])
                imported = one_run(engine, costs, f"{orders} orders", f"full-{number}")
                if imported != orders:
                    raise SystemExit(f"{imported} of {orders} orders were imported")
                for name, ask in questions(engine).items():
                    if not number or not any(word in name for word in ONCE):
                        with costs.timed(name):
                            ask()
    return [costs for _, costs in measured]


def table(sizes: list[int], measured: list[Costs]) -> str:
    """Side by side, and the CPU time of the last as a multiple of the first."""
    heads = (f"{size:,}" for size in sizes)
    lines = [f"| CPU ms / wall ms / statements | {' | '.join(heads)} | ratio of CPU |"]
    lines.append(f"|---|{'---:|' * (len(sizes) + 1)}")
    for name in measured[0].by_name:
        rows = [costs.by_name[name] for costs in measured]
        cpu = [min(cost.cpu for cost in row) for row in rows]
        cells = [
            f"{least:,.0f} / {statistics.median(cost.wall for cost in row):,.0f} / {row[-1].statements:,}"
            for least, row in zip(cpu, rows, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {cpu[-1] / max(cpu[0], 0.001):.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,1000000")
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", default="sqlite,postgres")
    parser.add_argument("--ledgers", type=Path)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    for kind in options.databases.split(","):
        with past_ledgers(kind, options.ledgers) as ledgers:
            measured = measure(ledgers, sizes, options.orders, options.rounds)
        print(f"\n{kind}\n\n{table(sizes, measured)}", flush=True)


if __name__ == "__main__":
    main()
