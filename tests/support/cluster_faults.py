"""What is done to a cluster while orders are on their way, and the audit afterwards. ``tests.faults.prove_cluster``.

Nothing is made easier afterwards: runs are triggered until no order is open, and the ledger is only read.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from cluster.cluster import WORKERS, RunningCluster

from order_relay.ledger import Ledger
from order_relay_sandbox.serving import ThreadedSandbox
from tests.support.airflow_processes import RealAirflow, Runs, until

PIPELINE = "supercat_to_shopatron"
ORDERS = 50
OPEN = ("received", "ready", "sending", "in_doubt")
SETTINGS = """
schedule: "0 0 * * *"
load: {lease_s: 5}
"""
LATENCY_MS = 300
CONNECTION = {"connections": 4, "timeout_s": 3}
"""With four connections a load takes about four seconds."""
VISIBLE_AFTER_S = 10
"""Orders can be searched at once; the ledger does not know."""

AWAY_S = 20.0


@dataclass
class Trial:
    """One fault: until the harmed run had ended."""

    fault: str
    run_state: str
    run_s: float


@dataclass
class Doubt:
    """What became of the orders of one fault that were in doubt; ``longest_s``: until the last of them was imported."""

    found: int = 0
    sent_again: int = 0
    longest_s: float = 0.0


@dataclass
class Verdict:
    """What became of the orders that were offered for one fault."""

    lost: int
    doubled: int
    early: int
    left: Counter[str]
    """Those that were not imported, by state."""


@dataclass
class Company:
    """A pipeline on the cluster, its vendors, and the orders that are still to be offered."""

    cluster: RunningCluster
    sandbox: ThreadedSandbox
    airflow: RealAirflow
    runs: Runs
    orders: Iterator[Any] = field(repr=False)
    visible_after_s: int = VISIBLE_AFTER_S
    fault: str = ""

    def offer(self) -> None:
        """Offer more orders, as those of the present fault."""
        self.sandbox.offer([next(self.orders) for _ in range(ORDERS)], kind=self.fault)

    def imported(self) -> int:
        return int(self.sandbox.report()["imported"])

    def during_load(self) -> str:
        """Offer orders, start a run, and return when the OMS has some of them; the run's id."""
        before = self.imported()
        self.offer()
        run = self.runs.trigger()
        until(lambda: self.imported() >= before + 8, "imports", 0.05)
        return run

    def submissions(self) -> dict[str, tuple[str, str]]:
        """State and destination key of every order, by number."""
        with psycopg.connect(self.cluster.ledger_url.replace("+psycopg", "")) as conn:
            rows = conn.execute("SELECT order_number, state, coalesce(destination_key, '') FROM submission").fetchall()
        return {str(number): (str(state), str(key)) for number, state, key in rows}

    def states(self) -> Counter[str]:
        return Counter(state for state, _ in self.submissions().values())

    def attempt(self, fault: str) -> Trial:
        """Do one fault's harm and wait for the end of its run."""
        self.fault = fault
        run = FAULTS[fault](self)
        began = time.monotonic()
        state = self.runs.end_of(run)
        run_s = time.monotonic() - began
        self.runs.quiet()
        return Trial(fault, state, run_s)

    def settle(self) -> float:
        """Run the DAG until no order is open; returns the seconds that it took.

        It gives up after ten minutes and three times ``visible_after_s``, which is how long two lookups may take that
        must not find an order.
        """
        began = time.monotonic()
        self.runs.quiet()
        while any(self.states()[state] for state in OPEN) and time.monotonic() < began + 600 + 3 * self.visible_after_s:
            time.sleep(max(5, self.visible_after_s / 20))
            self.runs.end_of(self.runs.trigger())
        return time.monotonic() - began

    def doubt(self, fault: str) -> Doubt:
        """What became of the orders of a fault that were in doubt, as of now."""
        query = (
            "SELECT order_number, attempt, extract(epoch FROM imported_at - min(event.at)) FROM submission"
            " JOIN event ON event.submission_id = submission.id AND event.to_state = 'in_doubt'"
            " WHERE state = 'imported' GROUP BY submission.id"
        )
        with psycopg.connect(self.cluster.ledger_url.replace("+psycopg", "")) as conn:
            rows = conn.execute(query).fetchall()
        offers = self.sandbox.report()["offers"]
        mine = [(attempt, float(seconds)) for number, attempt, seconds in rows if offers[number]["kind"] == fault]
        again = sum(attempt > 1 for attempt, _ in mine)
        return Doubt(len(mine) - again, again, max((seconds for _, seconds in mine), default=0.0))

    def verdict(self, fault: str) -> Verdict:
        """Compare what was offered for a fault, what the OMS has, and what the ledger says."""
        seen, known = self.sandbox.report(), self.submissions()
        offered = {number: order for number, order in seen["offers"].items() if order["kind"] == fault}
        left = {number: known[number][0] for number in offered if number in known and known[number][0] != "imported"}
        gone = [number for number, order in offered.items() if not order["imported"] and number not in left]
        doubled = [number for number in offered if number in known and known[number][1] in seen["doubled"]]
        early = set(seen["acknowledged_early"]) & offered.keys()
        return Verdict(len(gone), len(doubled), len(early), Counter(left.values()))

    def violations(self) -> list[str]:
        """What the accounting check finds, and what no single fault explains."""
        ledger = Ledger.open(self.cluster.ledger_url)
        try:
            found = [str(problem) for problem in ledger.accounting.invariant_violations(PIPELINE)]
        finally:
            ledger.close()
        seen = self.sandbox.report()
        if len(seen["acknowledged"]) != seen["offered"]:
            found.append(f"{len(seen['acknowledged'])} of {seen['offered']} orders were acknowledged")
        return found


