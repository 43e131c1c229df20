"""The start of a run: the pipeline is bound to its accounts, and a ledger that is behind the batch store is detected.

Each run has a sequence number, kept in the ledger and in the batch store. If the store's number is higher, the ledger
was restored from a backup and lacks something: orders are then looked up before their first POST.
"""

from __future__ import annotations

from order_relay.batches import BatchStore
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext


def sequence_name(pipeline: str) -> str:
    """The object with the sequence number in the batch store."""
    return f"{pipeline}/sequence.json"


def start_run(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    accounts: tuple[str, str],
    kind: str = "run",
    *,
    note: bool = True,
) -> int:
    """Bind the pipeline to ``accounts`` (source, destination) and register the run; returns its number.

    ``note=False``: the store's number is read but not raised (dry runs). Raises ``ConfigurationError`` if the pipeline
    is bound to other accounts.
    """
    ledger.runs.bind(ctx.pipeline, *accounts)
    number = ledger.runs.begin(ctx, kind, stored_sequence(store, ctx.pipeline))
    if note:
        _raise_sequence(store, ctx.pipeline, number)
    return number


def advance_sequence(ctx: RunContext, ledger: Ledger, store: BatchStore) -> None:
    """Raise the number within a run, before and after orders are sent.

    This reveals a restored backup that was taken during a run and lacks what was sent afterwards.
    """
    _raise_sequence(store, ctx.pipeline, ledger.runs.advance_sequence(ctx.pipeline))


def stored_sequence(store: BatchStore, pipeline: str) -> int:
    """The number in the batch store; 0 if there is none."""
    name = sequence_name(pipeline)
    return int(store.read_json(name)["sequence"]) if store.exists(name) else 0


def _raise_sequence(store: BatchStore, pipeline: str, number: int) -> None:
    """Keep the higher number, because two runs may overlap."""
    if number > stored_sequence(store, pipeline):
        store.write_json(sequence_name(pipeline), {"sequence": number})
