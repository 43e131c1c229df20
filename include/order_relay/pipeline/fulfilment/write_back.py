"""Write-back: reports OMS ids, line numbers and shipments of its orders to a source, step by step.

Each step is claimed in the ledger, sent and recorded on its own. A crash repeats at most the steps in progress, and a
refused step delays only later steps of the same order.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from order_relay import COMMAND
from order_relay.errors import ConfigurationError, OrderRelayError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.ledger import Ledger
from order_relay.ledger.write_back.due_steps import LINE_NUMBERS, OMS_NUMBER
from order_relay.ledger.write_back.feedback import MAX_REFUSALS, FeedbackStep
from order_relay.ledger.write_back.oms_cancellations import OMS_CANCELLED, SHIPPED
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.messages import Acknowledgement, RunContext
from order_relay.pipeline.archive import ArchivedOrder, OrderArchive, line_name
from order_relay.pipeline.ports import FeedbackTaker
from order_relay.pipeline.runs.login_guard import guarded_login

log = logging.getLogger(__name__)

WRITE_BACK_STEPS = (OMS_NUMBER, LINE_NUMBERS, SHIPPED, OMS_CANCELLED)
SLICE_SIZE = 50
"""Steps claimed at a time."""

IMPORT_ORIGIN = "import"
"""Origin of the shipment that is reported at the import, if no parcel was recorded."""

PIECES_COLUMN = "pieces_per_unit"
"""Column of a canonical line: pieces per unit of the source, if not one."""

MAX_UNANSWERED_SLICES = 3
"""Consecutive slices without any usable answer after which the rest is left to the next run."""


@dataclass(frozen=True)
class WriteBackContext:
    """What write-back works with.

    ``parallel``: concurrent requests. ``given_up_s``: seconds after which a step without an answer is sent again.
    ``most_refusals``: refusals by the source after which a step is no longer tried. ``at_import``: an order is reported
    as done when it is imported, not when it is shipped.
    """

    source: FeedbackTaker
    ledger: Ledger
    archive: OrderArchive
    connection_fingerprint: str
    parallel: int = 4
    given_up_s: float = 900.0
    most_refusals: int = MAX_REFUSALS
    at_import: bool = False


def send_write_back(ctx: RunContext, parts: WriteBackContext) -> dict[str, int]:
    """Send all due steps; returns counts named ``STEP_told``, ``STEP_refused``, ``STEP_unknown``, ``STEP_cancelled``.

    A refused step is due again later. A step without a usable answer stays claimed and is sent again after
    ``given_up_s``. Raises ``ConfigurationError`` and ``SourceAuthError``; answers received before are recorded.
    """
    if parts.at_import and parts.source.reports_each_delivery:
        raise ConfigurationError(
            "feedback: done_after: import reports no deliveries, but the source's connection requires a report of each "
            "(shipped_by: desadv); set shipped_by to shipment_state or done, or done_after to shipment"
        )
    counts: Counter[str] = Counter()
    for step in WRITE_BACK_STEPS:
        _write_back_step(ctx, parts, step, counts)
    parts.ledger.feedback.remove_finished(
        ctx.pipeline, each_delivery=parts.source.reports_each_delivery, at_import=parts.at_import
    )
    log.info("write-back: %s", dict(counts) or "nothing was due")
    return dict(counts)


def _write_back_step(ctx: RunContext, parts: WriteBackContext, step: str, counts: Counter[str]) -> None:
    last = unanswered = 0
    while unanswered < MAX_UNANSWERED_SLICES:
        due = parts.ledger.feedback.due(
            ctx.pipeline,
            step,
            SLICE_SIZE,
            each_delivery=parts.source.reports_each_delivery,
            after=last,
            given_up_s=parts.given_up_s,
            at_import=parts.at_import,
        )
        if not due:
            return
        last = due[-1].submission_id
        answers, failure = _send_steps(ctx, parts, parts.ledger.feedback.claim(ctx, due, parts.given_up_s))
        answered = [(one, answer) for one, answer in answers if answer is not None]
        parts.ledger.feedback.record_answers(ctx, answered, parts.most_refusals)
        counts.update(f"{step}_{_outcome_name(answer)}" for _, answer in answers)
        if failure is not None:
            raise failure
        unanswered = 0 if any(answer is not None for _, answer in answers) else unanswered + 1


def _outcome_name(answer: Acknowledgement | None) -> str:
    if answer is None:
        return "unknown"
    if answer.cancelled:
        return "cancelled"
    return "told" if answer.accepted else "refused"


Answers = list[tuple[FeedbackStep, Acknowledgement | None]]


def _send_steps(
    ctx: RunContext, parts: WriteBackContext, steps: Sequence[FeedbackStep]
) -> tuple[Answers, OrderRelayError | None]:
    """Send claimed steps concurrently; returns the answers, and the first error that affects all steps."""
    if not steps:
        return [], None
    orders = _archived_orders(parts, steps)
    failures: list[OrderRelayError] = []

    def send(step: FeedbackStep) -> Acknowledgement | None:
        if failures:
            return _not_sent(step)
        try:
            return _request(parts, step, orders.get(step.submission_id))()
        except OutcomeUnknownError as error:
            log.warning("order %s, %s: %s", step.source_id, step.step, error)
            return None
        except (TransientError, ThrottledError) as error:
            return _not_sent(step, str(error))
        except OrderRelayError as error:
            failures.append(error)
            return _not_sent(step)

    answers: Answers = [(step, _not_sent(step)) for step in steps]
    try:
        with guarded_login(ctx, parts.ledger, parts.connection_fingerprint), ThreadPoolExecutor(parts.parallel) as pool:
            answers = list(zip(steps, pool.map(send, steps), strict=True))
            if failures:
                raise failures[0]
    except OrderRelayError as error:
        return answers, error
    return answers, None


def _not_sent(step: FeedbackStep, reason: str = "not sent: the run stopped before") -> Acknowledgement | None:
    """The answer for a step that was not sent; ``None`` if the outcome of an earlier attempt is unknown."""
    return None if step.silent else Acknowledgement(False, reason, passing=True)


def _archived_orders(parts: WriteBackContext, steps: Sequence[FeedbackStep]) -> Mapping[int, ArchivedOrder]:
    """The archived orders of the steps that need their lines."""
    wanted = [step.submission_id for step in steps if step.step == LINE_NUMBERS or step.delivery]
    return parts.archive.read(parts.ledger.worklist.get(wanted)) if wanted else {}


def _request(parts: WriteBackContext, step: FeedbackStep, order: ArchivedOrder | None) -> Callable[[], Acknowledgement]:
    if step.step == OMS_NUMBER:
        return partial(parts.source.set_erp_number, step.source_id, step.oms_id)
    if step.step == OMS_CANCELLED:
        return partial(parts.source.mark_cancelled, step.source_id)
    if order is not None and order.problem:
        return partial(Acknowledgement, False, f"the archived order cannot be read: {order.problem}")
    if step.step == LINE_NUMBERS:
        numbers = {line_name(line): line["position"] + 1 for line in order.lines} if order else {}
        return partial(parts.source.number_lines, step.source_id, numbers)
    found = parts.ledger.shipments.of_order(step.submission_id)
    counted = [one for one in found if not one["asks"] and not one["closed"]]
    shipments = [one for one in counted if step.delivery in (0, one["id"])]
    if shipments:
        reported = source_shipment(shipments[-1], order)
    elif parts.at_import:
        reported = Shipment(IMPORT_ORIGIN, "", (step.source_id,))
    else:
        reason = f"the parcel needs an operator; see '{COMMAND} shipments --unmatched'"
        return partial(Acknowledgement, False, reason, passing=True)
    return partial(parts.source.mark_shipped, step.source_id, reported, silent=step.silent)


def source_shipment(shipment: Mapping[str, Any], order: ArchivedOrder | None) -> Shipment:
    """A shipment of the ledger as reported to the source, with quantities in the source's units too."""
    lines = list(order.lines) if order else []
    per_unit = {str(line["item_number"]): line.get(PIECES_COLUMN) for line in reversed(lines)}
    per_unit |= {line_name(line): line.get(PIECES_COLUMN) for line in lines}
    readable = [one for one in shipment["lines"] if not one["odd"]]
    parts = tuple(
        ShippedLine(
            one["quantity"],
            one["line"],
            one["item_number"],
            source_units(one["quantity"], per_unit.get(one["line"] or one["item_number"])),
        )
        for one in readable
    )
    if shipment["lines"] and not readable:  # without lines it would mean the whole order
        parts = (ShippedLine(0),)
    return Shipment(
        origin=shipment["origin"],
        key=shipment["key"],
        words=tuple(shipment["words"]),
        carrier=shipment["carrier"],
        service=shipment["service"],
        tracking_number=shipment["tracking_number"],
        shipped_at=shipment["shipped_at"] or shipment["recorded_at"],
        lines=parts,
    )


def source_units(pieces: int, per_unit: Any) -> Decimal | None:
    """Pieces in the units of the source (``PIECES_COLUMN``); ``None`` if those are pieces as well."""
    return None if per_unit in (None, 1) else Decimal(pieces) / Decimal(per_unit)
