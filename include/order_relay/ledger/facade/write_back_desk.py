"""``WriteBackDesk``: the part of ``Ledger`` about what a source refuses to be told, and what it cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.store.database import Database, Transaction
from order_relay.ledger.write_back import cancellations, feedback, offline_orders
from order_relay.ledger.write_back.cancellations import RecordedCancellations
from order_relay.orders.messages import Acknowledgement, RunContext

MAX_NAMED = 20
WRITE_BACK_FAILED = "untold"


class WriteBackDesk:
    """Tasks that write-back leaves to operators; each method is one transaction."""

    _db: Database

    def note_cancelled(self, ctx: RunContext, source_ids: Iterable[str]) -> RecordedCancellations:
        """The source has cancelled these (``cancelling.note``)."""
        wanted = list(source_ids)
        return self._db.write(lambda tx: cancellations.record(tx, ctx, wanted)) if wanted else RecordedCancellations()

    def cancelled_by_source(self, pipeline: str | None = None) -> list[dict[str, Any]]:
        """Imported orders that their source cancelled (``cancelling.pending``)."""
        return self._db.read(lambda tx: cancellations.pending(tx, pipeline))

    def settle_cancelled(self, ctx: RunContext, number: str, reason: str, *, reinstated: bool = False) -> int:
        """An operator settled a cancellation (``cancelling.settle``)."""
        return self._db.write(lambda tx: cancellations.settle(tx, ctx, number, reason, reinstated=reinstated))

    def feedback_failed(self, pipeline: str | None = None) -> list[dict[str, Any]]:
        """Steps that will not be told again, those of offline orders among them (``feedback.failed``)."""
        return self._db.read(lambda tx: _failed(tx, pipeline))

    def decide_feedback(self, ctx: RunContext, number: str, reason: str, *, retry: bool) -> int:
        """Have failed steps told again, or give them up. Raises ``IllegalTransitionError`` where no step of it has
        failed.
        """

        def decided(tx: Transaction) -> int:
            found = feedback.decide_failed(tx, ctx, number, reason, retry=retry)
            found += offline_orders.decide_failed(tx, ctx.pipeline, number, retry=retry)
            if not found:
                raise IllegalTransitionError(f"no write-back step of order {number!r} of {ctx.pipeline} has failed")
            return found

        return self._db.write(decided)

    def write_back_tasks(self, pipeline: str) -> list[OverdueOrders]:
        """What write-back leaves to operators, for alerts and reports; nothing where there is nothing to do."""

        def tasks(tx: Transaction) -> list[OverdueOrders]:
            failed = _failed(tx, pipeline)
            orders = tuple(dict.fromkeys(row["order_number"] for row in failed))
            untold = (
                OverdueOrders(WRITE_BACK_FAILED, len(orders), min(row["at"] for row in failed), orders[:MAX_NAMED])
                if failed
                else None
            )
            return [task for task in (cancellations.overdue(tx, pipeline), untold) if task is not None]

        return self._db.read(tasks)

    def offline_to(self, pipeline: str) -> datetime | None:
        """Up to when offline orders were looked for (``offline.read_to``)."""
        return self._db.read(lambda tx: offline_orders.watermark(tx, pipeline))

    def offline_pending(self, pipeline: str) -> dict[str, bool]:
        """Offline orders that could not be marked before (``offline.pending``)."""
        return self._db.read(lambda tx: offline_orders.pending(tx, pipeline))

    def offline_answered(
        self, ctx: RunContext, answers: Iterable[tuple[str, Acknowledgement]], most: int, to: datetime | None = None
    ) -> None:
        """What became of marking offline orders (``offline.answered``)."""
        said = list(answers)
        self._db.write(lambda tx: offline_orders.record_answers(tx, ctx, said, most, to))


def _failed(tx: Transaction, pipeline: str | None) -> list[dict[str, Any]]:
    marks = [
        {**row, "order_number": row["source_id"], "step": "offline_sent", "delivery": 0}
        for row in offline_orders.failed(tx, pipeline)
    ]
    return [*feedback.failed_steps(tx, pipeline), *marks]
