"""What a task needs to know about its run, read from Airflow's context.

For runs without a logical date, ``logical_date``, ``data_interval_*`` and everything derived from them are absent from
the context (not ``None``). Names are therefore derived from the run id, which every run has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay.pipeline.runs.objects import run_slug

if TYPE_CHECKING:
    from airflow.sdk import Context


@dataclass(frozen=True)
class RunRequest:
    """The request of a run. ``start`` and ``end`` (UTC) are set for backfills only; other runs have no interval."""

    dag_id: str
    run_id: str
    replay: bool = False
    dry_run: bool = False
    order_ids: tuple[str, ...] = ()
    limit: int | None = None
    acknowledge: bool = True
    start: datetime | None = None
    end: datetime | None = None
    try_number: int = 1

    @property
    def run(self) -> str:
        """The run's name in the ledger and the batch store."""
        return run_slug(self.run_id)


def read_request(context: Context | Mapping[str, Any]) -> RunRequest:
    """Read a run's request from a task's context."""
    params: Mapping[str, Any] = context.get("params") or {}
    dag_run = context["dag_run"]
    replay = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "backfill"
    limit = params.get("limit")
    return RunRequest(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        replay=replay,
        dry_run=bool(params.get("dry_run", False)),
        order_ids=tuple(dict.fromkeys(str(i).strip() for i in params.get("order_ids") or () if str(i).strip())),
        limit=int(limit) if limit else None,
        acknowledge=bool(params.get("acknowledge", True)),
        start=_utc(dag_run.data_interval_start) if replay else None,
        end=_utc(dag_run.data_interval_end) if replay else None,
        try_number=int(getattr(context["ti"], "try_number", 1) or 1),
    )


def mapped_context(name: str, value: str) -> Context:
    """The current task's context, with the variable ``name`` that a mapped task's ``map_index_template`` shows."""
    from airflow.sdk import get_current_context

    context = get_current_context()
    context[name] = value  # type: ignore[literal-required]
    return context


def triggered_by(context: Context | Mapping[str, Any]) -> str:
    """The user who triggered the run, for events; the DAG's id if nobody did."""
    run = context["dag_run"]
    return str(getattr(run, "triggering_user_name", None) or run.dag_id)


def _utc(when: datetime | None) -> datetime | None:
    """A pendulum time as a standard one in UTC."""
    return datetime.fromtimestamp(when.timestamp(), UTC) if when is not None else None


def task_name(context: Context | Mapping[str, Any]) -> str:
    """This task's name in the format of ``failed_tasks``."""
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    return f"{ti.task_id}_{index}" if isinstance(index, int) and index >= 0 else str(ti.task_id)


def failed_tasks(context: Context | Mapping[str, Any]) -> tuple[str, ...]:
    """Failed tasks of this run, mapped ones as ``load_3``; if there are none, tasks whose upstream failed."""
    ti, run = context["ti"], context["dag_run"]
    found: Mapping[str, Any] = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    states = {task: str(getattr(state, "value", state)) for task, state in found.items() if task != ti.task_id}
    for wanted in ("failed", "upstream_failed"):
        if tasks := sorted(task for task, state in states.items() if state == wanted):
            return tuple(tasks)
    return ()
