"""Why a task of a run failed, kept in the batch store for the report and alerts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_prefix

log = logging.getLogger(__name__)

MAX_CAUSE_LENGTH = 600
"""Maximum characters of a cause in a report or a message."""


@contextmanager
def recorded_cause(ctx: RunContext, store: BatchStore, task: str) -> Iterator[None]:
    """Record the message of an error that the package raises; these messages hold no customer data."""
    try:
        yield
    except OrderRelayError as error:
        try:
            store.write_text(_object_name(ctx, task), str(error)[:MAX_CAUSE_LENGTH])
        except OrderRelayError as failed:
            log.warning("the cause of the failed task could not be recorded: %s", failed)
        raise


def read_causes(ctx: RunContext, store: BatchStore, tasks: Sequence[str]) -> dict[str, str]:
    """The recorded causes, by task; tasks that failed otherwise (a killed process) are missing."""
    return {task: store.read_text(_object_name(ctx, task)) for task in tasks if store.exists(_object_name(ctx, task))}


def _object_name(ctx: RunContext, task: str) -> str:
    return f"{run_prefix(ctx)}/failed-{task}.txt"
