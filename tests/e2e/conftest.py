"""Real Airflow, in this process, and the simulated vendors in a thread."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support import airflow_home as own_airflow
from tests.support.airflow_home import ROOT, local_airflow

own_airflow.settle()

PIPELINE = "supercat_to_shopatron"
BUNDLE = "dags-folder"
_stored: set[Path] = set()
"""Folders whose DAGs are all in the database of this process."""

LONGEST = [
    "test_fresh_installation.py",
    "test_order_desk.py",
    "test_real_scheduler.py",
    "test_supercat_to_shopatron.py",
    "test_killed_while_sending.py",
    "test_order_review.py",
]
"""Files that begin first: each runs in one process, and the last one to end must not be a long one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all others as they were; the longest ones are slow."""
    for item in items:
        if item.path.name in LONGEST:
            item.add_marker("slow")
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@dataclass
class Run:
    """What one run of the DAG left in Airflow."""

    state: str
    run_id: str
    tasks: dict[str, str]
    tries: dict[str, int]
    xcoms: dict[tuple[str, str, int], Any] = field(repr=False)
    labels: dict[str, str | None]
    events: list[dict[str, Any]]


@dataclass
class World:
    """One company: its own vendors, connections, ledger and batch store."""

    sandbox: Any
    home: Path
    env: pytest.MonkeyPatch
    dags: Path = ROOT / "dags"

    def connect(self, **changes: dict[str, Any]) -> None:
        """Define the connections, with changed fields: ``connect(supercat={"password": "wrong"})``."""
        for key, text in local_airflow.vendor_connections(self.sandbox.url).items():
            vendor = key.removeprefix("AIRFLOW_CONN_").removesuffix("_DEFAULT").lower()
            value = json.loads(text)
            change = dict(changes.get(vendor, {}))
            value["extra"].update(change.pop("extra", {}))
            self.env.setenv(key, json.dumps(value | change))

    def live(self) -> None:
        """Take the shipped pipeline files, in live mode (again, where a test took others)."""
        self.env.setenv("ORDER_RELAY_CONFIG", str(own_airflow.live_files()))

    def take_dags(self, folder: Path) -> None:
        """Run the DAGs of this folder instead of the packaged ones."""
        bundle = {"name": BUNDLE, "kwargs": {"path": str(folder)}}
        bundle["classpath"] = "airflow.dag_processing.bundles.local.LocalDagBundle"
        self.env.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
        self.dags = folder

    def run(self, dag_id: str = PIPELINE, /, **conf: Any) -> Run:
        """Run a DAG (the pipeline's) once, to its end."""
        return run_dag(conf, dag_id, self.dags)

    def ask(self, question: str) -> list[dict[str, Any]]:
        """Read the ledger past the package's own code."""
        with sqlite3.connect(self.home / "order_relay" / "ledger.sqlite") as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(question)]

    def change(self, statement: str) -> None:
        """Change the ledger past the package's own code: mostly its clock, so that no test has to wait."""
        with sqlite3.connect(self.home / "order_relay" / "ledger.sqlite") as database:
            database.execute(statement)

    def rows(self) -> list[dict[str, Any]]:
        """All submissions, read past the package's own code."""
        if not (self.home / "order_relay" / "ledger.sqlite").exists():
            return []
        return self.ask("SELECT * FROM submission ORDER BY id")

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows())

    def objects(self, pattern: str) -> list[Path]:
        return sorted((self.home / "order_relay" / "batches").glob(pattern))


@pytest.fixture(scope="session", autouse=True)
def airflow_database() -> None:
    """Airflow's own tables, once a process."""
    own_airflow.make_database()


def run_dag(conf: dict[str, Any], dag_id: str = PIPELINE, folder: Path = ROOT / "dags") -> Run:
    """One run of a DAG that was just parsed: a run in this process leaves its params in the DAG's object."""
    from airflow.dag_processing import dagbag

    file = folder / f"{dag_id}.py"
    bag = dagbag.DagBag(dag_folder=str(file if file.exists() else folder), bundle_path=folder, bundle_name=BUNDLE)
    assert bag.import_errors == {}
    with ExitStack() as patches:
        patches.enter_context(mock.patch("time.sleep", _shorter_between_tasks))
        if folder in _stored:  # Airflow's ``test`` would parse and store all DAGs before each run
            patches.enter_context(mock.patch.object(dagbag, "BundleDagBag", return_value=bag))
        dag_run = bag.dags[dag_id].test(logical_date=None, run_conf=conf)
    _stored.add(folder)
    return read_run(str(dag_run.run_id), str(getattr(dag_run.state, "value", dag_run.state)))


def _shorter_between_tasks(seconds: float, /, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Airflow's ``test`` looks for the next task every second; here it looks more often. No other wait is changed."""
    between = sys._getframe(1).f_code.co_qualname == "DAG.test"
    sleep(min(seconds, 0.05) if between else seconds)


def read_run(run_id: str, state: str) -> Run:
    """Everything that Airflow's database holds about a run."""
    from airflow.models.asset import AssetEvent
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        instances = session.scalars(select(TaskInstance).where(TaskInstance.run_id == run_id)).all()
        xcoms = session.scalars(select(XComModel).where(XComModel.run_id == run_id)).all()
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run_id)).all()

        def key(ti: Any) -> str:
            return str(ti.task_id) if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"

        return Run(
            state=state,
            run_id=run_id,
            tasks={key(ti): str(getattr(ti.state, "value", ti.state)) for ti in instances},
            tries={key(ti): ti.try_number for ti in instances},
            labels={key(ti): ti.rendered_map_index for ti in instances},
            xcoms={(x.task_id, x.key, x.map_index): x.value for x in xcoms},
            events=[dict(event.extra or {}) for event in events],
        )


@pytest.fixture(scope="module")
def make_world() -> Iterator[Callable[..., World]]:
    """Worlds that live as long as a module's tests; each has its own AIRFLOW_HOME for ledger and batches."""
    from order_relay_sandbox.serving import serve_in_thread

    with ExitStack() as stack:
        env = stack.enter_context(pytest.MonkeyPatch.context())

        def make(
            orders: Any = 0, scenario: dict[str, Any] | None = None, seed: int = 7, source: str = "supercat"
        ) -> World:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="order-relay-world-")))
            env.setenv("AIRFLOW_HOME", str(home))
            env.setenv("AIRFLOW_VAR_ORDER_RELAY_RETRY_DELAY_S", "0")
            sandbox = stack.enter_context(serve_in_thread(scenario or {}, orders, seed=seed, sources=[source]))
            world = World(sandbox, home, env)
            world.connect()
            world.live()
            return world

        yield make


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    """Airflow's own API over the tests' database; everybody is an admin."""
    from airflow.api_fastapi.app import create_app
    from starlette.testclient import TestClient

    with pytest.MonkeyPatch.context() as env:
        env.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
        with TestClient(create_app(apps="core")) as client:
            yield client
