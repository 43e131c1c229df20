"""The promise on Airflow as it is run: workers and the scheduler are killed, people clear, fail, re-run and backfill.

One Airflow and one firm for all tests of this module, in their order: each offers new orders, does its harm, lets the
DAG run until nothing is open, and then everything that was ever offered is audited. ``make test`` kills the scheduler;
the others (a dead worker is noticed by its missing heartbeat, and tried again after half a minute; a backfill takes
several runs) are left to ``make prove``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from order_relay.ledger import Ledger
from tests.support import airflow_home as own_airflow
from tests.support.airflow_home import ROOT
from tests.support.airflow_processes import RealAirflow, Runs, real_airflow, until
from tests.support.canaries import EVERYTHING, found, in_database, in_files, marked

PIPELINE = "supercat_to_shopatron"
OPEN = ("received", "ready", "sending", "in_doubt")
ORDERS = 60
LATENCY_MS = 250
"""With four connections one load takes some four seconds: time to do harm in."""
SETTINGS = """
schedule: "0 0 * * *"
load: {lease_s: 2}
"""


long_profile = pytest.mark.skipif(not os.environ.get("ORDER_RELAY_LONG"), reason="takes minutes: make prove")


@dataclass
class Company:
    """A firm and its Airflow."""

    world: Any
    airflow: RealAirflow
    runs: Runs
    orders: Iterator[Any] = field(repr=False)

    def offer(self) -> None:
        self.world.sandbox.offer([next(self.orders) for _ in range(ORDERS)])

    def imported(self) -> int:
        return int(self.world.sandbox.report()["imported"])

    def during_load(self) -> str:
        """Offer orders, start a run, and come back when the OMS has some of them; the run's id."""
        before = self.imported()
        self.offer()
        run = self.runs.trigger()
        until(lambda: self.imported() >= before + 8, "imports", 0.05)
        assert self.imported() < before + ORDERS, "the load was over before any harm was done"
        return run

    def until_quiet(self) -> None:
        """Let the DAG run until nothing is open; what is in doubt is due at once and not in minutes."""
        self.runs.quiet()
        for _ in range(8):
            if not any(self.world.states()[state] for state in OPEN):
                return
            self.world.change("UPDATE submission SET due_at = send_before WHERE state = 'in_doubt'")
            assert self.runs.end_of(self.runs.trigger()) == "success"
        raise AssertionError(f"still open: {self.world.states()}")

    def audit(self) -> None:
        """Each order is at the OMS exactly once, none was acknowledged early, the books balance."""
        seen, states = self.world.sandbox.report(), self.world.states()
        assert (seen["doubled"], seen["acknowledged_early"]) == ([], [])
        assert states == {"imported": seen["offered"]}
        assert seen["imported"] == seen["offered"] == len(seen["acknowledged"])
        ledger = Ledger.open(f"sqlite:///{self.world.home}/order_relay/ledger.sqlite")
        try:
            assert ledger.accounting.invariant_violations(PIPELINE) == []
        finally:
            ledger.close()


