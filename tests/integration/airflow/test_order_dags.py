from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import TriggerRule
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

ROOT = Path(__file__).resolve().parents[3]
NAME = "supercat_to_shopatron"
ORDER = ["extract", "validate", "dedupe", "transform", "load", "acknowledge", "report"]

HEAVY = (
    "pandas",
    "aiohttp",
    "sqlalchemy",
    "jsonschema",
    "jsonschema_rs",
    "alembic",
    "psycopg",
    "msgspec",
    "fsspec",
    "requests",
    "airflow.providers.http",
    "order_relay.ledger",
    "order_relay.wiring.pipeline",
    "order_relay.batches",
)


def bag() -> DagBag:
    return DagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="tests")


def order_dags(found: DagBag) -> list[str]:
    return sorted(name for name in found.dags if name.startswith(NAME))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A folder of pipeline files: the shipped one, and others made from it by replacing text."""
    folder = tmp_path / "config"
    folder.mkdir()
    shipped = ROOT / "include" / "config" / f"{NAME}.yaml"
    shutil.copy(shipped, folder)
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(folder))

    def add(name: str, text: str | None = None, more: str = "") -> Path:
        file = folder / f"{name}.yaml"
        file.write_text((shipped.read_text() if text is None else text) + more)
        return file

    return add


@pytest.fixture(scope="module")
def dag() -> Any:
    found = bag()
    assert found.import_errors == {}
    return found.dags[NAME]


def test_the_tasks_form_a_chain(dag: Any) -> None:
    assert [task.task_id for task in dag.topological_sort()] == ORDER
    for before, after in pairwise(ORDER):
        assert dag.get_task(after).upstream_task_ids == {before}


def test_the_colour_of_a_run_hangs_on_the_report(dag: Any) -> None:
    assert [task.task_id for task in dag.leaves] == ["report"]
    report = dag.get_task("report")
    assert report.trigger_rule == TriggerRule.ALL_DONE
    assert report.retries == 0
    assert dag.get_task("acknowledge").trigger_rule == TriggerRule.ALL_DONE


def test_schedule_and_limits(dag: Any) -> None:
    assert dag.timetable.expression == "*/15 * * * *"
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_load_is_mapped_over_named_chunks(dag: Any) -> None:
    load = dag.get_task("load")
    assert load.is_mapped
    assert load.partial_kwargs["map_index_template"] == "{{ chunk_name }}"
    assert load.partial_kwargs["max_active_tis_per_dagrun"] == 4


def test_every_task_asks_our_policy_and_logs_no_values(dag: Any) -> None:
    for task in dag.tasks:
        mapped = getattr(task, "partial_kwargs", {})
        policy = mapped.get("retry_policy") or task.retry_policy
        assert type(policy).__name__ == "RecoveryPolicy", task.task_id
        values = {**mapped, **mapped.get("op_kwargs", {})}
        shown = values.get("show_return_value_in_logs", getattr(task, "show_return_value_in_logs", None))
        assert shown is False, task.task_id


def test_acknowledge_announces_the_orders(dag: Any) -> None:
    outlets = dag.get_task("acknowledge").outlets
    assert [asset.uri for asset in outlets] == [f"x-order-relay://{NAME}/orders"]


def test_the_docstring_is_the_page(dag: Any) -> None:
    assert "SuperCat" in dag.doc_md
    for task in ORDER:
        assert f"**{task}**" in dag.doc_md


def test_the_form_explains_itself(dag: Any) -> None:
    assert set(dag.params) == {"dry_run", "order_ids", "limit", "acknowledge"}
    for key in dag.params:
        param = dag.params.get_param(key)
        assert param.schema["title"], key
        assert param.description, key


def change(params: ParamsDict, values: dict[str, Any]) -> None:
    params.update(values)
    params.validate()


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": 0},
        {"limit": -3},
        {"limit": "many"},
        {"dry_run": "yes"},
        {"order_ids": "7"},
        {"order_ids": [""]},
        {"order_ids": ["7"] * 1001},
        {"acknowledge": None},
    ],
    ids=str,
)
def test_the_form_has_bounds(dag: Any, wrong: dict[str, Any]) -> None:
    params = ParamsDict({key: dag.params.get_param(key) for key in dag.params})
    with pytest.raises(ParamValidationError):
        change(params, wrong)


def test_it_survives_serialisation(dag: Any) -> None:
    text = json.dumps(DagSerialization.serialize_dag(dag))
    again = DagSerialization.deserialize_dag(json.loads(text))
    assert sorted(task.task_id for task in again.tasks) == sorted(ORDER)


def test_two_parses_give_the_same_dag() -> None:
    """Or each parse would make a new version of the DAG."""
    first, second = (DagSerialization.serialize_dag(bag().dags[NAME]) for _ in range(2))
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


def test_a_second_file_makes_a_second_dag(config: Callable[..., Path]) -> None:
    config(f"{NAME}__outlet", more='\nschedule: "5 * * * *"\nchunks: {parallel: 2}\n')
    config("other_to_shopatron")
    found = bag()
    assert found.import_errors == {}
    assert order_dags(found) == [NAME, f"{NAME}__outlet"]
    outlet: Any = found.dags[f"{NAME}__outlet"]
    assert outlet.timetable.expression == "5 * * * *"
    assert outlet.get_task("load").partial_kwargs["max_active_tis_per_dagrun"] == 2
    assert outlet.get_task("acknowledge").outlets[0].uri == f"x-order-relay://{NAME}__outlet/orders"


def test_a_file_without_schedule(config: Callable[..., Path]) -> None:
    config(NAME, more="\nschedule: null\n")
    assert type(bag().dags[NAME].timetable).__name__ == "NullTimetable"


@pytest.mark.parametrize("text", ["source: [", "nonsense: true\n", ""])
def test_a_broken_file_breaks_no_other_dag_and_keeps_its_own(config: Callable[..., Path], text: str) -> None:
    config(f"{NAME}__broken", text)
    found = bag()
    assert found.import_errors == {}
    assert order_dags(found) == [NAME, f"{NAME}__broken"]


def test_parsing_loads_nothing_heavy() -> None:
    """Each task start parses its DAG file; what Airflow itself loads is paid anyway and does not count."""
    files = sorted(file.stem for file in (ROOT / "dags").glob("*.py"))
    script = f"""
import importlib, json, sys
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseHook, CronDataIntervalTimetable, CronTriggerTimetable
from airflow.sdk import Param, RetryPolicy, TriggerRule, task
import airflow.providers.standard.operators.hitl
import airflow.providers.standard.operators.trigger_dagrun
before = set(sys.modules)
sys.path.insert(0, {str(ROOT / "dags")!r})
for name in {files!r}:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    env = dict(os.environ)
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    heavy = [name for name in loaded if any(name == h or name.startswith(h + ".") for h in HEAVY)]
    assert heavy == []


def test_a_status_account_fetches_files_only_where_a_server_is_named(config: Callable[..., Path]) -> None:
    account = "source: {vendor: acommerce, connection: acommerce_default}\n"
    config("acommerce_status", account)
    config("acommerce_status__files", account + "files: {fetch: {connection: acommerce_files}}\n")
    found = bag()
    assert found.import_errors == {}
    assert not found.dags["acommerce_status"].has_task("fetch")
    dag = found.dags["acommerce_status__files"]
    assert dag.get_task("fetch").downstream_task_ids == {"files", "follow"}
    assert dag.get_task("files").trigger_rule == TriggerRule.ALL_DONE
