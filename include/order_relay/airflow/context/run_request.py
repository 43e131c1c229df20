"""What a task needs to know about its run, taken from Airflow's context in one place.

``logical_date``, ``data_interval_*`` and all that follows from them are absent (not ``None``) for runs without a
logical date, so everything here hangs on the run id, which each run has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

_UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9_=+@.~-]+")
_AIRFLOW_RUN_ID = re.compile(r"[a-z_]+__\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00(_\w{1,16})?")
_MAX_SLUG_LENGTH = 120


def run_slug(run_id: str) -> str:
    """A run id as a part of object names, readable and never the same for two run ids.

    In Airflow's own run ids only colons have to go (``manual__2026-11-21T02:00:00+00:00``). Where anything else had to
    change, or a hyphen could have been a colon, a hash keeps the slug apart.
    """
    slug = _UNSAFE_CHARACTERS.sub("-", run_id).strip(".")[:_MAX_SLUG_LENGTH]
    if slug == run_id or _AIRFLOW_RUN_ID.fullmatch(run_id):
        return slug
    return f"{slug}~{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class RunRequest:
    """What this run was asked to do. ``start`` and ``end`` (UTC) are set for a backfill only: nothing else may trust
    its interval."""

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
        """The run's name in the ledger and in the batch store."""
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
    """Who triggered the run, as Airflow knows them; the DAG's name where nobody did. Stands on events."""
    run = context["dag_run"]
    return str(getattr(run, "triggering_user_name", None) or run.dag_id)


def _utc(when: datetime | None) -> datetime | None:
    """Airflow's date (pendulum) as a plain one in UTC."""
    return datetime.fromtimestamp(when.timestamp(), UTC) if when is not None else None


def task_name(context: Context | Mapping[str, Any]) -> str:
    """This task as ``failed_tasks`` names it."""
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    return f"{ti.task_id}_{index}" if isinstance(index, int) and index >= 0 else str(ti.task_id)


def failed_tasks(context: Context | Mapping[str, Any]) -> tuple[str, ...]:
    """Tasks of this run that failed, mapped ones as ``load_3``; where none did, those that could not run."""
    ti, run = context["ti"], context["dag_run"]
    found: Mapping[str, Any] = ti.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    states = {task: str(getattr(state, "value", state)) for task, state in found.items() if task != ti.task_id}
    for wanted in ("failed", "upstream_failed"):
        if tasks := sorted(task for task, state in states.items() if state == wanted):
            return tuple(tasks)
    return ()
