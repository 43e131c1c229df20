"""Feedback: tell a source, step by step, what became of the orders that were taken over from it.

Every step is claimed in the ledger, told, and recorded by itself. So a crash repeats at most the steps that were under
way, and a step that the source refuses holds up the later steps of its own order only.
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

from order_relay.errors import ConfigurationError, OrderRelayError, OutcomeUnknownError, ThrottledError, TransientError
from order_relay.ledger import Ledger
from order_relay.ledger.write_back.feedback import LINE_NUMBERS, MAX_REFUSALS, OMS_NUMBER, SHIPPED, FeedbackStep
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.messages import Acknowledgement, RunContext
from order_relay.pipeline.archive import ArchivedOrder, OrderArchive, line_name
from order_relay.pipeline.ports import FeedbackTaker
from order_relay.pipeline.runs.login_guard import guarded_login

log = logging.getLogger(__name__)

WRITE_BACK_STEPS = (OMS_NUMBER, LINE_NUMBERS, SHIPPED)
SLICE_SIZE = 50
"""So many steps are claimed at a time."""

IMPORT_ORIGIN = "import"
"""Origin of a shipment that nobody recorded: the source is told at the import."""

PIECES_COLUMN = "pieces_per_unit"
"""The column of a canonical line that says how many pieces one of the source's units is, where it is not one."""

MAX_UNANSWERED_SLICES = 3
"""After so many slices in a row without a single usable answer the rest is left to the next run."""


@dataclass(frozen=True)
class WriteBackContext:
    """What feedback works with. ``parallel`` requests are under way at a time; a step without an answer is told again
    after ``given_up_s`` seconds. ``most_refusals`` by the source end the tries of a step. ``at_import``: the source is
    told that an order is done once it is imported."""

    source: FeedbackTaker
    ledger: Ledger
    archive: OrderArchive
    connection_fingerprint: str
    parallel: int = 4
    given_up_s: float = 900.0
    most_refusals: int = MAX_REFUSALS
    at_import: bool = False


def send_write_back(ctx: RunContext, parts: WriteBackContext) -> dict[str, int]:
    """Tell everything that is due; counts as ``STEP_told``, ``STEP_refused`` and ``STEP_unknown``.

    What was refused is due again later; what has no usable answer stays claimed and is told again after a while.
    Raises ``ConfigurationError`` and ``SourceAuthError``; what was answered before is recorded.
    """
    if parts.at_import and parts.source.reports_each_delivery:
        raise ConfigurationError(
            "feedback: done_after: import tells of no deliveries, but the source's connection says that each delivery "
            "is told (shipped_by: desadv); set shipped_by to shipment_state or done, or done_after to shipment"
        )
    counts: Counter[str] = Counter()
    for step in WRITE_BACK_STEPS:
        _write_back_step(ctx, parts, step, counts)
    log.info("feedback: %s", dict(counts) or "nothing was due")
    return dict(counts)


def _write_back_step(ctx: RunContext, parts: WriteBackContext, step: str, counts: Counter[str]) -> None:
    last = silent = 0
    while silent < MAX_UNANSWERED_SLICES:
        due = parts.ledger.feedback_due(
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
        answers, failure = _send_steps(ctx, parts, parts.ledger.claim_feedback(ctx, due, parts.given_up_s))
        said = [(one, answer) for one, answer in answers if answer is not None]
        parts.ledger.feedback_told(ctx, said, parts.most_refusals)
        counts.update(f"{step}_{_outcome_name(answer)}" for _, answer in answers)
        if failure is not None:
            raise failure
        silent = 0 if any(answer is not None for _, answer in answers) else silent + 1


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
    """Tell claimed steps, several at a time; what was answered, and the first error that concerns them all."""
    if not steps:
        return [], None
    orders = _archived_orders(parts, steps)
    failures: list[OrderRelayError] = []

    def tell(step: FeedbackStep) -> Acknowledgement | None:
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
            answers = list(zip(steps, pool.map(tell, steps), strict=True))
            if failures:
                raise failures[0]
    except OrderRelayError as error:
        return answers, error
    return answers, None


def _not_sent(step: FeedbackStep, why: str = "not told: the run stopped before") -> Acknowledgement | None:
    """Nothing was done now; what became of an earlier telling stays as unknown as it was."""
    return None if step.silent else Acknowledgement(False, why, passing=True)


def _archived_orders(parts: WriteBackContext, steps: Sequence[FeedbackStep]) -> Mapping[int, ArchivedOrder]:
    """The archived orders of steps that are about lines."""
    wanted = [step.submission_id for step in steps if step.step == LINE_NUMBERS or step.delivery]
    return parts.archive.read(parts.ledger.works(wanted)) if wanted else {}


def _request(parts: WriteBackContext, step: FeedbackStep, order: ArchivedOrder | None) -> Callable[[], Acknowledgement]:
    if step.step == OMS_NUMBER:
        return partial(parts.source.set_erp_number, step.source_id, step.oms_id)
    if order is not None and order.problem:
        return partial(Acknowledgement, False, f"the archived order can not be read: {order.problem}")
    if step.step == LINE_NUMBERS:
        numbers = {line_name(line): line["position"] + 1 for line in order.lines} if order else {}
        return partial(parts.source.number_lines, step.source_id, numbers)
    found = parts.ledger.shipments_of(step.submission_id)
    counted = [one for one in found if not one["asks"] and not one["closed"]]
    shipments = [one for one in counted if step.delivery in (0, one["id"])]
    if shipments:
        told = source_shipment(shipments[-1], order)
    elif parts.at_import:
        told = Shipment(IMPORT_ORIGIN, "", (step.source_id,))
    else:
        waits = "the parcel waits for an operator; see 'shipments --unmatched'"
        return partial(Acknowledgement, False, waits, passing=True)
    return partial(parts.source.mark_shipped, step.source_id, told, silent=step.silent)


def source_shipment(shipment: Mapping[str, Any], order: ArchivedOrder | None) -> Shipment:
    """A shipment of the ledger as its source is told of it, in the source's own units too."""
    lines = list(order.lines) if order else []
    per_unit = {str(line["item_number"]): line.get(PIECES_COLUMN) for line in reversed(lines)}
    per_unit |= {line_name(line): line.get(PIECES_COLUMN) for line in lines}
    readable = [one for one in shipment["lines"] if not one["odd"]]
    parts = tuple(
        ShippedLine(
            one["quantity"],
            one["line"],
            one["item_number"],
            _source_units(one["quantity"], per_unit.get(one["line"] or one["item_number"])),
        )
        for one in readable
    )
    if shipment["lines"] and not readable:  # no lines at all would mean the whole order
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


def _source_units(pieces: int, per_unit: Any) -> Decimal | None:
    return None if per_unit in (None, 1) else Decimal(pieces) / Decimal(per_unit)
