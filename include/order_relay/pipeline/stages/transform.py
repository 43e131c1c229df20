"""Transform: build and check the payloads of the winners.

A payload object's name is never reused: a retry of this task finds some orders ``ready`` whose rows refer to objects of
the first try.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Any

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger, ReadyPayload, WorkItem
from order_relay.orders.corrections.document_corrector import correction_notes
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.orders.notes import limit_notes
from order_relay.orders.payload.transformer import Transformer, TransformResult
from order_relay.pipeline.corrected_orders import UncorrectableOrder, read_corrected
from order_relay.pipeline.load.payload_reader import payload_fingerprint
from order_relay.pipeline.runs.objects import run_prefix
from order_relay.pipeline.stages.source_checks import historic_flags
from order_relay.pipeline.stages.worklists import read_worklist

log = logging.getLogger(__name__)


def transform(
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    transformer: Transformer,
    policies: VersionPolicies,
    manifest: Manifest,
) -> dict[str, int]:
    """Build the payloads of the winners and make them ``ready``; counts of ``ready``, ``held`` and ``refused``.

    If a winner is refused, its lineage is resolved again: the older versions wait, or another one wins and is
    transformed in turn. Raises ``DamagedBatchError`` and ``StoreUnavailableError``.
    """
    counts: Counter[str] = Counter()
    writer = _PayloadWriter(ctx, ledger, store, transformer, counts)
    wanted = read_worklist(store, manifest)
    works = [work for work in ledger.worklist.get(list(wanted)) if work.revision == wanted[work.id]]
    seen: set[int] = set()
    while works := [work for work in works if work.state == "received" and work.id not in seen]:
        seen.update(work.id for work in works)
        refused = writer.write(works)
        works = ledger.versions.resolve(ctx, refused, policies, None) if refused else []
    log.info("transform: %s", dict(counts))
    return dict(counts)


class _PayloadWriter:
    """Builds payloads slice by slice, with one payload object per slice."""

    def __init__(
        self, ctx: RunContext, ledger: Ledger, store: BatchStore, transformer: Transformer, counts: Counter[str]
    ) -> None:
        self._ctx, self._ledger, self._store = ctx, ledger, store
        self._transformer, self._counts = transformer, counts
        self._try = secrets.token_hex(4)
        self._objects = 0

    def write(self, works: Sequence[WorkItem]) -> list[int]:
        """Build and store the payloads; returns the ids that were refused."""
        refused: list[int] = []
        for slice_ in read_corrected(self._store, self._ctx.pipeline, works, self._transformer):
            refused += self._slice(slice_)
        return refused

    def _slice(self, slice_: Sequence[tuple[WorkItem, Any]]) -> list[int]:
        by_id = self._ledger.payloads.key_suffixes([work.id for work, _ in slice_])
        suffixes = [by_id.get(work.id, "") for work, _ in slice_] if by_id else []
        results = self._transformer.transform(
            [document for _, document in slice_], suffixes, **historic_flags([work for work, _ in slice_])
        )
        good: list[tuple[WorkItem, TransformResult, bytes]] = []
        bad: list[tuple[WorkItem, list[ValidationIssue]]] = []
        held: list[tuple[WorkItem, str]] = []
        reader = self._transformer.reader
        for (work, _), result in zip(slice_, results, strict=True):
            if work.corrections:
                result.notes = limit_notes([*correction_notes(reader, work.corrections), *result.notes])
        notes = {work.id: result.notes for (work, _), result in zip(slice_, results, strict=True)}
        for (work, document), result in zip(slice_, results, strict=True):
            if isinstance(document, UncorrectableOrder):
                bad.append((work, document.issues))
            elif result.hold:
                held.append((work, result.hold))
            elif result.payload is None or result.issues:
                bad.append((work, result.issues))
            else:
                good.append((work, result, result.payload))
        if good:
            self._make_ready(good)
        if held:
            self._counts["held"] += self._ledger.validation.hold(self._ctx, held, notes)
        if bad:
            self._counts["refused"] += self._ledger.validation.quarantine(self._ctx, bad, notes)
        return [work.id for work, _ in bad]

    def _make_ready(self, good: Sequence[tuple[WorkItem, TransformResult, bytes]]) -> None:
        """Write the payload object durably, then the rows that refer to it."""
        name = f"{run_prefix(self._ctx)}/payloads-{self._try}-{self._objects:05d}.jsonl.gz"
        self._objects += 1
        self._store.write_jsonl(name, (payload for _, _, payload in good))
        rows = [
            ReadyPayload(
                id=work.id,
                revision=work.revision,
                destination_key=result.destination_key,
                payload_name=name,
                payload_row=row,
                fingerprint=payload_fingerprint(payload),
                transform_fingerprint=self._transformer.fingerprint,
                total_minor=result.total_minor,
                currency=result.currency,
                notes=result.notes,
                submitted_at=result.submitted_at,
                sent_as=result.sent_as,
            )
            for row, (work, result, payload) in enumerate(good)
        ]
        ready, held = self._ledger.payloads.make_ready(self._ctx, rows)
        self._counts["ready"] += len(ready)
        self._counts["held"] += len(held)