@pytest.fixture(scope="module")
def company(make_world: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    from order_relay_sandbox.supercat.generator import orders

    world = make_world(scenario={"shopatron": {"latency_ms": LATENCY_MS, "duplicates": "accept"}})
    world.connect(shopatron={"extra": {"connections": 4, "timeout_s": 3, "visible_after_s": 1}})
    config = tmp_path_factory.mktemp("config")
    plain = (own_airflow.live_files() / f"{PIPELINE}.yaml").read_text()
    (config / f"{PIPELINE}.yaml").write_text(plain + SETTINGS)
    dags = tmp_path_factory.mktemp("dags")
    shutil.copy(ROOT / "dags" / f"{PIPELINE}.py", dags)  # the others would be parsed every half minute
    settings = {name: os.environ[name] for name in os.environ if name.startswith("AIRFLOW_CONN_")}
    settings |= {"ORDER_RELAY_CONFIG": str(config), "AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
    with real_airflow(world.home, settings) as airflow:
        plain_orders = (marked(made.order) for made in orders(2_000, 3) if made.kind == "plain")
        made = Company(world, airflow, Runs(airflow, PIPELINE), plain_orders)
        made.runs.unpause()
        until(lambda: made.runs.all("scheduled"), "the scheduled run")
        made.runs.quiet()
        yield made


@long_profile
def test_a_worker_is_killed_during_load(company: Company) -> None:
    run = company.during_load()
    assert company.airflow.kill_busy_workers() > 0
    assert company.runs.end_of(run) == "success"
    assert max(company.runs.tries(run, "load")) > 1
    company.until_quiet()
    company.audit()


def test_the_scheduler_is_killed_during_load_and_started_again(company: Company) -> None:
    run = company.during_load()
    company.airflow.kill_scheduler()
    company.airflow.start_scheduler()
    assert company.runs.end_of(run) == "success"
    company.until_quiet()
    company.audit()


@long_profile
def test_a_task_is_cleared(company: Company) -> None:
    """What was imported is sent by no later try: the cleared load finds nothing that is ready."""
    company.offer()
    run = company.runs.trigger()
    assert company.runs.end_of(run) == "success"
    posts = company.world.sandbox.report()["posts"]
    company.runs.clear_task(run, "load")
    assert company.runs.end_of(run) == "success"
    company.runs.clear_task(run, "extract")
    assert company.runs.end_of(run) == "success"
    assert company.world.sandbox.report()["posts"] == posts
    company.until_quiet()
    company.audit()


@long_profile
def test_a_run_is_marked_failed_during_load_and_run_again(company: Company) -> None:
    run = company.during_load()
    company.runs.mark_failed(run)
    assert company.runs.end_of(run) == "failed"
    company.runs.clear(run)
    assert company.runs.end_of(run) == "success"
    company.until_quiet()
    company.audit()


@long_profile
def test_an_imported_interval_is_backfilled(company: Company) -> None:
    """From the UI (which asks the REST API) and by command. All that was imported so far is said to be of past days."""
    company.offer()
    assert company.runs.end_of(company.runs.trigger()) == "success"
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    stamp = f"{day + timedelta(hours=6):%Y-%m-%d %H:%M:%S.%f}"
    company.world.change(f"UPDATE batch SET fetched_at = '{stamp}'")
    company.world.change(f"UPDATE submission SET first_offered_at = '{stamp}', last_offered_at = '{stamp}'")
    before, posts = company.world.states(), company.world.sandbox.report()["posts"]
    span = {"from_date": f"{day - timedelta(days=1):%Y-%m-%dT00:00:00Z}", "to_date": f"{day:%Y-%m-%dT00:00:00Z}"}
    made = company.airflow.call(
        "POST",
        "/backfills",
        {
            "dag_id": PIPELINE,
            **span,
            "max_active_runs": 2,
            "run_backwards": False,
            "reprocess_behavior": "completed",
            "dag_run_conf": {},
        },
    )
    until(lambda: len(company.runs.all("backfill")) >= 2, "the runs of the backfill")
    company.runs.quiet()
    until(lambda: company.airflow.call("GET", f"/backfills/{made['id']}")["completed_at"], "the backfill's end", 1.0)
    company.airflow.command(
        "backfill",
        "create",
        "--dag-id",
        PIPELINE,
        "--from-date",
        f"{day:%Y-%m-%d}",
        "--to-date",
        f"{day:%Y-%m-%d}",
        "--reprocess-behavior",
        "completed",
    )
    company.runs.quiet()
    assert {run["state"] for run in company.runs.all("backfill")} == {"success"}
    assert company.world.sandbox.report()["posts"] == posts
    assert company.world.states() == before
    company.audit()


def test_after_all_this_no_log_and_no_table_names_anybody(company: Company) -> None:
    """The logs of tasks, scheduler, DAG processor and API server, and every table of Airflow's database."""
    home = company.world.home
    logs = [path for path in home.rglob("*.log") if "attempt=" in path.name]
    assert any("task_id=load" in str(path) for path in logs)
    ours = {str(path.relative_to(home)) for path in (home / "order_relay").rglob("*")}
    hits = {path: names for path, names in in_files(home, EVERYTHING).items() if path not in ours}
    assert hits == {}
    assert in_database(home / "airflow.db", EVERYTHING) == {}
    archived = b"".join(path.read_bytes() for path in (home / "order_relay").glob("ledger.sqlite*"))
    assert found(archived, {"order": "order_number"}), "the search looks into files"