def worker_killed(company: Company) -> str:
    """The worker that sends is killed with all its tasks, and started again."""
    run = company.during_load()
    busy = [name for name in WORKERS if company.cluster.busy(name)]
    assert busy, "no worker was busy"
    for name in busy:
        company.cluster.kill(name)
        company.cluster.start(name)
    return run


def broker_killed(company: Company) -> str:
    """Redis is killed during the load, and started again."""
    run = company.during_load()
    company.cluster.redis.kill()
    company.cluster.redis.start()
    return run


def broker_killed_with_tasks_queued(company: Company) -> str:
    """Redis is killed when it has the message of a task, while no worker is there."""
    for name in WORKERS:
        company.cluster.kill(name)
    company.offer()
    run = company.runs.trigger()
    until(lambda: "queued" in company.runs.task_states(run), "a queued task")
    company.cluster.redis.kill()
    company.cluster.redis.start()
    for name in WORKERS:
        company.cluster.start(name)
    return run


def database_restarted(company: Company) -> str:
    """PostgreSQL is restarted: all connections of Airflow and of the ledger break."""
    run = company.during_load()
    company.cluster.postgres.restart()
    return run


def store_refuses(company: Company) -> str:
    """The batch store refuses connections from the start of a run."""
    company.cluster.store.refuse()
    company.offer()
    run = company.runs.trigger()
    time.sleep(AWAY_S)
    company.cluster.store.serve()
    return run


def store_hangs(company: Company) -> str:
    """The batch store accepts connections and does not respond."""
    company.cluster.store.signal(signal.SIGSTOP)
    company.offer()
    run = company.runs.trigger()
    time.sleep(AWAY_S)
    company.cluster.store.signal(signal.SIGCONT)
    return run


def scheduler_killed(company: Company) -> str:
    """The scheduler is killed during the load, and started again."""
    run = company.during_load()
    company.cluster.kill("airflow-scheduler")
    company.cluster.start("airflow-scheduler")
    return run


def api_server_killed(company: Company) -> str:
    """The API server, to which every task reports, is killed during the load, and started again."""
    run = company.during_load()
    company.cluster.kill("airflow-apiserver")
    company.cluster.start("airflow-apiserver")
    return run


def task_cleared(company: Company) -> str:
    """``load``, then ``extract`` of a finished run are cleared."""
    company.offer()
    run = company.runs.trigger()
    company.runs.end_of(run)
    company.runs.clear_task(run, "load")
    company.runs.end_of(run)
    company.runs.clear_task(run, "extract")
    return run


def marked_failed(company: Company) -> str:
    """A run is marked failed during the load, cleared, and a second run is started at once."""
    run = company.during_load()
    company.runs.mark_failed(run)
    company.runs.end_of(run)
    company.runs.clear(run)
    return company.runs.trigger()


def two_runs(company: Company) -> str:
    """A second run is triggered with more orders while the first one sends."""
    company.during_load()
    company.offer()
    return company.runs.trigger()


def backfill(company: Company) -> str:
    """Three imported days are backfilled beside a manual run."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    with psycopg.connect(company.cluster.ledger_url.replace("+psycopg", "")) as conn:
        conn.execute("UPDATE batch SET fetched_at = %s", (day + timedelta(hours=6),))
    first, last = (f"{moment:%Y-%m-%dT00:00:00Z}" for moment in (day - timedelta(days=1), day + timedelta(days=1)))
    asked = {"dag_id": PIPELINE, "from_date": first, "to_date": last, "max_active_runs": 3, "run_backwards": False}
    company.airflow.call("POST", "/backfills", {**asked, "reprocess_behavior": "completed", "dag_run_conf": {}})
    return company.during_load()


FAULTS: dict[str, Callable[[Company], str]] = {
    "worker killed": worker_killed,
    "broker killed": broker_killed,
    "broker killed with tasks queued": broker_killed_with_tasks_queued,
    "database restarted": database_restarted,
    "store refuses connections for 20 s": store_refuses,
    "store hangs for 20 s": store_hangs,
    "scheduler killed": scheduler_killed,
    "API server killed": api_server_killed,
    "tasks cleared": task_cleared,
    "marked failed, cleared, second run": marked_failed,
    "two runs at once": two_runs,
    "backfill beside a manual run": backfill,
}
"""Each does its harm with orders on their way and returns the id of the run to wait for."""
