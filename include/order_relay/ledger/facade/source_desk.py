"""``SourceDesk``: the part of ``Ledger`` that deals with what a source offers, and with what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from order_relay.ledger.schema.records import BatchInfo, DueAcknowledgement
from order_relay.ledger.store.database import Database
from order_relay.ledger.submissions import fingerprints, intake, runs, source_holds, unread_orders, worklist
from order_relay.ledger.submissions.fingerprints import OutdatedFingerprint
from order_relay.ledger.submissions.source_holds import SourceHold
from order_relay.ledger.write_back import ack_retries, acknowledgements
from order_relay.orders.messages import Acknowledgement, RunContext


class SourceDesk:
    """Taking orders in, waiting for their source, and acknowledging them; each method is one transaction."""

    _db: Database

    def receive(
        self, ctx: RunContext, batch: BatchInfo, offers: pd.DataFrame, transform_fingerprint: str
    ) -> dict[str, int]:
        """Take in a closed batch: the redelivery table (``receiving.receive``); counts by action."""
        return self._db.write(lambda tx: intake.receive(tx, ctx, batch, offers, transform_fingerprint))

    def keep_reading(self, reading: str, paths: str) -> None:
        """Keep the paths of a reading of contents (``contents.keep_reading``)."""
        if reading not in self.readings():
            self._db.write_with_insert_retry(lambda tx: fingerprints.save_reading(tx, reading, paths))

    def readings(self) -> dict[str, str]:
        """The paths of every reading of contents (``contents.readings``)."""
        return self._db.read(fingerprints.readings)

    def outdated(self, pipeline: str, source_ids: Iterable[str], reading: str) -> list[OutdatedFingerprint]:
        """Submissions whose fingerprint was taken by another reading (``contents.outdated``)."""
        wanted = list(source_ids)
        return self._db.read(lambda tx: fingerprints.outdated(tx, pipeline, wanted, reading))

    def renew(self, found: Mapping[int, tuple[str, str]]) -> int:
        """Put today's fingerprints in the place of outdated ones (``contents.renew``)."""
        return self._db.write(lambda tx: fingerprints.replace_outdated(tx, found)) if found else 0

    def replay_interval(self, ctx: RunContext, start: datetime, end: datetime) -> int:
        """Bring back what was fetched in [start, end) (``works.replay_interval``)."""
        return self._db.write(lambda tx: worklist.replay_interval(tx, ctx, start, end))

    def read_to(self, pipeline: str) -> datetime | None:
        """Up to when a source that is asked by time was read without a gap (UTC); ``None`` where it never was."""
        return self._db.read(lambda tx: runs.watermark(tx, pipeline))

    def hold_back(self, ctx: RunContext, waits: Sequence[SourceHold], shortest_s: float) -> int:
        """Let submissions wait for their source (``gating.hold_back``)."""
        return self._db.write(lambda tx: source_holds.wait_for_source(tx, ctx, waits, shortest_s))

    def to_ask_again(self, pipeline: str, limit: int) -> list[str]:
        """Source ids to ask the source for now (``gating.to_ask_again``)."""
        return self._db.read(lambda tx: source_holds.due_for_recheck(tx, pipeline, limit))

    def pending_reads(self, pipeline: str) -> dict[str, bool]:
        """The orders that could not be read yet, and whether each is due to be asked for (``unread.pending``)."""
        return self._db.read(lambda tx: unread_orders.pending(tx, pipeline))

    def unread(self, pipeline: str, source_id: str) -> dict[str, Any] | None:
        """What is known about the asks for an order that could not be read (``unread.of_order``)."""
        return self._db.read(lambda tx: unread_orders.read_attempts(tx, pipeline, source_id))

    def gone(self, ctx: RunContext, source_ids: Iterable[str]) -> int:
        """Asked for, and unknown to the source (``gating.gone``)."""
        wanted = list(source_ids)
        return self._db.write(lambda tx: source_holds.mark_withdrawn(tx, ctx, wanted))

    def to_acknowledge(
        self, pipeline: str, limit: int | None = None, after: int = 0, given_up_s: float | None = None
    ) -> list[DueAcknowledgement]:
        """What may be acknowledged now, from behind the id ``after`` (``acknowledging``)."""
        return self._db.read(lambda tx: acknowledgements.to_acknowledge(tx, pipeline, limit, after, given_up_s))

    def ack_sent(self, ctx: RunContext, ids: Iterable[int], given_up_s: float | None = None) -> list[int]:
        """Before the request: these are being acknowledged; those that nobody else does."""
        wanted = list(ids)
        return self._db.write(lambda tx: acknowledgements.mark_sent(tx, ctx, wanted, given_up_s))

    def ack_answered(self, ctx: RunContext, answers: Mapping[int, Acknowledgement], most: int | None = None) -> None:
        """What the source said, by id (``acknowledging.ack_answered``)."""
        self._db.write(lambda tx: acknowledgements.record_answers(tx, ctx, answers, most))

    def ack_not_answered(self, ctx: RunContext, ids: Iterable[int], most: int) -> None:
        """There was no usable answer about these (``take_over.not_answered``)."""
        wanted = list(ids)
        self._db.write(lambda tx: ack_retries.record_no_answer(tx, ctx, wanted, most))
