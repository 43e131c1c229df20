"""What became of imported orders at their destination (the OMS).

Each imported order gets one row and is asked about when it is due (``oms_questions``). The answers are recorded here
until the order is finished: shipped or cancelled.

What ``record`` guarantees to its users:

* Every change of the received word, of its reading or of the cancelled units writes one event with ``who`` = ``oms``
  (``OMS``) and from and to ``imported``, so it is in the order's timeline and in the next window of every feed.
* An order that is cancelled as a whole gets ``submission.cancelled_at``, unless it has it: feeds show it as cancelled,
  and a cancellation by the source (``write_back.cancellations``) is settled. A later answer does not take it back.
* Parcels are not recorded here but by ``Shipments.record``, under the origin of the destination.
* An order without a readable answer keeps its last status: absence is never read as a cancellation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text, dump_json, load_json
from order_relay.ledger.submissions.transitions import lock, record_events
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import ShippedLine
from order_relay.orders.messages import RunContext

OMS = "oms"
"""``who`` of the events that the destination's answers cause."""

_WORD = 60  # bytes of a status word


@dataclass(frozen=True, slots=True)
class OmsStatus:
    """What is known about an order at its destination; see the columns of ``oms_status``."""

    submission_id: int
    received: str
    reading: str
    cancelled: tuple[ShippedLine, ...]
    changed_at: datetime
    asked_at: datetime | None
    answered_at: datetime | None
    misses: int
    problem: str
    due_at: datetime | None
    notified_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class OmsChange:
    """A recorded change: the reading before (empty: none) and now. ``cancelled``: ``cancelled_at`` was set."""

    submission_id: int
    before: str
    reading: str
    cancelled: bool = False


class OmsStatuses(Repository):
    """The status of imported orders at their destination."""

    @writes
    def record(
        self,
        tx: Transaction,
        ctx: RunContext,
        answers: Mapping[int, OmsOrder],
        pace: AskingPace,
        asked_from: datetime,
    ) -> list[OmsChange]:
        """Record readable answers by submission, each read from the order's own detail; returns the changes.

        ``asked_from``: the earliest ``read_at`` of the questions; an order with a notification since then stays due.
        Recording the same answer again changes nothing but the time of the next question. A submission without a row
        (not enrolled) is left out.
        """
        rows = _locked(tx, answers)
        changes = {row: change for row in rows if (change := _change(row, answers[row.id])) is not None}
        tx.many(_ANSWERED, [_answered(tx.now, row, answers[row.id], pace, asked_from) for row in rows])
        record_events(tx, replace(ctx, who=OMS), {row: _describe(answers[row.id]) for row in changes})
        cancelled = {"ids": [row.id for row, change in changes.items() if change.cancelled]}
        if cancelled["ids"]:
            tx.run(submission.update().where(among(submission.c.id, "ids")).values(cancelled_at=tx.now), cancelled)
        enqueue_write_back(tx, [row.id for row in rows if answers[row.id].reading is OmsReading.CANCELLED])
        return list(changes.values())

    @writes
    def record_unanswered(self, tx: Transaction, problems: Mapping[int, str], pace: AskingPace) -> None:
        """Record questions without a readable answer, by submission, with the reason (no order data).

        The order keeps its status, and is asked about again after a growing delay.
        """
        tx.many(
            _MISSED,
            [
                {
                    "b_id": row.id,
                    "b_asked": tx.now,
                    "b_misses": row.misses + 1,
                    "b_problem": clean_text(problems[row.id], 300),
                    "b_due": pace.next(tx.now, row.imported_at, row.changed_at, row.misses),
                }
                for row in _locked(tx, problems)
            ],
        )

    @reads
    def of(self, tx: Transaction, submission_id: int) -> OmsStatus | None:
        """The status of an order; ``None`` if it was never enrolled."""
        return status_of(tx, submission_id)


_TIME = oms_status.c.due_at.type

