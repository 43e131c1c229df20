"""What retention, backup, restore, the accounting check and migrations cost in a ledger with a long past.

    python benchmarks/maintenance.py [--orders 1000000] [--databases sqlite,postgres] [--only check,dump,restore]
        [--ledgers FOLDER]

Each runs in a process of its own beside a writer, which changes one order in a durable transaction every 20 ms: its
longest wait is how long sending would have been blocked. Seconds include the start of the process. Databases are on
disk; ``--ledgers`` keeps the filled ones there for the next call. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sqlalchemy as sa
from measuring import cpu_seconds, peak_kib, tree_cpu_seconds
from past_ledgers import PIPELINE, PastLedgers, past_ledgers

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.backups import back_up, restore
from order_relay.ledger.store import migrate as migrations
from order_relay.ledger.store.database import Database
from order_relay.ledger.store.migrations.large_tables import LargeTables
from order_relay.pipeline.retention.order_data import apply_retention
from order_relay.pipeline.settings.sections import RetentionSettings

EARLIER = "0021"
LATER = tuple(name for name in migrations._files() if name > EARLIER)
_TAKE_BACK = (
    "DROP INDEX ix_submission_partly_shipped",
    "DROP TABLE portal_file",
    "DROP TABLE feedback_due",
    "ALTER TABLE pipeline DROP COLUMN feedback_unread",
    "ALTER TABLE pipeline DROP COLUMN feedback_after",
    "DROP INDEX ix_settlement_submission",
    "DROP TABLE history_slice",
    "DROP TABLE history_import",
    "DROP INDEX ix_submission_history",
    "ALTER TABLE submission DROP COLUMN history_import",
    "ALTER TABLE submission DROP COLUMN history",
    "DROP INDEX ix_feedback_unfinished",
    "DROP INDEX ix_submission_source_cancelled",
    "ALTER TABLE submission DROP COLUMN source_reinstated_at",
    "ALTER TABLE submission DROP COLUMN cancellation_decided_at",
    "CREATE INDEX ix_submission_source_cancelled ON submission (pipeline, id) WHERE source_cancelled_at IS NOT NULL",
    "DROP TABLE oms_status",
    "ALTER TABLE pipeline DROP COLUMN oms_to",
    "DROP TABLE correction",
    "DROP TABLE saved_view",
    "DROP TABLE code_table_row",
    "DROP INDEX ix_shipment_tracking",
    "DROP INDEX ix_submission_received",
    "DROP INDEX ix_submission_state",
    "CREATE INDEX ix_submission_state ON submission (pipeline, state, changed_at)",
    "ALTER TABLE run DROP COLUMN tables_version",
    "DROP INDEX ix_order_count_hour",
    "ALTER TABLE order_count DROP COLUMN hour",
    f"UPDATE order_relay_revision SET version_num = '{EARLIER}'",
)
"""From the newest revision to ``EARLIER``, so that migrations can be measured."""


def retention(url: str, folder: Path, *, dry_run: bool) -> object:
    """The ledger's part: a daily run that finds a day of orders, or the first one after two months."""
    opened = Ledger.open(url)
    store, settings = BatchStore((folder / "store").as_uri()), RetentionSettings(ledger_days=90 if dry_run else 30)
    return apply_retention(PIPELINE, opened.retention, store, settings, now=datetime.now(UTC), dry_run=dry_run).counts


def check(url: str) -> object:
    """The accounting check of all orders."""
    return Ledger.open(url).accounting.invariant_violations(PIPELINE)


def take_back(url: str) -> None:
    """Make the ledger one of an earlier version."""
    database = Database(url)
    with database.engine.begin() as conn:
        for statement in _TAKE_BACK:
            conn.exec_driver_sql(statement)
    database.close()


def migrate_to(url: str, revision: str) -> str:
    """One migration, as ``ledger migrate`` does it."""
    with closing(Database(url)) as database:
        module = import_module(f"{migrations.__package__}.migrations.versions.{migrations._files()[revision]}")
        if prepare := getattr(module, "prepare", None):
            prepare(LargeTables(database.engine))
        migrations.upgrade_to(database, revision)
    return revision


