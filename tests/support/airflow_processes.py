"""A complete Airflow: scheduler with executor, API server and DAG processor, as processes that can be killed.

Time-outs of minutes are lowered by configuration, so that a killed process is noticed within seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx
import psutil
from local_airflow import ROOT, environment, kill, running, stop
from local_airflow import airflow as airflow_command
from ui import free_port, interface_settings, wait_until_healthy

from tests.support.airflow_home import copy_database

PATIENCE_S = 240
PASSWORD = "for-this-test-only"
QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "tests.support.sqlite_timeout.CONNECT_ARGS",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC": "tests.support.sqlite_timeout.CONNECT_ARGS",
    "AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S": "1",
}
_OVER = ("success", "failed")


class RealAirflow:
    """A running Airflow, its REST API and its processes. Made by ``real_airflow``."""

    def __init__(self, home: Path, env: Mapping[str, str], port: int) -> None:
        self.home, self.env = home, env
        self._url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self._url, timeout=60)
        self._scheduler: Popen[bytes] | None = None
        self._schedulers: list[Popen[bytes]] = []

    def start_scheduler(self) -> None:
        """A scheduler with its executor, in a process group of its own."""
        with (self.home / f"scheduler-{len(self._schedulers)}.log").open("wb") as out:
            self._scheduler = Popen(
                [sys.executable, "-m", "airflow", "scheduler"],
                stdout=out,
                stderr=out,
                env=dict(self.env),
                start_new_session=True,
            )
        self._schedulers.append(self._scheduler)

    def kill_scheduler(self) -> None:
        """SIGKILL to the scheduler only; its executor's tasks continue."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()

    def stop_schedulers(self) -> None:
        """Stop all schedulers, and by their process groups the children that a killed one left."""
        for scheduler in self._schedulers:
            stop(scheduler)
            with suppress(ProcessLookupError):
                os.killpg(scheduler.pid, signal.SIGKILL)

    def kill_busy_workers(self) -> int:
        """SIGKILL to every busy executor worker and its task's process group; returns their number."""
        assert self._scheduler is not None
        killed = 0
        for worker in psutil.Process(self._scheduler.pid).children():
            for task in worker.children():
                with suppress(ProcessLookupError, psutil.NoSuchProcess):
                    worker.kill()
                    os.killpg(task.pid, signal.SIGKILL)
                    killed += 1
        return killed

    def log_in(self, password: str = PASSWORD) -> None:
        answer = self._http.post("/auth/token", json={"username": "admin", "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the REST API, repeated while a busy SQLite causes status 500 or delays the answer.

        A repeated POST that finds the object of an unanswered one (status 409) has succeeded; what it returns is the
        error's text, which no caller of such a POST reads.
        """
        problem, unanswered = "", False
        for _ in range(10):
            try:
                answer = self._http.request(method, f"/api/v2{path}", json=body)
            except httpx.TransportError as exc:  # also while an API server starts again
                problem, unanswered = repr(exc), True
                time.sleep(1)
                continue
            problem = f"{answer.status_code} {answer.text[:500]}"
            if answer.is_success or (unanswered and answer.status_code == 409):
                return answer.json()
            assert answer.status_code >= 500, f"{method} {path}: {problem}"
            time.sleep(1)
        raise AssertionError(f"{method} {path}: {problem}")

    def command(self, *arguments: str) -> None:
        """An ``airflow`` command, repeated while SQLite is locked."""
        output = ""
        for number in range(5):
            log = self.home / f"command-{number}.log"
            if airflow_command(list(arguments), self.env, log) == 0:
                return
            output = log.read_text()[-3_000:]
            if "database is locked" not in output:
                break
            time.sleep(2)
        raise AssertionError(output)


@contextmanager
def real_airflow(home: Path, extra: Mapping[str, str]) -> Iterator[RealAirflow]:
    """Start Airflow under ``home`` with ``extra`` in its environment; stop every process on the way out."""
    port = free_port(0)
    paths = os.pathsep.join([str(ROOT / "include"), str(ROOT)])
    settings = interface_settings(home, port, PASSWORD) | QUICK | {"PYTHONPATH": paths} | dict(extra)
    env = environment(home, settings)
    assert copy_database(home) or airflow_command(["db", "migrate"], env, home / "migrate.log") == 0
    made = RealAirflow(home, env, port)
    with ExitStack() as stack:
        started = [
            (name, stack.enter_context(running([sys.executable, "-m", "airflow", name], home / f"{name}.log", env)))
            for name in ("api-server", "dag-processor")
        ]
        try:
            made.start_scheduler()
            wait_until_healthy(port, started, home)
            made.log_in()
            yield made
        finally:
            made.stop_schedulers()  # first: their tasks cannot end without the API server
            kill(started[0][1])


def until(done: Callable[[], Any], what: str, pause_s: float = 0.3) -> Any:
    """Wait until ``done`` returns a true value, and return it. Raises ``AssertionError`` after ``PATIENCE_S``."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if answer := done():
            return answer
        time.sleep(pause_s)
    raise AssertionError(f"no sign of {what} within {PATIENCE_S} s")


class Runs:
    """The runs of one DAG."""

    def __init__(self, airflow: RealAirflow, dag: str) -> None:
        self._airflow, self._dag, self._path = airflow, dag, f"/dags/{dag}"
        self._number = 0

    def unpause(self) -> None:
        """Unpause the DAG as soon as Airflow has parsed it."""
        known = "/dags?limit=100"
        until(lambda: self._dag in [dag["dag_id"] for dag in self._airflow.call("GET", known)["dags"]], self._dag)
        self._airflow.call("PATCH", self._path, {"is_paused": False})

    def trigger(self) -> str:
        """Start a run; returns its id."""
        self._number += 1
        run = f"manual-{self._number}"
        self._airflow.call("POST", f"{self._path}/dagRuns", {"logical_date": None, "dag_run_id": run})
        return run

    def state(self, run: str) -> str:
        return str(self._airflow.call("GET", f"{self._path}/dagRuns/{run}")["state"])

    def end_of(self, run: str) -> str:
        """Wait for the end of a run; returns its state."""
        until(lambda: self.state(run) in _OVER, f"the end of {run}", 1.0)
        return self.state(run)

    def all(self, kind: str = "") -> list[dict[str, Any]]:
        query = f"?limit=100&run_type={kind}" if kind else "?limit=100"
        runs: list[dict[str, Any]] = self._airflow.call("GET", f"{self._path}/dagRuns{query}")["dag_runs"]
        return runs

    def quiet(self) -> None:
        """Wait until no run is queued or running."""
        until(lambda: all(run["state"] in _OVER for run in self.all()), "the end of all runs", 1.0)

    def tries(self, run: str, task: str) -> list[int]:
        return [one["try_number"] for one in self._tasks(run) if one["task_id"] == task]

    def task_states(self, run: str) -> list[str]:
        return [str(one["state"]) for one in self._tasks(run)]

    def _tasks(self, run: str) -> list[dict[str, Any]]:
        path = f"{self._path}/dagRuns/{run}/taskInstances?limit=100"
        tasks: list[dict[str, Any]] = self._airflow.call("GET", path)["task_instances"]
        return tasks

    def clear_task(self, run: str, *tasks: str) -> None:
        """Like "Clear" in the UI: run these tasks and their downstream tasks again."""
        self._airflow.call(
            "POST",
            f"{self._path}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run,
                "task_ids": list(tasks),
                "include_downstream": True,
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )

    def mark_failed(self, run: str) -> None:
        self._airflow.call("PATCH", f"{self._path}/dagRuns/{run}", {"state": "failed"})

    def clear(self, run: str) -> None:
        """Run all tasks of a run again."""
        self._airflow.call("POST", f"{self._path}/dagRuns/{run}/clear", {"dry_run": False, "only_failed": False})
