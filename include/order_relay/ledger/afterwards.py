"""``AfterwardsDesk``: the part of ``Ledger`` about what comes after the import."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from order_relay.ledger import addressing, feed_ids, feedback, gaps, modified, shipping, works
from order_relay.ledger.addressing import Addressee
from order_relay.ledger.database import Database
from order_relay.ledger.feedback import Step
from order_relay.ledger.modified import Modified, Window
from order_relay.ledger.shipping import Recorded
from order_relay.ledger.states import State
from order_relay.ledger.values import Work
from order_relay.orders.exchange import Acknowledgement, RunContext
from order_relay.orders.shipping import OrderedLine, Shipment


class AfterwardsDesk:
    """Shipments, what a source is told of its orders, what was modified when; each method is one transaction."""

    _db: Database

    def shipment_target(self, words: Iterable[str], pipelines: Collection[str] | None = None) -> Work | None:
        """The one submission that these words name, or ``None`` (``addressing.addressee``)."""
        return self.addressee(words, "", pipelines).work

    def addressee(
        self, numbers: Iterable[str], given_id: str = "", pipelines: Collection[str] | None = None
    ) -> Addressee:
        """The order that a notice names, or what an operator has to decide (``addressing.addressee``)."""
        wanted = list(numbers)
        return self._db.read(lambda tx: addressing.addressee(tx, wanted, given_id, pipelines))

    def named(self, word: str, pipelines: Collection[str] | None = None) -> list[Work]:
        """The submissions that an operator's word names, also by its reference alone: more than one where several
        webshops have it (``addressing.candidates``, ``addressing.by_reference``)."""
        return self._db.read(
            lambda tx: works.works(
                tx, addressing.candidates(tx, word, pipelines) or addressing.by_reference(tx, word, pipelines)
            )
        )

    def has_number(self, number: str, pipelines: Collection[str] | None = None) -> bool:
        """Whether a submission has exactly this order number (``addressing.has_number``)."""
        return self._db.read(lambda tx: addressing.has_number(tx, number, pipelines))

    def record_shipment(
        self, ctx: RunContext, told: Shipment, ordered: Sequence[OrderedLine] | None, why: str = ""
    ) -> Recorded:
        """Record a shipment once (``shipping.record``); the same one again changes nothing."""
        return self._db.write_beside_others(lambda tx: shipping.record(tx, ctx, told, ordered, why))

    def match_shipment(
        self,
        shipment_id: int,
        submission_id: int,
        ordered: Sequence[OrderedLine] | None,
        instead_of: int | None = None,
    ) -> Recorded:
        """Count a kept shipment for its order (``shipping.match``)."""
        return self._db.write(lambda tx: shipping.match(tx, shipment_id, submission_id, ordered, instead_of))

    def dismiss_shipment(self, shipment_id: int, why: str) -> None:
        """A kept shipment never counts (``shipping.dismiss``)."""
        self._db.write(lambda tx: shipping.dismiss(tx, shipment_id, why))

    def waiting_shipments(self, most: int = 20) -> tuple[int, datetime | None, list[dict[str, Any]]]:
        """How many shipments wait for an operator, since when, and the first of them (``shipping.waiting``)."""
        return self._db.read(lambda tx: shipping.waiting(tx, most))

    def shipments_of(self, submission_id: int) -> list[dict[str, Any]]:
        """The shipments of one submission (``shipping.shipments_of``)."""
        return self._db.read(lambda tx: shipping.shipments_of(tx, submission_id))

    def shipments(self, *, unmatched: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
        """The newest shipments (``shipping.listed``)."""
        return self._db.read(lambda tx: shipping.listed(tx, unmatched=unmatched, most=most))

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
    ) -> list[Step]:
        """What a source is to be told now (``feedback.due``)."""
        return self._db.read(
            lambda tx: feedback.due(
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

    def claim_feedback(self, ctx: RunContext, steps: Sequence[Step], given_up_s: float = 900.0) -> list[Step]:
        """Before the request: these are being told (``feedback.claim``); those that nobody else tells."""
        return self._db.write(lambda tx: feedback.claim(tx, ctx, steps, given_up_s))

    def feedback_told(
        self, ctx: RunContext, answers: Iterable[tuple[Step, Acknowledgement]], most: int = feedback.MOST_REFUSALS
    ) -> None:
        """What the source said (``feedback.told``)."""
        said = list(answers)
        self._db.write(lambda tx: feedback.told(tx, ctx, said, most))

    def feedback_of(self, submission_id: int) -> list[dict[str, Any]]:
        """What the source was told about one submission (``feedback.steps_of``)."""
        return self._db.read(lambda tx: feedback.steps_of(tx, submission_id))

    def feedback_counts(self, pipeline: str) -> dict[str, int]:
        """How many steps stand how (``feedback.counts``)."""
        return self._db.read(lambda tx: feedback.counts(tx, pipeline))

    def modified_between(
        self,
        start: datetime,
        end: datetime,
        *,
        entered: State,
        pipelines: Collection[str] | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Window:
        """One page of the orders last modified in a window (``modified.modified_between``)."""
        return self._db.read(
            lambda tx: modified.modified_between(
                tx, start, end, entered=entered, pipelines=pipelines, limit=limit, offset=offset
            )
        )

    def feed_key(self) -> str:
        """The key of the ids that this ledger's feeds give out (``feed_ids``), made when first asked for."""
        return self._db.read(feed_ids.key_of) or self._db.write_beside_others(feed_ids.make_key)

    def note_feed_gaps(self, problems: Mapping[int, str]) -> list[int]:
        """Note why a feed left orders out, or that it need not (``gaps.note``); the ids of the new gaps."""
        if not self._db.read(lambda tx: gaps.is_news(tx, problems)):
            return []
        return self._db.write_beside_others(lambda tx: gaps.note(tx, problems))

    def feed_gaps(self, pipelines: Collection[str] | None = None, limit: int = 50) -> list[Modified]:
        """Orders that a feed leaves out now (``gaps.left_out``)."""
        return self._db.read(lambda tx: gaps.left_out(tx, pipelines, limit))
