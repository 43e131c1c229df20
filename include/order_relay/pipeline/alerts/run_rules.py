"""Decides which alerts the end of a run, a fetch of files, a look-up or an invalid pipeline file raises."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from order_relay import COMMAND
from order_relay.ledger.schema.records import Alert
from order_relay.pipeline.alerts.kinds import (
    ACCOUNTING,
    IMPORTED_WITH_ERROR,
    NOT_LOOKED_UP,
    RUN_FAILED,
    WRONG_FILE,
    list_lines,
)
from order_relay.pipeline.report.formatting import format_orders

_NO_CAUSES: Mapping[str, str] = MappingProxyType({})
_MAP_INDEX = re.compile(r"_\d+$")


def check_run(  # noqa: PLR0917 - the results of a run
    pipeline: str,
    run: str,
    failed_tasks: Sequence[str],
    breaches: Sequence[str],
    repeat_s: float,
    remarked: Sequence[str] = (),
    *,
    causes: Mapping[str, str] = _NO_CAUSES,
) -> list[Alert]:
    """The alerts of a finished run: ``RUN_KINDS`` and ``IMPORTED_WITH_ERROR``.

    If the same tasks fail again, the cause of the alert is the same. ``remarked``: numbers of orders imported with an
    error. ``causes``: why tasks failed, by task, if known.
    """
    alerts = []
    if failed_tasks:
        tasks = sorted({_MAP_INDEX.sub("", task) for task in failed_tasks})
        lines = [f"{task}: {causes[task]}" if task in causes else task for task in failed_tasks]
        alerts.append(
            Alert(
                RUN_FAILED,
                f"{RUN_FAILED}:{','.join(tasks)}",
                f"{pipeline}: run {run} failed. Check the logs of the failed tasks. Unsent orders stay ready for the "
                "next run.",
                list_lines(lines, len(lines)),
                size=len(lines),
                repeat_s=repeat_s,
            )
        )
    if remarked:
        alerts.append(
            Alert(
                IMPORTED_WITH_ERROR,
                f"{IMPORTED_WITH_ERROR}:{run}",
                f"{pipeline}: {format_orders(len(remarked), 'was', 'were')} imported, but the OMS also reported an "
                f"error. Read its answer with {COMMAND} order NUMBER --payload and check the order in the OMS.",
                list_lines(remarked, len(remarked)),
                size=len(remarked),
                repeat_s=repeat_s,
            )
        )
    if breaches:
        alerts.append(
            Alert(
                ACCOUNTING,
                ACCOUNTING,
                f"{pipeline}: the accounting check FAILED after run {run}. Details: {COMMAND} report",
                list_lines(breaches, len(breaches)),
                size=len(breaches),
                repeat_s=repeat_s,
            )
        )
    return alerts


def files_not_fetched(name: str, kind: str, problems: Sequence[str], what: str = "files") -> list[Alert]:
    """Files of a pipeline or status account that could not be fetched, with the reason of each."""
    if not problems:
        return []
    subject = f"{name}: {what} that were not fetched: {len(problems)}. The next run tries again; fix the causes"
    return [Alert(kind, kind, subject, tuple(problems[:100]), size=len(problems))]


def failed_lookups(pipeline: str, number: int, cause: str, repeat_s: float) -> Alert:
    """Orders in doubt could not be looked up."""
    return Alert(
        NOT_LOOKED_UP,
        NOT_LOOKED_UP,
        f"{pipeline}: {format_orders(number, 'is', 'are')} in doubt and cannot be looked up: {cause}. Check: {COMMAND} "
        "doctor",
        size=number,
        repeat_s=repeat_s,
    )


def invalid_settings(pipeline: str, problem: str) -> Alert:
    """The pipeline's file is invalid."""
    return Alert(WRONG_FILE, WRONG_FILE, f"{pipeline}: no run can start: {problem}")
