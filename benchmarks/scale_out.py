"""Load on 1, 2, 4 processes against one PostgreSQL: orders per second, CPU per order by part, and what they wait for.

    python benchmarks/scale_out.py [--orders 10000] [--processes 1,2,4] [--latency-ms 20] [--connections 128]
        [--stand-ins 1] [--rounds 3] [--statements]

The orders are extracted and transformed once; each measurement gets a copy of that ledger on a PostgreSQL of its own
(on disk, ``fsync=on``, ``synchronous_commit=on``) and divides the orders and the connections among its processes. They
begin together, when all are connected. The stand-in for the OMS is a process too; ``--stand-ins`` starts several.
``--statements`` prints what PostgreSQL spent its time on. Prints Markdown; exits with 1 unless each order was sent
once.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent / "scripts")]

import generated_orders  # noqa: E402
import psutil  # noqa: E402
import psycopg  # noqa: E402
from cluster.servers import PostgreSQL  # noqa: E402
from engine import Engine  # noqa: E402
from measuring import cpu_seconds  # noqa: E402
from run import fetch, stand_in  # noqa: E402

from order_relay.pipeline.load.chunks import chunk_name  # noqa: E402
from order_relay.pipeline.load.stage import LoadOptions, load  # noqa: E402
from order_relay.pipeline.run import PipelineRun  # noqa: E402

PREPARED = "prepared"
SAMPLE_S = 0.02


@dataclass
class Measurement:
    """One load of all orders. CPU in seconds, ``wal`` in bytes; ``waits``: samples of sessions by their wait."""

    seconds: float
    ours: float
    database: float
    stand_ins: float
    commits: int
    wal: int
    write_ms: float
    waits: Counter[str] = field(default_factory=Counter)


def prepare(url: str, folder: Path, ledger_url: str, divisions: Sequence[int]) -> None:
    """Everything before load, and the chunks of every division of the orders."""
    engine = Engine(url, folder, 16, ledger_url)
    run = PipelineRun(engine.ctx, engine.wiring, engine.ledger)
    run.start()
    run.transform(run.dedupe(run.validate(run.extract())))
    ids = engine.ledger.claims.ready(engine.ctx.pipeline)
    for count in divisions:
        size = -(-len(ids) // count)
        for number in range(count):
            chunk = {"look_up": [], "send": ids[number * size : (number + 1) * size]}
            engine.store.write_json(chunk_name(engine.ctx, f"{count}-{number}"), chunk)
    engine.ledger.close()


def send(options: argparse.Namespace) -> None:
    """One process: connect, wait for a line on standard input, load one chunk, print what it took."""
    count = int(options.chunk.partition("-")[0])
    engine = Engine(options.url, options.folder, options.connections, options.ledger)
    engine.ledger.database.assert_durable()
    print("ready", flush=True)
    sys.stdin.readline()
    cpu = cpu_seconds()
    how = LoadOptions(engine.wiring.settings.load, share=count)
    name = chunk_name(engine.ctx, options.chunk)
    counts = load(engine.ctx, engine.ledger, engine.store, engine.wiring.destination, name, how)
    times = engine.ledger.database.write_times
    writes = {"writes": len(times), "write_ms": 1000 * statistics.median(times)}
    print(json.dumps({"counts": counts, "cpu_s": cpu_seconds() - cpu, **writes}))


class Database:
    """The PostgreSQL server, seen as its administrator."""

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        self.address = f"host={server.folder} port={server.port} user=postgres"

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        """One statement outside a transaction; its rows."""
        with psycopg.connect(f"{self.address} dbname={database}", autocommit=True) as conn:
            done = conn.execute(statement)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def cpu_s(self) -> float:
        """CPU of the server and of all its processes so far, ended ones included."""
        postmaster = psutil.Process(self.server.pid)
        times = postmaster.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in postmaster.children():
            with _ended():
                total += sum(child.cpu_times()[:2])
        return total

    def wal(self) -> int:
        """Bytes of write-ahead log so far."""
        return int(self.run("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])

    def size(self, name: str) -> int:
        """Bytes of a database on disk."""
        return int(self.run(f"SELECT pg_database_size('{name}')")[0][0])

    def url(self, name: str) -> str:
        """For SQLAlchemy; the password is not needed on the socket."""
        return f"postgresql+psycopg://postgres@/{name}?host={self.server.folder}&port={self.server.port}"

    @contextmanager
    def sampled(self, waits: Counter[str]) -> Iterator[None]:
        """Count what the sessions of the processes do, every ``SAMPLE_S``."""
        done = threading.Event()
        thread = threading.Thread(target=self._sample, args=(waits, done))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _sample(self, waits: Counter[str], done: threading.Event) -> None:
        asked = "SELECT state, wait_event_type, wait_event FROM pg_stat_activity WHERE application_name = 'order_relay'"
        with psycopg.connect(f"{self.address} dbname=postgres", autocommit=True) as conn:
            while not done.wait(SAMPLE_S):
                for state, kind, event in conn.execute(asked).fetchall():
                    if state == "active":
                        waits[f"{kind}: {event}" if kind else "on the CPU"] += 1
                    elif state == "idle in transaction":
                        waits["the process, in a transaction"] += 1
                    else:
                        waits["idle"] += 1


@contextmanager
def _ended() -> Iterator[None]:
    try:
        yield
    except psutil.NoSuchProcess:
        return


def measure(
    database: Database, urls: Sequence[str], folder: Path, count: int, options: argparse.Namespace
) -> Measurement:
    """One load with ``count`` processes on a copy of the prepared ledger."""
    name = f"load_{count}"
    database.run(f"DROP DATABASE IF EXISTS {name}")
    database.run(f"CREATE DATABASE {name} TEMPLATE {PREPARED} STRATEGY FILE_COPY")
    database.run("VACUUM ANALYZE", name)
    database.run("CHECKPOINT")
    for url in urls:
        fetch(f"{url}/_reset", "POST")
    with ExitStack() as stack:
        processes = [
            stack.enter_context(_process(urls[n % len(urls)], folder, database.url(name), f"{count}-{n}", options))
            for n in range(count)
        ]
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        if options.statements:
            database.run("SELECT pg_stat_statements_reset()")
        wal, cpu, waits = database.wal(), database.cpu_s(), Counter[str]()
        began = perf_counter()
        with database.sampled(waits):
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            found = [json.loads(process.stdout.readline()) for process in processes if process.stdout]
        seconds, spent = perf_counter() - began, database.cpu_s() - cpu
    counts = [fetch(f"{url}/_counts") for url in urls]
    posted, imported = sum(c["posted"] for c in counts), sum(f["counts"].get("imported", 0) for f in found)
    if (posted, imported) != (options.orders, options.orders):
        raise SystemExit(f"{posted} orders were sent and {imported} imported, expected {options.orders}: {found}")
    if options.statements:
        _print_statements(database, options.orders)
    return Measurement(
        seconds,
        ours=sum(one["cpu_s"] for one in found),
        database=spent,
        stand_ins=sum(one["cpu_s"] for one in counts),
        commits=sum(one["writes"] for one in found),
        wal=database.wal() - wal,
        write_ms=statistics.mean(one["write_ms"] for one in found),
        waits=waits,
    )


@contextmanager
def _process(
    url: str, folder: Path, ledger_url: str, chunk: str, options: argparse.Namespace
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(_HERE / "scale_out.py"), "--url", url, "--folder", str(folder), "--chunk", chunk]
    command += ["--ledger", ledger_url, "--connections", str(options.connections)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait(60)


def _print_statements(database: Database, orders: int) -> None:
    asked = (
        "SELECT calls, total_exec_time, rows, wal_bytes, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) "
        "FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 16"
    )
    for calls, spent, rows, wal, query in database.run(asked):
        print(
            f"{spent / orders * 1000:8.1f} us/order {calls:6} calls {rows:7} rows {wal / orders:7.0f} B/order  {query}"
        )


def table(found: dict[int, list[Measurement]], orders: int) -> str:
    """Medians by number of processes."""
    lines = [
        "| processes | orders/s | CPU ms/order: ours | PostgreSQL | stand-in | orders per commit | ms per commit |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count, runs in found.items():
        per_order = [
            statistics.median(getattr(run, name) for run in runs) / orders * 1000
            for name in ("ours", "database", "stand_ins")
        ]
        cpu = " | ".join(f"{value:.2f}" for value in per_order)
        rate = orders / statistics.median(run.seconds for run in runs)
        commits = statistics.median(run.commits for run in runs)
        write_ms = statistics.median(run.write_ms for run in runs)
        lines.append(f"| {count} | {rate:,.0f} | {cpu} | {orders / commits:.0f} | {write_ms:.0f} |")
    for count, runs in found.items():
        waits = sum((run.waits for run in runs), Counter[str]())
        shares = ", ".join(f"{what} {n / waits.total():.0%}" for what, n in waits.most_common(6))
        lines.append(f"\nSessions, {count} processes: {shares}")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--processes", default="1,2,4", help="numbers of processes, comma-separated")
    parser.add_argument("--latency-ms", type=float, default=20.0)
    parser.add_argument("--connections", type=int, default=128, help="of all processes together")
    parser.add_argument("--stand-ins", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--statements", action="store_true", help="print PostgreSQL's time by statement")
    for hidden in ("--url", "--chunk", "--ledger"):
        parser.add_argument(hidden, default="", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.chunk:
        send(options)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stops what was started
    divisions = [int(part) for part in options.processes.split(",")]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="order-relay-scale-")))
        folder.chmod(0o755)
        generated_orders.write(folder / "orders.jsonl", options.orders)
        made = [stand_in(folder / "orders.jsonl", options.latency_ms) for _ in range(options.stand_ins)]
        urls = [stack.enter_context(one) for one in made]
        passwords = dict.fromkeys(("POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "LEDGER_PASSWORD"), "unused")
        loaded = {"shared_preload_libraries": "pg_stat_statements"} if options.statements else {}
        server = PostgreSQL(folder, folder, passwords, loaded)
        stack.callback(server.stop)
        database = Database(server)
        if options.statements:
            database.run("CREATE EXTENSION pg_stat_statements")
        database.run(f"CREATE DATABASE {PREPARED}")
        empty, wal, cpu = database.size(PREPARED), database.wal(), (cpu_seconds(), database.cpu_s())
        prepare(urls[0], folder, database.url(PREPARED), divisions)
        prepared_wal = database.wal() - wal
        before = [
            1000 * (now - then) / options.orders
            for now, then in zip((cpu_seconds(), database.cpu_s()), cpu, strict=True)
        ]
        found: dict[int, list[Measurement]] = {count: [] for count in divisions}
        for _ in range(options.rounds):  # interleaved, so that other load on the machine meets all of them
            for count in divisions:
                found[count].append(measure(database, urls, folder, count, options))
                print(f"{count} processes: {options.orders / found[count][-1].seconds:,.0f}/s", file=sys.stderr)
        archive = sum(file.stat().st_size for file in (folder / "batches").rglob("*") if file.is_file())
        last = found[divisions[-1]][-1]
        kept = {
            "ledger": database.size(f"load_{divisions[-1]}") - empty,
            "archive": archive,
            "write-ahead log": prepared_wal + last.wal,
        }
        machine = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
        print(f"\n{options.orders:,} orders, {options.latency_ms:g} ms, {options.connections} connections, {machine}\n")
        print(table(found, options.orders))
        print(f"\nBefore load, CPU ms per order: ours {before[0]:.2f}, PostgreSQL {before[1]:.2f}")
        print("\nKiB per order: " + ", ".join(f"{n / 1024 / options.orders:.1f} {what}" for what, n in kept.items()))


if __name__ == "__main__":
    main()
