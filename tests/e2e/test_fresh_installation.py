"""A fresh installation, and somebody who tries a dry run in Airflow's pages: nothing may leave.

Airflow's form unpauses the DAG by default, so the dry run is followed by a scheduled run without ``dry_run``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from screenshots import Api, until
from ui import Interface, interface

from order_relay.airflow.dags import ACTIVE_FROM_START
from tests.support.chromium import browser

PIPELINE = "supercat_to_shopatron"
RUNS = f"/api/v2/dags/{PIPELINE}/dagRuns?limit=100"
OVER = ("success", "failed")


@pytest.fixture
def page() -> Iterator[Any]:
    with browser() as started:
        yield started.new_page()


@pytest.fixture
def fresh(page: Any, tmp_path: Path) -> Iterator[Interface]:
    """Airflow as `make ui` starts it, with the pipeline files as they are shipped."""
    with interface(tmp_path, orders=12, seed=7, live=False) as started:
        yield started


def test_a_dry_run_from_the_form_lets_nothing_out(fresh: Interface, page: Any) -> None:
    airflow = Api(fresh)
    until(lambda: bool(airflow.call("GET", f"/api/v2/dags/{PIPELINE}")), PIPELINE)
    paused = {dag["dag_id"]: dag["is_paused"] for dag in airflow.call("GET", "/api/v2/dags?limit=100")["dags"]}
    assert paused[PIPELINE] is True
    assert {name: paused[name] for name in ACTIVE_FROM_START} == dict.fromkeys(ACTIVE_FROM_START, False)

    log_in(page, fresh)
    trigger_a_dry_run(page, fresh)
    page.goto("about:blank")  # Airflow's page would ask for the state of the runs all the time
    until(lambda: kinds(airflow) >= {"manual", "scheduled"}, "the dry run and the scheduled run that follows it")
    until(lambda: all(run["state"] in OVER for run in runs(airflow)), "the end of all runs")

    assert airflow.call("GET", f"/api/v2/dags/{PIPELINE}")["is_paused"] is False, "the form has unpaused the DAG"
    # another scheduled run may have begun since
    assert {run["state"] for run in runs(airflow) if run["state"] in OVER} == {"success"}
    assert [run["conf"]["dry_run"] for run in runs(airflow) if run["run_type"] == "manual"] == [True]
    seen = airflow.vendors("_audit")
    assert seen["offered"] == 12
    assert (seen["imported"], seen["posts"], seen["acknowledged"]) == (0, {}, [])
    page.goto(f"{fresh.url}/order-desk/")
    page.get_by_role("heading", name="Today").wait_for()
    page.get_by_text("Nothing needs you").wait_for()


def runs(airflow: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.call("GET", RUNS)["dag_runs"]
    return found


def kinds(airflow: Api) -> set[str]:
    return {run["run_type"] for run in runs(airflow)}


def log_in(page: Any, ui: Interface) -> None:
    page.goto(f"{ui.url}/auth/login")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", ui.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login" not in url, timeout=60_000)


def trigger_a_dry_run(page: Any, ui: Interface) -> None:
    """Tick *Dry run* and nothing else, and press *Trigger*."""
    page.goto(f"{ui.url}/dags/{PIPELINE}")
    page.get_by_role("button", name="Trigger").first.click(timeout=60_000)
    form = page.get_by_role("dialog")
    form.locator("label", has=page.locator("input[name=element_dry_run]")).click(timeout=60_000)
    assert form.locator("input[name=element_dry_run]").is_checked()
    unpause = form.locator("label", has_text="Unpause").locator("input[type=checkbox]")
    assert unpause.is_checked(), "Airflow's own default"
    form.get_by_test_id("trigger-dag-submit").click()
    form.wait_for(state="hidden", timeout=60_000)
