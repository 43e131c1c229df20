"""``StatusDesk``: the part of ``Ledger`` about what fulfilment services say of orders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from order_relay.ledger import status_reads, status_refusals, statuses
from order_relay.ledger.database import Database, Transaction
from order_relay.ledger.status_reads import Follow, Ours
from order_relay.ledger.statuses import Stored
from order_relay.orders.exchange import RunContext
from order_relay.orders.status_events import StatusReport
from order_relay.orders.status_records import Refused


class StatusDesk:
    """Status events and what follows from them; each method is one transaction. ``account`` is a status account's
    name, which is also ``pipeline`` of a context."""

    _db: Database

    def bind_status(self, name: str, account: str) -> None:
        """Bind a status account at first use (``statuses.bind``)."""
        self._db.write(lambda tx: statuses.bind(tx, name, account))

    def store_statuses(
        self,
        ctx: RunContext,
        reports: Sequence[StatusReport],
        *,
        refused: Sequence[Refused] = (),
        origin: str = "",
        late_before: datetime | None = None,
        final: Collection[str] = (),
    ) -> Stored:
        """Store reports, and derive what follows (``statuses.store``)."""
        return self._db.write(
            lambda tx: statuses.store(
                tx, ctx, reports, refused=refused, origin=origin, late_before=late_before, final=final
            )
        )

    def status_accounts(self) -> list[str]:
        """The names of the accounts that were ever used."""
        return self._db.read(status_reads.accounts)

    def status_read_to(self, account: str) -> datetime | None:
        """Up to when it was polled without a gap (UTC)."""
        return self._db.read(lambda tx: status_reads.read_to(tx, account))

    def settle_window(self, account: str, until: datetime) -> None:
        """A window is read to its end and stored (``status_reads.settle_window``)."""
        self._db.write(lambda tx: status_reads.settle_window(tx, account, until))

    def due_reads(self, account: str, overdue_after_s: float, limit: int) -> list[str]:
        """Orders to read by id now (``status_reads.due_reads``)."""
        return self._db.read(lambda tx: status_reads.due_reads(tx, account, overdue_after_s, limit))

    def settle_statuses(self, account: str, final: Collection[str], after_s: float) -> int:
        """Orders that were final for long enough (``status_reads.settle``)."""
        return self._db.write(lambda tx: status_reads.settle(tx, account, final, after_s))

    def reads_done(
        self, account: str, numbers: Iterable[str], first_wait_s: float, longest_wait_s: float, *, answered: bool
    ) -> None:
        """These were asked for (``status_reads.reads_done``)."""
        asked = list(numbers)
        self._db.write(
            lambda tx: status_reads.reads_done(tx, account, asked, first_wait_s, longest_wait_s, answered=answered)
        )

    def match_statuses(self, account: str, ours: Ours, overdue_after_s: float, horizon_s: float) -> int:
        """Give the service's orders to ours (``status_reads.match``)."""
        return self._db.write(lambda tx: status_reads.match(tx, account, ours, overdue_after_s, horizon_s))

    def statuses_to_follow(self, account: str) -> list[Follow]:
        """Orders of ours whose state changed (``status_reads.to_follow``)."""
        return self._db.read(lambda tx: status_reads.to_follow(tx, account))

    def follow_status(self, account: str, done: Follow, told: Iterable[str], asks: str) -> bool:
        """What follows was done (``status_reads.follow``)."""
        parcels = list(told)
        return self._db.write(lambda tx: status_reads.follow(tx, account, done, parcels, asks))

    def answer_status(self, number: str) -> list[str]:
        """A person dealt with what was asked (``status_reads.answer``)."""
        return self._db.write(lambda tx: status_reads.answer(tx, number))

    def status_file_known(self, account: str, sha256: str) -> bool:
        """Whether a file with this content was read before."""
        return self._db.read(lambda tx: status_reads.file_known(tx, account, sha256))

    def status_file_read(self, ctx: RunContext, sha256: str, name: str, rows: int, refused: int) -> None:
        """All rows of a file are stored."""
        values = {"name": name, "rows": rows, "refused": refused, "run": ctx.run}

        def done(tx: Transaction) -> None:
            if not refused:
                status_refusals.file_read_well(tx, ctx.pipeline, name)
            status_reads.file_read(tx, ctx.pipeline, sha256, values)

        self._db.write(done)

    def statuses(self, *, unmatched: bool = False, asked: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
        """Orders at fulfilment services (``status_reads.listed``)."""
        return self._db.read(lambda tx: status_reads.listed(tx, unmatched=unmatched, asked=asked, most=most))

    def status_refused_since(self, account: str, since: datetime) -> list[dict[str, Any]]:
        """What could not be used since then, by origin (``status_refusals.refused_since``)."""
        return self._db.read(lambda tx: status_refusals.refused_since(tx, account, since))

    def status_refusals(self, most: int = 1_000) -> list[dict[str, Any]]:
        """Status records that could not be used, the newest first."""
        return self._db.read(lambda tx: status_refusals.refusals(tx, most))

    def close_status_refusals(self, origin: str, reason: str, who: str) -> int:
        """An operator dealt with refused records (``status_refusals.close``)."""
        return self._db.write(lambda tx: status_refusals.close(tx, origin, reason, who))
