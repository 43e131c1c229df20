"""XComs of a run's tasks: manifests, chunk names, counts and times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from order_relay.batches import Manifest
from order_relay.pipeline.load import shadow
from order_relay.pipeline.report.model import StageTime

if TYPE_CHECKING:
    from airflow.sdk import Context

UNMAPPED_STAGES = ("extract", "validate", "dedupe", "transform")
RECORD_COUNTS = {"load": "imported", "acknowledge": "accepted"}
"""The count that is a stage's number of records, if it is not ``records``."""


def batch_manifest(context: Context) -> Manifest | None:
    """The manifest of the task extract; ``None`` if it did not finish."""
    found = context["ti"].xcom_pull(task_ids="extract")
    return Manifest.from_xcom(found) if isinstance(found, Mapping) else None


def chunk_names(context: Context) -> list[str]:
    """The chunk names of the task transform."""
    found = context["ti"].xcom_pull(task_ids="transform")
    return list(found) if isinstance(found, list) else []


def shadow_counts(context: Context) -> dict[str, int]:
    """The counts of a shadow run, summed over its chunks."""
    found = context["ti"].xcom_pull(task_ids="load") or []
    counts = dict.fromkeys(shadow.SHADOW_COUNTS, 0)
    for part in found if isinstance(found, list) else [found]:
        for name in counts:
            counts[name] += int(part.get(name, 0))
    return counts


def stage_times(context: Context) -> list[StageTime]:
    """Duration of each stage that ran. Concurrent chunks count from the first start to the last end."""
    ti = context["ti"]
    found_times = []
    extracted = ti.xcom_pull(task_ids="extract")
    without_work = isinstance(extracted, Mapping) and not extracted.get("work", 1)
    # each XCom is a request to the API server; tasks of a run without work have none
    for name in ("extract", "acknowledge") if without_work else (*UNMAPPED_STAGES, "load", "acknowledge"):
        found = ti.xcom_pull(task_ids=name, key="manifest" if name == "transform" else "return_value")
        parts = [part for part in (found if isinstance(found, list) else [found]) if isinstance(part, Mapping)]
        if parts:
            seconds = max(part["ended"] for part in parts) - min(part["started"] for part in parts)
            records = sum(int(part.get(RECORD_COUNTS.get(name, "records"), 0)) for part in parts)
            found_times.append(StageTime(name, round(seconds, 2), records))
    return found_times


class StageTimer:
    """Start and end of a stage for the report, in seconds since 1970: comparable across machines."""

    def __init__(self) -> None:
        self._started = time.time()

    def seconds(self) -> dict[str, float]:
        """The members of the stage's XCom."""
        return {"started": round(self._started, 2), "ended": round(time.time(), 2)}
