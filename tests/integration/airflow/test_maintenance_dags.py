"""The DAGs beside the order pipelines, as Airflow reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

ROOT = Path(__file__).resolve().parents[3]
TASKS = {
    "in_doubt_sweep": ["due", "look_up"],
    "watch": ["look", "summarize"],
    "quarantine_replay": ["choose", "carry_out"],
    "history_import": ["plan", "import_slices", "report"],
    "reconcile": ["active", "compare"],
    "retention": ["removable", "remove"],
    "shopatron_status": ["pipelines_to_ask", "ask"],
    "supercat_feedback": ["portal_pipelines", "write_portal_files"],
    "order_review": [
        "start",
        "find",
        "open_review",
        "review",
        "confirm",
        "decide",
        "settle",
        "record",
        "cancellation",
        "conclude",
    ],
}


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    found = DagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="tests")
    assert found.import_errors == {}
    return dict(found.dags)


@pytest.mark.parametrize("name", TASKS)
def test_its_tasks(dags: dict[str, Any], name: str) -> None:
    assert sorted(dags[name].task_dict) == sorted(TASKS[name])


@pytest.mark.parametrize("name", TASKS)
def test_its_page_names_every_task(dags: dict[str, Any], name: str) -> None:
    assert [task for task in TASKS[name] if f"**{task}**" not in dags[name].doc_md] == []


def test_dags_that_send_nothing_are_active_from_the_start_and_no_others(dags: dict[str, Any]) -> None:
    active = {name for name, dag in dags.items() if dag.is_paused_upon_creation is False}
    assert active == {"watch", "order_review", "in_doubt_sweep", "reconcile", "retention"}


@pytest.mark.parametrize("name", TASKS)
def test_it_catches_nothing_up(dags: dict[str, Any], name: str) -> None:
    assert dags[name].catchup is False


@pytest.mark.parametrize("name", TASKS)
def test_every_task_asks_our_policy_and_logs_no_values(dags: dict[str, Any], name: str) -> None:
    for task in dags[name].tasks:
        mapped = getattr(task, "partial_kwargs", {})
        policy = mapped.get("retry_policy") or task.retry_policy
        assert type(policy).__name__ == "RecoveryPolicy", task.task_id
        if task.task_type in ("_PythonDecoratedOperator", "DecoratedMappedOperator"):
            values = {**mapped, **mapped.get("op_kwargs", {})}
            shown = values.get("show_return_value_in_logs", getattr(task, "show_return_value_in_logs", None))
            assert shown is False, task.task_id


@pytest.mark.parametrize("name", TASKS)
def test_two_parses_give_the_same_dag(dags: dict[str, Any], name: str) -> None:
    again = DagBag(dag_folder=str(ROOT / "dags"), bundle_path=ROOT / "dags", bundle_name="tests").dags[name]
    first, second = (json.dumps(DagSerialization.serialize_dag(dag), sort_keys=True) for dag in (dags[name], again))
    assert first == second


def test_alerts_and_the_summary_are_independent(dags: dict[str, Any]) -> None:
    assert sorted(task.task_id for task in dags["watch"].leaves) == ["look", "summarize"]
