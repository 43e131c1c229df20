"""``AfterwardsDesk``: the part of ``Ledger`` about what comes after the import."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from order_relay.ledger.fulfilment import feed_errors, feed_ids, feed_index, order_references
from order_relay.ledger.fulfilment import shipments as shipments_module
from order_relay.ledger.fulfilment.feed_index import FeedOrder, FeedPage
from order_relay.ledger.fulfilment.order_references import OrderMatch
from order_relay.ledger.fulfilment.shipments import ShipmentResult
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.store.database import Database
from order_relay.ledger.submissions import worklist
from order_relay.ledger.write_back import feedback
from order_relay.ledger.write_back.feedback import FeedbackStep
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment
from order_relay.orders.messages import Acknowledgement, RunContext


class AfterwardsDesk:
    """Shipments, what a source is told of its orders, what was modified when; each method is one transaction."""

    _db: Database

    def shipment_target(self, words: Iterable[str], pipelines: Collection[str] | None = None) -> WorkItem | None:
        """The one submission that these words name, or ``None`` (``addressing.addressee``)."""
        return self.addressee(words, "", pipelines).work

    def addressee(
        self, numbers: Iterable[str], given_id: str = "", pipelines: Collection[str] | None = None
    ) -> OrderMatch:
        """The order that a notice names, or what an operator has to decide (``addressing.addressee``)."""
        wanted = list(numbers)
        return self._db.read(lambda tx: order_references.match_order(tx, wanted, given_id, pipelines))

    def named(self, word: str, pipelines: Collection[str] | None = None) -> list[WorkItem]:
        """The submissions that an operator's word names, also by its reference alone: more than one where several
        webshops have it (``addressing.candidates``, ``addressing.by_reference``)."""
        return self._db.read(
            lambda tx: worklist.work_items(
                tx,
                order_references.candidates(tx, word, pipelines) or order_references.by_reference(tx, word, pipelines),
            )
        )

    def has_number(self, number: str, pipelines: Collection[str] | None = None) -> bool:
        """Whether a submission has exactly this order number (``addressing.has_number``)."""
        return self._db.read(lambda tx: order_references.has_number(tx, number, pipelines))

    def record_shipment(
        self, ctx: RunContext, told: Shipment, ordered: Sequence[OrderedLine] | None, why: str = ""
    ) -> ShipmentResult:
        """Record a shipment once (``shipping.record``); the same one again changes nothing."""
        return self._db.write_with_insert_retry(
            lambda tx: shipments_module.record_shipment(tx, ctx, told, ordered, why)
        )

    def match_shipment(
        self,
        shipment_id: int,
        submission_id: int,
        ordered: Sequence[OrderedLine] | None,
        instead_of: int | None = None,
    ) -> ShipmentResult:
        """Count a kept shipment for its order (``shipping.match``)."""
        return self._db.write(
            lambda tx: shipments_module.match_shipment(tx, shipment_id, submission_id, ordered, instead_of)
        )

    def dismiss_shipment(self, shipment_id: int, why: str) -> None:
        """A kept shipment never counts (``shipping.dismiss``)."""
        self._db.write(lambda tx: shipments_module.dismiss_shipment(tx, shipment_id, why))

    def waiting_shipments(self, most: int = 20) -> tuple[int, datetime | None, list[dict[str, Any]]]:
        """How many shipments wait for an operator, since when, and the first of them (``shipping.waiting``)."""
        return self._db.read(lambda tx: shipments_module.waiting_shipments(tx, most))

    def shipments_of(self, submission_id: int) -> list[dict[str, Any]]:
        """The shipments of one submission (``shipping.shipments_of``)."""
        return self._db.read(lambda tx: shipments_module.shipments_of(tx, submission_id))

    def shipments(self, *, unmatched: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
        """The newest shipments (``shipping.listed``)."""
        return self._db.read(lambda tx: shipments_module.list_shipments(tx, unmatched=unmatched, most=most))

    def feedback_due(
        self,
        pipeline: str,
        step: str,
        limit: int,
        *,
        each_delivery: bool = False,
        after: int = 0,
        given_up_s: float = 900.0,
        at_import: bool = False,
    ) -> list[FeedbackStep]:
        """What a source is to be told now (``feedback.due``)."""
        return self._db.read(
            lambda tx: feedback.due_steps(
                tx,
                pipeline,
                step,
                limit,
                each_delivery=each_delivery,
                after=after,
                given_up_s=given_up_s,
                at_import=at_import,
            )
        )

    def claim_feedback(
        self, ctx: RunContext, steps: Sequence[FeedbackStep], given_up_s: float = 900.0
    ) -> list[FeedbackStep]:
        """Before the request: these are being told (``feedback.claim``); those that nobody else tells."""
        return self._db.write(lambda tx: feedback.claim_steps(tx, ctx, steps, given_up_s))

    def feedback_told(
        self,
        ctx: RunContext,
        answers: Iterable[tuple[FeedbackStep, Acknowledgement]],
        most: int = feedback.MAX_REFUSALS,
    ) -> None:
        """What the source said (``feedback.told``)."""
        said = list(answers)
        self._db.write(lambda tx: feedback.record_answers(tx, ctx, said, most))

    def feedback_of(self, submission_id: int) -> list[dict[str, Any]]:
        """What the source was told about one submission (``feedback.steps_of``)."""
        return self._db.read(lambda tx: feedback.steps_of(tx, submission_id))

    def feedback_counts(self, pipeline: str) -> dict[str, int]:
        """How many steps stand how (``feedback.counts``)."""
        return self._db.read(lambda tx: feedback.step_counts(tx, pipeline))

    def modified_between(
        self,
        start: datetime,
        end: datetime,
        *,
        entered: State,
        pipelines: Collection[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> FeedPage:
        """One page of the orders last modified in a window (``modified.modified_between``)."""
        return self._db.read(
            lambda tx: feed_index.modified_between(
                tx, start, end, entered=entered, pipelines=pipelines, limit=limit, offset=offset
            )
        )

    def feed_key(self) -> str:
        """The key of the ids that this ledger's feeds give out (``feed_ids``), made when first asked for."""
        return self._db.read(feed_ids.feed_key) or self._db.write_with_insert_retry(feed_ids.create_feed_key)

    def note_feed_gaps(self, problems: Mapping[int, str]) -> list[int]:
        """Note why a feed left orders out, or that it need not (``gaps.note``); the ids of the new gaps."""
        if not self._db.read(lambda tx: feed_errors.has_changes(tx, problems)):
            return []
        return self._db.write_with_insert_retry(lambda tx: feed_errors.record(tx, problems))

    def feed_gaps(self, pipelines: Collection[str] | None = None, limit: int = 50) -> list[FeedOrder]:
        """Orders that a feed leaves out now (``gaps.left_out``)."""
        return self._db.read(lambda tx: feed_errors.omitted_orders(tx, pipelines, limit))
