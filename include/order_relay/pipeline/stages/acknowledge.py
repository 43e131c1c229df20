"""Acknowledge: confirm orders to the source, in slices and from the ledger only, so that it stops returning them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from order_relay.errors import OutcomeUnknownError
from order_relay.ledger import DueAcknowledgement, Ledger
from order_relay.ledger.write_back.feedback import MAX_REFUSALS
from order_relay.orders.messages import Acknowledgement, RunContext, VersionPolicies
from order_relay.pipeline.ports import Source
from order_relay.pipeline.runs.login_guard import guarded_login

log = logging.getLogger(__name__)

MAX_UNANSWERED_SLICES = 3
"""After this many consecutive slices without a usable response, the rest is left to the next run."""

_MISSING = Acknowledgement(False, "the response has no entry for it", passing=True)


def acknowledge(
    ctx: RunContext,
    source: Source,
    ledger: Ledger,
    *,
    connection_fingerprint: str,
    slice_size: int = 100,
    given_up_s: float = 900.0,
    most_refusals: int = MAX_REFUSALS,
    policies: VersionPolicies | None = None,
) -> dict[str, int]:
    """Acknowledge all due orders, each number once per run.

    Refused versions that a newer imported version made obsolete are superseded first (by ``policies``), so that the
    source stops returning them; so are unreadable orders without an identity whose corrected order was imported.

    Counts: ``accepted``, ``refused`` (by the source), ``missing`` (no entry in the response; retried by the next run
    like a refused one) and ``unknown`` (no usable response). An unknown one stays ``sent`` until the source's next
    complete response settles it. A windowed source never gives one: the acknowledgement is sent again after
    ``given_up_s`` seconds, then at growing intervals; after ``most_refusals`` the order needs an operator. Raises like
    ``Source.acknowledge``, except for ``OutcomeUnknownError``.
    """
    counts = {"accepted": 0, "refused": 0, "missing": 0, "unknown": 0}
    if ended := ledger.versions.supersede_obsolete(ctx, policies or VersionPolicies()):
        log.info("acknowledge: %d refused versions are superseded by a newer version that was imported", ended)
    if ended := ledger.unidentified_orders.supersede_repaired(ctx):
        log.info("acknowledge: %d unreadable orders are superseded by their repaired ones, which were imported", ended)
    silence_s, most = (given_up_s, most_refusals) if source.windowed else (None, None)
    last = unknown_in_row = 0
    while unknown_in_row < MAX_UNANSWERED_SLICES:
        due = ledger.acknowledgements.due(ctx.pipeline, slice_size, after=last, given_up_s=silence_s)
        if not due:
            break
        last = due[-1].id  # refused ones stay due and must not hide those after them
        try:
            with guarded_login(ctx, ledger, connection_fingerprint):
                mine = set(ledger.acknowledgements.mark_sent(ctx, [entry.id for entry in due], silence_s))
                due = [entry for entry in due if entry.id in mine]
                answers = source.acknowledge([_name(source, entry) for entry in due])
        except OutcomeUnknownError as error:
            log.warning("%d acknowledgements without a response: %s", len(due), error)
            counts["unknown"] += len(due)
            if most is not None:
                ledger.acknowledgements.record_no_answer(ctx, [entry.id for entry in due], most)
            unknown_in_row += 1
            continue
        unknown_in_row = 0
        _record(ctx, ledger, {entry.id: answers.get(_name(source, entry), _MISSING) for entry in due}, counts, most)
    return counts


def _name(source: Source, entry: DueAcknowledgement) -> str:
    return entry.source_id if source.acknowledges == "source_id" else entry.order_number


def _record(
    ctx: RunContext, ledger: Ledger, by_id: Mapping[int, Acknowledgement], counts: dict[str, int], most: int | None
) -> None:
    accepted = sum(answer.accepted for answer in by_id.values())
    missing = sum(answer is _MISSING for answer in by_id.values())
    counts["accepted"] += accepted
    counts["missing"] += missing
    counts["refused"] += len(by_id) - accepted - missing
    ledger.acknowledgements.record_answers(ctx, by_id, most)
