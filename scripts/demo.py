"""`make demo`: simulated vendors, one run of the DAG on real Airflow, and what became of every order.

Exits with 0 only if the run was green, the counting law held, and the vendors' own audit agrees with the ledger:
nothing doubled, nothing acknowledged early, every amount equal to the cent.
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

from local import (
    PIPELINES,
    ROOT,
    Trouble,
    airflow,
    environment,
    fresh_home,
    get_json,
    live_files,
    sandbox,
    vendor_connections,
)
from rich.console import Console
from rich.table import Table

STATES = ("imported", "superseded", "discarded", "quarantined", "rejected", "held", "waiting", "in_doubt", "sending")
"""In the order in which the table shows them; what is not named comes last."""

AFTERWARDS = {"cloudsuite": ["cloudsuite_feedback"]}
"""What runs after the order DAG, by source."""

Row = Mapping[str, Any]
console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)  # nothing is cut in a file


def main() -> int:
    """Run the demonstration; its exit code."""
    options = _options()
    if options.source not in PIPELINES:
        raise Trouble(f"SOURCE={options.source} is not known; there are: {', '.join(PIPELINES)}")
    pipeline = PIPELINES[options.source]
    home = fresh_home(".demo")
    console.print(f"Order Relay: {options.orders} simulated orders through [bold]{pipeline}[/] on Airflow")
    with sandbox(home, options.orders, options.seed, "--source", options.source) as address:
        settings = vendor_connections(address) | live_files(home / "order_relay" / "config")
        env = environment(home, settings | {"AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S": "1"})
        with _step(f"Airflow's database (log: {_short(home / 'airflow.log')})"):
            migrated = airflow(["db", "migrate"], env, home / "airflow.log")
        if migrated:
            raise Trouble(f"Airflow's database could not be made; see {_short(home / 'airflow.log')}")
        with _step(f"the DAG's run (log: {_short(home / 'run.log')})"):
            code = airflow(["dags", "test", pipeline], env, home / "run.log")
        for dag in AFTERWARDS.get(options.source, ()):
            with _step(f"{dag}, which tells the source what became of its orders"):
                code = airflow(["dags", "test", dag], env, home / "run.log") or code
        audit = get_json(f"{address}/_audit")
    book = _report(env)
    rows = _rows(home / "order_relay" / "ledger.sqlite", pipeline)
    _show(rows, audit)
    problems = ([] if code == 0 else [f"the run is red; see {_short(home / 'run.log')}"]) + _problems(rows, audit, book)
    return _verdict(problems, rows, audit, home, pipeline)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="supercat", help="which source (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=300, help="how many orders (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same orders")
    return parser.parse_args()


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Say what is under way, and how long it took. A line every ten seconds shows that it is alive."""
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
    """What the command line says about the count."""
    command = [sys.executable, "-m", "order_relay", "report", "--json"]
    done = subprocess.run(command, env=dict(env), capture_output=True, text=True, check=False)  # noqa: S603
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise Trouble(f"`python -m order_relay report` failed:\n{done.stderr.strip()}") from None
    return found


def _rows(ledger: Path, pipeline: str) -> list[Row]:
    """Every submission, read past the package's own code: the demonstration is to check that code."""
    if not ledger.exists():
        raise Trouble("the run left no ledger")
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM submission WHERE pipeline = ? ORDER BY id", (pipeline,))
        return [dict(row) for row in found]


def _show(rows: list[Row], audit: Mapping[str, Any]) -> None:
    """One line for each order."""
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


def _problems(rows: list[Row], audit: Mapping[str, Any], book: Mapping[str, Any]) -> list[str]:
    """Everything in which ledger and vendors differ, or that the package promises not to do."""
    found = []
    if not book.get("balanced"):
        found.append("the counting law does not hold: see `python -m order_relay report`")
    if audit["doubled"]:
        found.append(f"doubled at the OMS: {', '.join(map(str, audit['doubled']))}")
    if audit["acknowledged_early"]:
        found.append(f"acknowledged early: {', '.join(map(str, audit['acknowledged_early']))}")
    if audit["imported_forbidden"]:
        found.append(f"imported although it may not be: {audit['imported_forbidden']}")
    found += _untold(rows, audit)
    if len(rows) != audit["offered"]:
        found.append(f"the source offered {audit['offered']} orders, the ledger has {len(rows)}")
    here = {row["oms_id"] for row in rows if row["state"] == "imported"}
    there = {str(order_id) for order in audit["orders"].values() for order_id in order["order_ids"]}
    if here != there:
        found.append(f"imported in the ledger only: {len(here - there)}; at the OMS only: {len(there - here)}")
    return found + _wrong_totals(rows, audit)


def _untold(rows: list[Row], audit: Mapping[str, Any]) -> list[str]:
    """What a source that takes feedback should have heard, and has not."""
    told = audit.get("cloudsuite", {}).get("feedback", {})
    if not told:
        return []
    found = [f"set back to confirmed: {audit['cloudsuite']['put_back']}"] if audit["cloudsuite"]["put_back"] else []
    unheard = [
        row["order_number"]
        for row in rows
        if row["state"] == "imported" and not told.get(row["order_number"], {}).get("is_oms_id")
    ]
    return found + ([f"the shop does not know the OMS id of {', '.join(unheard)}"] if unheard else [])


def _wrong_totals(rows: list[Row], audit: Mapping[str, Any]) -> list[str]:
    """Orders whose total at the OMS is not the source's."""
    offered = {offer["id"]: offer["total"] for offer in audit["offers"].values()}
    stored = {str(i): order["total"] for order in audit["orders"].values() for i in order["order_ids"]}
    wrong = [
        row["order_number"]
        for row in rows
        if row["state"] == "imported" and str(stored.get(row["oms_id"])) != str(offered.get(row["source_id"]))
    ]
    return [f"another total at the OMS than at the source: {', '.join(wrong)}"] if wrong else []


def _verdict(problems: list[str], rows: list[Row], audit: Mapping[str, Any], home: Path, pipeline: str) -> int:
    """The summary, and the exit code."""
    states = Counter(row["state"] for row in rows)
    console.print()
    console.print("[bold]The count[/]: " + ", ".join(f"{n} {state}" for state, n in states.most_common()))
    console.print(
        f"[bold]The vendors say[/]: {audit['offered']} offered, {audit['imported']} imported, "
        f"{len(audit['doubled'])} doubled, {len(audit['acknowledged'])} acknowledged, "
        f"{len(audit['acknowledged_early'])} of them early"
    )
    for report in sorted((home / "order_relay" / "batches" / pipeline / "runs").glob("*/report.md")):
        console.print(f"[bold]The report[/]: {_short(report)}")
    for problem in problems:
        console.print(f"[bold red]WRONG[/]: {problem}")
    if not problems:
        console.print("[bold green]Every order has exactly one fate; none doubled, none acknowledged early.[/]")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        console.print(f"[bold red]{trouble}[/]")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
