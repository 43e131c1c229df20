"""Trial runs: dry runs and shadow runs, which use a scratch ledger and leave objects that no ledger refers to.

A marker in the run's folder identifies them. Retention removes them by a setting of their own, because the ledger does
not know their objects, and someone who only evaluates a pipeline configures no retention.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from order_relay.batches import BatchStore
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs.objects import run_prefix

TRIAL_MARKER = "trial.json"
SCRATCH_LEDGER = "scratch-ledger.b64.gz"
SHADOW_PREFIX = "shadow-"


def mark_trial(ctx: RunContext, store: BatchStore, *, shadow: bool) -> None:
    """Mark the run as a trial, before it writes anything else."""
    store.write_json(f"{run_prefix(ctx)}/{TRIAL_MARKER}", {"mode": "shadow" if shadow else "dry_run"})


def clear_trial(ctx: RunContext, store: BatchStore) -> None:
    """Remove the markers of an earlier trial with the same name from a run on the real ledger."""
    for name in (SCRATCH_LEDGER, TRIAL_MARKER):
        store.remove(f"{run_prefix(ctx)}/{name}")


def is_trial(names: Iterable[str]) -> bool:
    """Whether the objects in a run's folder belong to a trial."""
    return any(_base_name(name) in {TRIAL_MARKER, SCRATCH_LEDGER} for name in names)


def removal_order(names: Collection[str]) -> list[str]:
    """The markers are removed last, so that the next removal completes an interrupted one."""
    marks = (SCRATCH_LEDGER, TRIAL_MARKER)
    return sorted(names, key=lambda name: marks.index(_base_name(name)) + 1 if _base_name(name) in marks else 0)


def trial_objects(names: Iterable[str]) -> list[str]:
    """The objects that only a trial writes, from a folder shared with a real run."""
    return [
        name
        for name in names
        if _base_name(name) in {TRIAL_MARKER, SCRATCH_LEDGER} or _base_name(name).startswith(SHADOW_PREFIX)
    ]


def run_of_batch(batch_id: str) -> str:
    """The run that fetched a batch; ``extract`` names batches after their runs."""
    return batch_id.rpartition("-")[0]


def _base_name(name: str) -> str:
    return name.rpartition("/")[2]