def step(word: str, url: str, folder: Path) -> object:
    """One of ``STEPS``."""
    target = folder / "backup"
    if word in {"backup", "dump"}:
        file = target.with_suffix(".jsonl.gz" if word == "dump" else ".sqlite")
        file.unlink(missing_ok=True)
        return {"MiB": back_up(url, file)["bytes"] >> 20}
    if word == "restore":
        return sum(restore(_other(url), target.with_suffix(".jsonl.gz"), replace=True)["rows"].values())
    if word in LATER:
        return migrate_to(url, word)
    if word == "check":
        return check(url)
    return retention(url, folder, dry_run=word == "dry")


def _other(url: str) -> str:
    """The ledger that a backup is restored into."""
    return url.replace("maintained", "restored")


STEPS = {
    "check": "accounting check of all",
    "backup": "backup, SQLite file",
    "dump": "backup, portable dump",
    "restore": "restore of the dump",
    "dry": "retention, dry run of a day",
    "retention": "retention, personal data of two months",
    **{revision: f"migration {migrations._files()[revision][1:]}" for revision in LATER},
}


@contextmanager
def writer(url: str, waits: list[float]) -> Iterator[None]:
    """Beside the block: one durable change of an order every 20 ms; ``waits`` gets the seconds of each."""
    database, ended = Database(url), threading.Event()
    change = sa.text("UPDATE submission SET lookups = lookups WHERE id = 500")

    def work() -> None:
        while not ended.wait(0.02):
            started = time.perf_counter()
            with database.engine.begin() as conn:
                conn.execute(change)
            waits.append(time.perf_counter() - started)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        database.close()


def measure(word: str, url: str, folder: Path, server: int | None) -> list[str]:
    """One row of the table."""
    waits: list[float] = []
    before = tree_cpu_seconds(server) if server else 0.0
    started = time.perf_counter()
    command = [sys.executable, __file__, "--step", word, "--url", url, "--folder", str(folder)]
    with writer(url, waits):
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - started
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    cpu = found["cpu_s"] + (tree_cpu_seconds(server) - before if server else 0.0)
    cells = (f"{seconds:,.1f}", f"{cpu:,.1f}", f"{found['peak_kib'] / 1024:,.0f}", f"{max(waits, default=0.0):.2f}")
    print(f"{word}: {cells} {found['result']}", file=sys.stderr)
    return [STEPS[word], *cells]


def measure_all(ledgers: PastLedgers, words: list[str], orders: int, folder: Path) -> list[list[str]]:
    """The rows of the table, in a copy of the filled ledger."""
    url, server = ledgers.copy(orders, "maintained"), ledgers.cluster.pid() if ledgers.cluster else None
    ledgers.empty("restored")
    migrate(url)
    rows = []
    for word in words:
        if word in LATER and word == min(set(words) & set(LATER)):
            take_back(url)
        rows.append(measure(word, url, folder, server))
    return rows


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--databases", default="sqlite,postgres")
    parser.add_argument("--ledgers", type=Path)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", default=",".join(STEPS))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        result = step(options.step, options.url, options.folder)
        print(json.dumps({"cpu_s": cpu_seconds(), "peak_kib": peak_kib(), "result": result}, default=str))
        return
    for kind in options.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="order-relay-maintenance-") as folder:
            words = [word for word in options.only.split(",") if (kind, word) != ("postgres", "backup")]
            with past_ledgers(kind, options.ledgers) as ledgers:
                rows = measure_all(ledgers, words, options.orders, Path(folder))
        print(f"\n{kind}, {options.orders:,} orders\n")
        print("| | s | CPU s | peak MiB | longest wait of a writer, s |\n|---|---:|---:|---:|---:|")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows), flush=True)


if __name__ == "__main__":
    main()
