"""Asks the destination what became of imported orders, and records the answers.

Orders are asked about one by one, by their own detail, those that are due first. An unreadable answer concerns its own
order. Parcels are recorded before the status that finishes an order, so that a run that dies in between loses none: the
order is still due, and recording a parcel again changes nothing. If the destination as a whole does not answer, the run
stops, and no order is counted as unanswered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from order_relay.errors import ConfigurationError, MalformedResponseError, ThrottledError, TransientError
from order_relay.ledger import Ledger
from order_relay.ledger.oms.oms_questions import OmsQuestion
from order_relay.ledger.oms.oms_statuses import OMS
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.pipeline.ports import DestinationSession, OrderStatusReader

log = logging.getLogger(__name__)

SLICE_SIZE = 50
"""Orders whose answers are recorded together."""

MAX_SILENCE = 5
"""Questions without an answer, and none with one, after which the destination as a whole is considered down."""


@dataclass(frozen=True)
class OmsStatusContext:
    """What asking works with. ``most_orders`` per run, ``parallel`` at a time; ``shipments``: parcels are recorded."""

    ledger: Ledger
    archive: OrderArchive
    pace: AskingPace = field(default_factory=AskingPace)
    most_orders: int = 2_000
    parallel: int = 4
    shipments: bool = True


@dataclass
class _Slice:
    """The answers to some questions. ``stopped``: why no further question makes sense now."""

    answers: dict[int, OmsOrder] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    silent: int = 0
    stopped: ThrottledError | ConfigurationError | None = None


async def ask_about_orders(ctx: RunContext, parts: OmsStatusContext, session: DestinationSession) -> dict[str, int]:
    """Ask about all due orders, at most ``most_orders``; returns counts: ``asked``, ``changed``, ``unanswered``,
    ``parcels``, ``parcels_to_check``, ``cancelled``, and ``throttled`` if the destination asked to slow down.

    Raises ``ConfigurationError`` if the destination cannot be asked, ``TransientError`` if it does not answer at all.
    """
    if not isinstance(session, OrderStatusReader):
        raise ConfigurationError("this destination cannot be asked what became of an order")
    counts: Counter[str] = Counter()
    before: datetime | None = None
    while counts["asked"] < parts.most_orders:
        limit = min(SLICE_SIZE, parts.most_orders - counts["asked"])
        questions = await asyncio.to_thread(parts.ledger.oms_questions.due, ctx.pipeline, limit, before)
        if not questions:
            break
        before = before or questions[0].read_at
        found = await _ask(parts, session, questions)
        if found.silent >= MAX_SILENCE and not found.answers:
            raise TransientError(f"the OMS did not answer {found.silent} questions in a row; the next run asks again")
        await asyncio.to_thread(_record, ctx, parts, questions, found, counts)
        if isinstance(found.stopped, ConfigurationError):
            raise found.stopped
        if found.stopped is not None:
            log.warning("%s: %s; the other orders are asked about by the next run", ctx.pipeline, found.stopped)
            counts["throttled"] = 1
            break
    return {name: number for name, number in counts.items() if number}


async def _ask(parts: OmsStatusContext, session: OrderStatusReader, questions: Sequence[OmsQuestion]) -> _Slice:
    found = _Slice()
    room = asyncio.Semaphore(parts.parallel)

    async def ask(question: OmsQuestion) -> None:
        async with room:
            if found.stopped is not None:
                return
            try:
                found.answers[question.submission_id] = await session.read_status(
                    question.oms_id, question.destination_key, shipments=parts.shipments
                )
            except (ThrottledError, ConfigurationError) as error:
                found.stopped = error
            except MalformedResponseError as error:
                found.problems[question.submission_id] = str(error)
            except TransientError as error:
                found.problems[question.submission_id] = str(error)
                found.silent += 1

    await asyncio.gather(*map(ask, questions))
    return found


def _record(
    ctx: RunContext, parts: OmsStatusContext, questions: Sequence[OmsQuestion], found: _Slice, counts: Counter[str]
) -> None:
    for number, order in found.answers.items():
        for parcel in order.shipments:
            result = record_shipment(
                parts.ledger, parts.archive, OMS, replace(parcel, submission_id=number), run=ctx.run
            )
            counts["parcels"] += result.outcome == "recorded"
            counts["parcels_to_check"] += result.outcome == "asked"
    statuses = parts.ledger.oms_statuses
    changes = statuses.record(ctx, found.answers, parts.pace, questions[0].read_at)
    statuses.record_unanswered(found.problems, parts.pace)
    counts["asked"] += len(found.answers) + len(found.problems)
    counts["unanswered"] += len(found.problems)
    counts["changed"] += len(changes)
    counts["cancelled"] += sum(change.cancelled for change in changes)
