"""Validate: each order against the source's schema; a refused one is quarantined with every error."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import Refusal
from order_relay.ledger import Ledger, Work
from order_relay.orders.exchange import RunContext
from order_relay.orders.judging import VendorFormat
from order_relay.orders.transforming import Transformer
from order_relay.pipeline.archive import documents, write_list

log = logging.getLogger(__name__)

PROBLEMS = {
    "identity_unusable": "the order has no id that tells it apart; it is kept under the hash of its content",
    "order_number_unusable": "the order number can not be kept exactly as it is",
    "lone_surrogate": "the order holds half a character, which is no Unicode text",
    "unreadable_value": "the order holds a value that has no JSON form",
}
"""Plain words for what was found while reading and identifying; other codes speak for themselves."""

_OPEN = ("received", "ready", "sending")


def has_work(ledger: Ledger, pipeline: str, manifest: Manifest) -> bool:
    """Whether anything is to be done between extract and acknowledge.

    That is: something was offered (or brought back), or stands ``received`` or ``ready`` from before, or was being sent
    when its worker died, or is due to be looked up.
    """
    if manifest.records:
        return True
    states = ledger.counts(pipeline, None)["states"]
    return any(states.get(state) for state in _OPEN) or bool(ledger.due_lookups(pipeline, None))


def validate(
    ctx: RunContext, ledger: Ledger, store: BatchStore, *, source: VendorFormat, transformer: Transformer,
    manifest: Manifest,
) -> Manifest:
    """Judge everything that stands ``received``, and what is quarantined and was offered again in this batch.

    The latter are judged where they are, by schema and whole transformation, so that no event is written while nothing
    changes; only clean ones come back to ``received``. Returns the list of the valid ones; it names the refused, too.
    Raises ``BatchDamaged``.
    """
    works = ledger.to_validate(ctx.pipeline, manifest.batch_id or None)
    counts: Counter[str] = Counter()
    valid: list[Work] = []
    invalid: list[Work] = []
    for slice_ in documents(store, ctx.pipeline, works):
        refused, passed, clean_again = _judge(source, transformer, slice_)
        counts["refused"] += ledger.quarantine(ctx, refused) if refused else 0
        recovered = ledger.recover(ctx, clean_again) if clean_again else []
        counts["recovered"] += len(recovered)
        valid += passed
        valid += recovered
        invalid += [work for work, _ in refused]
    counts["valid"] = len(valid)
    log.info("validate: %s", dict(counts))
    return write_list(store, ctx, "validated", valid, invalid)


def _judge(
    source: VendorFormat, transformer: Transformer, slice_: Sequence[tuple[Work, Any]]
) -> tuple[list[tuple[Work, list[Refusal]]], list[Work], list[Work]]:
    """Refused with reasons; valid; and those that were quarantined and are clean now."""
    refused: list[tuple[Work, list[Refusal]]] = []
    passed: list[Work] = []
    again: list[tuple[Work, Any]] = []
    for work, document in slice_:
        refusals = [*problem_of(work), *source.check(document)]
        if refusals:
            refused.append((work, refusals))
        elif work.state == "quarantined":
            again.append((work, document))
        else:
            passed.append(work)
    results = transformer.transform([document for _, document in again]) if again else ()
    clean: list[Work] = []
    for (work, _), result in zip(again, results, strict=True):
        if result.refusals:
            refused.append((work, result.refusals))
        else:
            clean.append(work)
    return refused, passed, clean


def problem_of(work: Work) -> Iterable[Refusal]:
    """What was found while the order was read, as a refusal."""
    if work.problem:
        yield Refusal(work.problem, "", PROBLEMS.get(work.problem, work.problem.replace("_", " ")))
