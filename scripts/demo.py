"""`make demo`: simulated vendors, one run of the DAG on real Airflow, and the result for every order.

Exits with 0 only if the run was green, the accounting check passed, and the vendors' own audit agrees with the ledger:
no duplicates, nothing acknowledged early, every amount equal to the cent.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_airflow import (
    ROOT,
    CommandError,
    airflow,
    environment,
    fresh_home,
    get_json,
    live_files,
    own_dags,
    pipeline_files,
    pipeline_of,
    sandbox,
    vendor_connections,
)
from rich.console import Console
from rich.table import Table

STATES = ("imported", "superseded", "discarded", "quarantined", "rejected", "held", "waiting", "in_doubt", "sending")
"""Order of the states in the table; others come last."""

Row = Mapping[str, Any]
console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)  # do not truncate output to a file


def main() -> int:
    """Run the demonstration; its exit code."""
    options = _options()
    pipeline = pipeline_of(options.source)
    home = fresh_home(".demo")
    console.print(f"Order Relay: {options.orders} simulated orders through [bold]{pipeline}[/] on Airflow")
    with sandbox(home, options.orders, options.seed, "--source", options.source) as address:
        settings = vendor_connections(address) | live_files(home / "order_relay" / "config", pipeline_files())
        settings |= own_dags(home / "dags")
        env = environment(home, settings | {"AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S": "1"})
        with _step(f"Airflow's database (log: {_short(home / 'airflow.log')})"):
            migrated = airflow(["db", "migrate"], env, home / "airflow.log")
        if migrated:
            raise CommandError(f"could not create Airflow's database; see {_short(home / 'airflow.log')}")
        with _step(f"the DAG's run (log: {_short(home / 'run.log')})"):
            code = airflow(["dags", "test", pipeline], env, home / "run.log")
        if (ROOT / "dags" / f"{options.source}_feedback.py").exists():
            with _step("the feedback DAG, which writes the results back to the source"):
                code = airflow(["dags", "test", f"{options.source}_feedback"], env, home / "run.log") or code
        audit = get_json(f"{address}/_audit")
    book = _report(env)
    rows = _rows(home / "order_relay" / "ledger.sqlite", pipeline)
    _show(rows, audit)
    problems = [] if code == 0 else [f"the run is red; see {_short(home / 'run.log')}"]
    problems += _problems(rows, audit, book) + _missing_write_backs(rows, audit.get(options.source, {}))
    return _verdict(problems, rows, audit, home, pipeline)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="supercat", help="the source (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=300, help="number of orders (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same orders")
    return parser.parse_args()


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Print a step and its duration, with a sign of life every ten seconds."""
    console.print(f"  {what} ...")
    began, over = time.monotonic(), threading.Event()

    def alive() -> None:
        while not over.wait(10):
            console.print(f"    ... {time.monotonic() - began:.0f} s")

    threading.Thread(target=alive, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    console.print(f"    {time.monotonic() - began:.1f} s")


def _report(env: Mapping[str, str]) -> dict[str, Any]:
    """The output of `order-relay report --json`."""
    command = [sys.executable, "-m", "order_relay", "report", "--json"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)  # noqa: S603
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise CommandError(f"`python -m order_relay report` failed:\n{done.stderr.strip()}") from None
    return found


def _rows(ledger: Path, pipeline: str) -> list[Row]:
    """All submissions, read without the package's own code, which the demonstration verifies."""
    if not ledger.exists():
        raise CommandError("the run created no ledger")
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM submission WHERE pipeline = ? ORDER BY id", (pipeline,))
        return [dict(row) for row in found]


def _show(rows: list[Row], audit: Mapping[str, Any]) -> None:
    """Print one line per order."""
    offers = {offer["id"]: offer for offer in audit["offers"].values()}
    table = Table(title="What happened to every order", title_justify="left", box=None, pad_edge=False)
    for column in ("order", "source id", "simulated kind", "state", "reason", "OMS id", "acknowledged"):
        table.add_column(column, overflow="fold")
    rank = {state: number for number, state in enumerate(STATES)}
    for row in sorted(rows, key=lambda row: (rank.get(row["state"], len(rank)), row["reason"] or "", row["id"])):
        offer = offers.get(row["source_id"], {})
        table.add_row(
            row["order_number"],
            row["source_id"][:24],
            offer.get("kind", ""),
            row["state"],
            row["reason"] or "",
            row["oms_id"] or "",
            row["ack"] or "",
        )
    console.print()
    console.print(table)


def _problems(rows: list[Row], audit: Mapping[str, Any], report: Mapping[str, Any]) -> list[str]:
    """Differences between ledger and vendors, and violated guarantees."""
    found = []
    if not report.get("balanced"):
        found.append("the accounting check failed; see `order-relay report`")
    if audit["doubled"]:
        found.append(f"duplicates at the OMS: {', '.join(map(str, audit['doubled']))}")
    if audit["acknowledged_early"]:
        found.append(f"acknowledged early: {', '.join(map(str, audit['acknowledged_early']))}")
    if audit["imported_forbidden"]:
        found.append(f"imported although not allowed: {audit['imported_forbidden']}")
    if len(rows) != audit["offered"]:
        found.append(f"the source offered {audit['offered']} orders, the ledger has {len(rows)}")
    in_ledger = {row["oms_id"] for row in rows if row["state"] == "imported"}
    at_oms = {str(order_id) for order in audit["orders"].values() for order_id in order["order_ids"]}
    if in_ledger != at_oms:
        found.append(
            f"imported only in the ledger: {len(in_ledger - at_oms)}; only at the OMS: {len(at_oms - in_ledger)}"
        )
    return found + _wrong_totals(rows, audit)


def _missing_write_backs(rows: list[Row], shop: Mapping[str, Any]) -> list[str]:
    """Write-backs that a source with feedback did not receive, by its own member of the audit."""
    received = shop.get("feedback", {})
    if not received:
        return []
    found = [f"set back to confirmed: {shop['put_back']}"] if shop["put_back"] else []
    missing = [
        row["order_number"]
        for row in rows
        if row["state"] == "imported" and not received.get(row["order_number"], {}).get("is_oms_id")
    ]
    return found + ([f"the shop does not know the OMS id of {', '.join(missing)}"] if missing else [])


def _wrong_totals(rows: list[Row], audit: Mapping[str, Any]) -> list[str]:
    """Orders whose total at the OMS differs from the source's."""
    offered = {offer["id"]: offer["total"] for offer in audit["offers"].values()}
    stored = {str(i): order["total"] for order in audit["orders"].values() for i in order["order_ids"]}
    wrong = [
        row["order_number"]
        for row in rows
        if row["state"] == "imported" and str(stored.get(row["oms_id"])) != str(offered.get(row["source_id"]))
    ]
    return [f"total at the OMS differs from the source: {', '.join(wrong)}"] if wrong else []


def _verdict(problems: list[str], rows: list[Row], audit: Mapping[str, Any], home: Path, pipeline: str) -> int:
    """Print the summary; returns the exit code."""
    states = Counter(row["state"] for row in rows)
    console.print()
    console.print("[bold]Orders[/]: " + ", ".join(f"{n} {state}" for state, n in states.most_common()))
    console.print(
        f"[bold]Vendors[/]: {audit['offered']} offered, {audit['imported']} imported, "
        f"{len(audit['doubled'])} duplicates, {len(audit['acknowledged'])} acknowledged, "
        f"{len(audit['acknowledged_early'])} of them early"
    )
    for report in sorted((home / "order_relay" / "batches" / pipeline / "runs").glob("*/report.md")):
        console.print(f"[bold]Report[/]: {_short(report)}")
    for problem in problems:
        console.print(f"[bold red]FAILED[/]: {problem}")
    if not problems:
        console.print("[bold green]Every order is accounted for: no duplicates, none acknowledged early.[/]")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as trouble:
        console.print(f"[bold red]{trouble}[/]")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
