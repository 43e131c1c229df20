"""Which pipelines a DAG file makes DAGs of. Read at parse time: light, and no broken file breaks another's DAG."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from order_relay.errors import OrderRelayError
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file, pipeline_files

log = logging.getLogger(__name__)

_DAG_ID = re.compile(r"[A-Za-z0-9_.-]{1,250}")


@dataclass(frozen=True)
class DagSettings:
    """What of a pipeline's file shapes its DAG. ``schedule``: cron, UTC; ``parallel``: load tasks at one time."""

    name: str
    schedule: str | None = PipelineSettings.model_fields["schedule"].default
    parallel: int = 4


def dag_settings(kind: str) -> list[DagSettings]:
    """The pipelines named ``kind`` or ``kind__NAME``, by name.

    One whose file is not valid appears with default values: its runs then fail in their first task, with an error that
    names file and key. A DAG that vanished would tell nobody.
    """
    names = [name for name in pipeline_files() if name == kind or name.startswith(f"{kind}__")]
    return [_dag_settings(name) for name in names if _DAG_ID.fullmatch(name)]


def _dag_settings(name: str) -> DagSettings:
    try:
        settings = load_file(pipeline_files()[name])
    except OrderRelayError as error:
        log.warning("%s", error)
        return DagSettings(name)
    return DagSettings(name, settings.schedule, settings.chunks.parallel)
