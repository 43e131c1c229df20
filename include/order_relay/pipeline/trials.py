"""Trial runs: dry runs and runs in shadow mode, which work on a scratch ledger and leave objects that no ledger knows.

A mark in the folder of such a run says so. Retention removes marked runs by a setting of their own, because the ledger
cannot say what they left, and somebody who only tries a pipeline out sets no retention.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from order_relay.batches import BatchStore
from order_relay.orders.exchange import RunContext
from order_relay.pipeline.archive import run_prefix

MARK = "trial.json"
SCRATCH = "scratch-ledger.b64.gz"
REHEARSED = "shadow-"


def begin_trial(ctx: RunContext, store: BatchStore, *, shadow: bool) -> None:
    """Mark the run as a trial, before it leaves anything else behind."""
    store.write_json(f"{run_prefix(ctx)}/{MARK}", {"mode": "shadow" if shadow else "dry_run"})


def begin_real(ctx: RunContext, store: BatchStore) -> None:
    """The run works on the real ledger: what an earlier trial under the same name left must not mark it as one."""
    for name in (SCRATCH, MARK):
        store.remove(f"{run_prefix(ctx)}/{name}")


def is_trial(names: Iterable[str]) -> bool:
    """Whether the objects of a run's folder show that it was a trial."""
    return any(_short(name) in {MARK, SCRATCH} for name in names)


def in_order_of_removal(names: Collection[str]) -> list[str]:
    """What marks a trial goes last, so that a removal that was cut off is finished by the next one."""
    marks = (SCRATCH, MARK)
    return sorted(names, key=lambda name: marks.index(_short(name)) + 1 if _short(name) in marks else 0)


def of_trials_only(names: Iterable[str]) -> list[str]:
    """The objects that only a trial writes, of a folder that a real run shares."""
    return [name for name in names if _short(name) in {MARK, SCRATCH} or _short(name).startswith(REHEARSED)]


def run_of_batch(batch_id: str) -> str:
    """The run that fetched a batch; ``extract`` names batches after their runs."""
    return batch_id.rpartition("-")[0]


def _short(name: str) -> str:
    return name.rpartition("/")[2]
