"""Trial runs: dry runs and runs in shadow mode, which work on a scratch ledger and leave objects that no ledger knows.

A mark in the folder of such a run says so. Retention removes marked runs by a setting of their own, because the ledger
cannot say what they left, and somebody who only tries a pipeline out sets no retention.
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
    """Mark the run as a trial, before it leaves anything else behind."""
    store.write_json(f"{run_prefix(ctx)}/{TRIAL_MARKER}", {"mode": "shadow" if shadow else "dry_run"})


def clear_trial(ctx: RunContext, store: BatchStore) -> None:
    """The run works on the real ledger: what an earlier trial under the same name left must not mark it as one."""
    for name in (SCRATCH_LEDGER, TRIAL_MARKER):
        store.remove(f"{run_prefix(ctx)}/{name}")


def is_trial(names: Iterable[str]) -> bool:
    """Whether the objects of a run's folder show that it was a trial."""
    return any(_base_name(name) in {TRIAL_MARKER, SCRATCH_LEDGER} for name in names)


def removal_order(names: Collection[str]) -> list[str]:
    """What marks a trial goes last, so that a removal that was cut off is finished by the next one."""
    marks = (SCRATCH_LEDGER, TRIAL_MARKER)
    return sorted(names, key=lambda name: marks.index(_base_name(name)) + 1 if _base_name(name) in marks else 0)


def trial_objects(names: Iterable[str]) -> list[str]:
    """The objects that only a trial writes, of a folder that a real run shares."""
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
