"""``SourceDesk``: the part of ``Ledger`` that deals with what a source offers, and with what it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from order_relay.ledger import acknowledging, contents, gating, receiving, running, take_over, unread, works
from order_relay.ledger.contents import Outdated
from order_relay.ledger.database import Database
from order_relay.ledger.gating import Wait
from order_relay.ledger.values import BatchInfo, Due
from order_relay.orders.exchange import Acknowledgement, RunContext


class SourceDesk:
    """Taking orders in, waiting for their source, and acknowledging them; each method is one transaction."""

    _db: Database

    def receive(
        self, ctx: RunContext, batch: BatchInfo, offers: pd.DataFrame, transform_fingerprint: str
    ) -> dict[str, int]:
        """Take in a closed batch: the redelivery table (``receiving.receive``); counts by action."""
        return self._db.write(lambda tx: receiving.receive(tx, ctx, batch, offers, transform_fingerprint))

    def keep_reading(self, reading: str, paths: str) -> None:
        """Keep the paths of a reading of contents (``contents.keep_reading``)."""
        if reading not in self.readings():
            self._db.write_beside_others(lambda tx: contents.keep_reading(tx, reading, paths))

    def readings(self) -> dict[str, str]:
        """The paths of every reading of contents (``contents.readings``)."""
        return self._db.read(contents.readings)

    def outdated(self, pipeline: str, source_ids: Iterable[str], reading: str) -> list[Outdated]:
        """Submissions whose fingerprint was taken by another reading (``contents.outdated``)."""
        wanted = list(source_ids)
        return self._db.read(lambda tx: contents.outdated(tx, pipeline, wanted, reading))

    def renew(self, found: Mapping[int, tuple[str, str]]) -> int:
        """Put today's fingerprints in the place of outdated ones (``contents.renew``)."""
        return self._db.write(lambda tx: contents.renew(tx, found)) if found else 0

    def replay_interval(self, ctx: RunContext, start: datetime, end: datetime) -> int:
        """Bring back what was fetched in [start, end) (``works.replay_interval``)."""
        return self._db.write(lambda tx: works.replay_interval(tx, ctx, start, end))

    def read_to(self, pipeline: str) -> datetime | None:
        """Up to when a source that is asked by time was read without a gap (UTC); ``None`` where it never was."""
        return self._db.read(lambda tx: running.read_to(tx, pipeline))

    def hold_back(self, ctx: RunContext, waits: Sequence[Wait], shortest_s: float) -> int:
        """Let submissions wait for their source (``gating.hold_back``)."""
        return self._db.write(lambda tx: gating.hold_back(tx, ctx, waits, shortest_s))

    def to_ask_again(self, pipeline: str, limit: int) -> list[str]:
        """Source ids to ask the source for now (``gating.to_ask_again``)."""
        return self._db.read(lambda tx: gating.to_ask_again(tx, pipeline, limit))

    def pending_reads(self, pipeline: str) -> dict[str, bool]:
        """The orders that could not be read yet, and whether each is due to be asked for (``unread.pending``)."""
        return self._db.read(lambda tx: unread.pending(tx, pipeline))

    def unread(self, pipeline: str, source_id: str) -> dict[str, Any] | None:
        """What is known about the asks for an order that could not be read (``unread.of_order``)."""
        return self._db.read(lambda tx: unread.of_order(tx, pipeline, source_id))

    def gone(self, ctx: RunContext, source_ids: Iterable[str]) -> int:
        """Asked for, and unknown to the source (``gating.gone``)."""
        wanted = list(source_ids)
        return self._db.write(lambda tx: gating.gone(tx, ctx, wanted))

    def to_acknowledge(
        self, pipeline: str, limit: int | None = None, after: int = 0, given_up_s: float | None = None
    ) -> list[Due]:
        """What may be acknowledged now, from behind the id ``after`` (``acknowledging``)."""
        return self._db.read(lambda tx: acknowledging.to_acknowledge(tx, pipeline, limit, after, given_up_s))

    def ack_sent(self, ctx: RunContext, ids: Iterable[int], given_up_s: float | None = None) -> list[int]:
        """Before the request: these are being acknowledged; those that nobody else does."""
        wanted = list(ids)
        return self._db.write(lambda tx: acknowledging.ack_sent(tx, ctx, wanted, given_up_s))

    def ack_answered(self, ctx: RunContext, answers: Mapping[int, Acknowledgement], most: int | None = None) -> None:
        """What the source said, by id (``acknowledging.ack_answered``)."""
        self._db.write(lambda tx: acknowledging.ack_answered(tx, ctx, answers, most))

    def ack_not_answered(self, ctx: RunContext, ids: Iterable[int], most: int) -> None:
        """There was no usable answer about these (``take_over.not_answered``)."""
        wanted = list(ids)
        self._db.write(lambda tx: take_over.not_answered(tx, ctx, wanted, most))
