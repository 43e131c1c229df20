"""Validate: each order against the source's schema; a refused one is quarantined with every error."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import Refusal
from order_relay.ledger import Ledger, Wait, Work
from order_relay.orders.canonical import Reader
from order_relay.orders.emptiness import without_empties
from order_relay.orders.exchange import MISSING, NOT_READ, UNREAD, RunContext
from order_relay.orders.gate import GO, WAIT
from order_relay.orders.identity import NO_ID, IdentityPaths, readable_number
from order_relay.orders.identity_values import FORM
from order_relay.orders.judging import VendorFormat
from order_relay.orders.notes import READABLE_NUMBER, Note
from order_relay.orders.removed_data import places_of
from order_relay.orders.transforming import Transformer
from order_relay.orders.unreadable import CODES, NUMBER, WHERE, is_kept, refusals_of
from order_relay.pipeline.archive import REMOVED, documents, write_list

log = logging.getLogger(__name__)

PROBLEMS = {
    "identity_unusable": "the order has no usable id; it is kept under the hash of its content",
    "order_number_unusable": f"the order number cannot be used as it is: an order number {FORM}",
    "lone_surrogate": "the order holds half a character, which is no Unicode text",
    NOT_READ: "the source listed this order and gave no readable answer when asked for it; it is asked for again",
    MISSING: "the source listed this order and answered HTTP 404 when asked for it; it is asked for again",
    "unreadable_value": "the order holds a value that has no JSON form",
    **CODES,
}
"""Plain words for what was found while reading and identifying; other codes speak for themselves."""

ARCHIVE_REMOVED = Refusal(
    "archive_removed", "", "retention removed the raw order; it is judged again once the source offers it again"
)

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
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    *,
    source: VendorFormat,
    transformer: Transformer,
    manifest: Manifest,
    ask_again_s: float = 0.0,
) -> Manifest:
    """Judge everything that stands ``received``, and what was offered again in this batch and is judged in place.

    The latter (quarantined orders, and those that wait for their source) are judged where they are, by schema, gate and
    whole transformation, so that no event is written while nothing changes; only clean ones come back to ``received``.
    What the gate does not let go on waits; ``ask_again_s`` as in ``Ledger.hold_back``. Returns the list of the valid
    ones; it names the refused, too. Raises ``BatchDamaged``.
    """
    works = ledger.to_validate(ctx.pipeline, manifest.batch_id or None)
    counts: Counter[str] = Counter()
    valid: list[Work] = []
    invalid: list[Work] = []
    for slice_ in documents(store, ctx.pipeline, works):
        judged = _judge(source, transformer, slice_)
        counts["refused"] += ledger.quarantine(ctx, judged.refused, judged.notes) if judged.refused else 0
        counts["waiting"] += ledger.hold_back(ctx, judged.waiting, ask_again_s) if judged.waiting else 0
        recovered = ledger.recover(ctx, judged.clean_again) if judged.clean_again else []
        counts["recovered"] += len(recovered)
        valid += judged.passed
        valid += recovered
        invalid += [work for work, _ in judged.refused]
    counts["valid"] = len(valid)
    log.info("validate: %s", dict(counts))
    return write_list(store, ctx, "validated", valid, invalid)


@dataclass
class _Judged:
    """``clean_again``: judged in place, and nothing speaks against them any more."""

    refused: list[tuple[Work, list[Refusal]]] = field(default_factory=list)
    waiting: list[Wait] = field(default_factory=list)
    passed: list[Work] = field(default_factory=list)
    clean_again: list[Work] = field(default_factory=list)
    notes: dict[int, list[Note]] = field(default_factory=dict)

    def unreadable(self, work: Work, document: Mapping[str, Any]) -> None:
        """Refuse an order whose text cannot be used. Its place in the answer is a note: it may differ every time."""
        self.refused.append((work, refusals_of(document)))
        self.notes[work.id] = [Note("position", "", f"{document[WHERE]}, when it was read last")]
        self.number(work, document.get(NUMBER, ""))

    def number(self, work: Work, number: str) -> None:
        """Note the order number of an order that has no identity to carry it."""
        if number:
            self.notes.setdefault(work.id, []).append(Note(READABLE_NUMBER, "", number))


def _judge(source: VendorFormat, transformer: Transformer, slice_: Sequence[tuple[Work, Any]]) -> _Judged:
    judged = _Judged()
    again: list[tuple[Work, Any]] = []
    for work, document in slice_:
        if document is REMOVED:
            judged.refused.append((work, [ARCHIVE_REMOVED]))
            continue
        if is_kept(document):
            judged.unreadable(work, document)
            continue
        refusals = refusals_at_source(work, document, source, transformer.reader)
        verdict = transformer.gate.judge(document)
        if verdict.refusal and work.problem not in UNREAD:  # of those nothing else is known
            refusals.append(verdict.refusal)
        if refusals:
            judged.refused.append((work, refusals))
            judged.number(work, _unnamed_number(work, document, source))
        elif verdict.verdict != GO:
            judged.waiting.append(Wait(work, verdict.reason, ask_again=verdict.verdict == WAIT))
        elif work.state == "quarantined":
            again.append((work, document))
        elif work.state == "waiting":
            judged.clean_again.append(work)
        else:
            judged.passed.append(work)
    results = transformer.transform([document for _, document in again]) if again else ()
    for (work, _), result in zip(again, results, strict=True):
        if result.refusals:
            judged.refused.append((work, result.refusals))
        else:
            judged.clean_again.append(work)
    return judged


def _unnamed_number(work: Work, document: Any, source: VendorFormat) -> str:
    """The order number of an order that is kept under the hash of its content, if it can be read."""
    if not work.source_id.startswith(NO_ID):
        return ""
    return readable_number(document, IdentityPaths.from_mapping(source.mapping["identity"]))


def refusals_at_source(work: Work, document: Any, source: VendorFormat, reader: Reader) -> list[Refusal]:
    """What is wrong with an archived order before anything is made of it.

    Empty members count as missing. What the mapping calls informational refuses nothing, nor does a place from which
    card data was removed: what becomes of those, the transformation says.
    """
    if is_kept(document):
        return refusals_of(document)
    problems = list(problem_of(work))
    if work.problem in UNREAD:
        return problems
    if source.accepts(document):
        return problems
    removed = places_of(document)
    found = source.check(without_empties(document))
    return problems + [why for why in found if why.pointer not in removed and not reader.is_informational(why.pointer)]


def problem_of(work: Work) -> Iterable[Refusal]:
    """What was found while the order was read, as a refusal."""
    if work.problem:
        yield Refusal(work.problem, "", PROBLEMS.get(work.problem, work.problem.replace("_", " ")))