_ANSWERED = (
    oms_status.update()
    .where(oms_status.c.submission_id == sa.bindparam("b_id"))
    .values(
        received=sa.bindparam("b_received"),
        reading=sa.bindparam("b_reading"),
        cancelled=sa.bindparam("b_cancelled"),
        changed_at=sa.bindparam("b_changed", type_=_TIME),
        asked_at=sa.bindparam("b_asked", type_=_TIME),
        answered_at=sa.bindparam("b_asked", type_=_TIME),
        misses=0,
        problem="",
        due_at=sa.bindparam("b_due", type_=_TIME),
        finished_at=sa.bindparam("b_finished", type_=_TIME),
    )
)
_MISSED = (
    oms_status.update()
    .where(oms_status.c.submission_id == sa.bindparam("b_id"))
    .values(
        asked_at=sa.bindparam("b_asked", type_=_TIME),
        misses=sa.bindparam("b_misses"),
        problem=sa.bindparam("b_problem"),
        due_at=sa.bindparam("b_due", type_=_TIME),
    )
)


def _locked(tx: Transaction, ids: Iterable[int]) -> Sequence[Any]:
    """The rows of these submissions, which are locked first, with the columns of the submission that matter."""
    lock(tx, ids)
    columns = [submission.c[one] for one in ("id", "state", "revision", "imported_at", "cancelled_at")]
    names = ("received", "reading", "cancelled", "changed_at", "misses", "notified_at", "finished_at")
    known = [oms_status.c[one] for one in names]
    query = (
        sa.select(*columns, *known)
        .join(oms_status, oms_status.c.submission_id == submission.c.id)
        .where(among(submission.c.id, "ids"))
        .order_by(submission.c.id)
        .with_for_update(of=oms_status)  # a notification waits, or is seen
    )
    return tx.run(query, {"ids": sorted(ids)}).all()


def _change(row: Any, answer: OmsOrder) -> OmsChange | None:
    new = (_word(answer), answer.reading.value, _units(_cancelled(answer)))
    cancelled = answer.reading is OmsReading.CANCELLED and row.cancelled_at is None
    if new == (row.received, row.reading, _units(row.cancelled)) and not cancelled:
        return None
    return OmsChange(row.id, row.reading, answer.reading, cancelled)


def _answered(now: datetime, row: Any, answer: OmsOrder, pace: AskingPace, asked_from: datetime) -> dict[str, Any]:
    changed_at = row.changed_at if _change(row, answer) is None else now
    notified = row.notified_at is not None and row.notified_at >= asked_from
    finished = answer.finished and not notified
    due = now if notified else None if finished else pace.next(now, row.imported_at, changed_at)
    return {
        "b_id": row.id,
        "b_received": _word(answer),
        "b_reading": answer.reading.value,
        "b_cancelled": _cancelled(answer),
        "b_changed": changed_at,
        "b_asked": now,
        "b_due": due,
        "b_finished": (row.finished_at or now) if finished else None,
    }


def _describe(answer: OmsOrder) -> str:
    units = sum(line.quantity for line in answer.cancelled)
    cancelled = f", {units} units cancelled" if units else ""
    return f"OMS status {_word(answer) or '(empty)'}: {answer.reading.replace('_', ' ')}{cancelled}"


def _word(answer: OmsOrder) -> str:
    return clean_text(answer.received.strip(), _WORD)


def _cancelled(answer: OmsOrder) -> str:
    lines = ([clean_text(one.line, 200), clean_text(one.item_number, 200), one.quantity] for one in answer.cancelled)
    return dump_json(sorted(lines))


def _units(cancelled: str) -> list[tuple[str, int]]:
    """The cancelled units by line. An item number that the OMS shows only now does not change the status."""
    return sorted((line, units) for line, _, units in load_json(cancelled, []))


def status_of(tx: Transaction, submission_id: int) -> OmsStatus | None:
    """The status of an order; ``None`` if it was never enrolled."""
    query = sa.select(oms_status).where(oms_status.c.submission_id == submission_id)
    row = tx.run(query).mappings().one_or_none()
    if row is None:
        return None
    lines = tuple(ShippedLine(units, line, item) for line, item, units in load_json(row["cancelled"], []))
    names = [name for name in OmsStatus.__dataclass_fields__ if name != "cancelled"]
    return OmsStatus(**{name: row[name] for name in names}, cancelled=lines)
