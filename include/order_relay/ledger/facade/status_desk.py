"""``StatusDesk``: the part of ``Ledger`` about what fulfilment services say of orders."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from order_relay.ledger.fulfilment import status_history, status_queries, status_refusals
from order_relay.ledger.fulfilment.status_history import StoredStatuses
from order_relay.ledger.fulfilment.status_queries import FollowUp, OwnOrders
from order_relay.ledger.store.database import Database, Transaction
from order_relay.orders.fulfilment.status_events import StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.messages import RunContext


class StatusDesk:
    """Status events and what follows from them; each method is one transaction. ``account`` is a status account's
    name, which is also ``pipeline`` of a context."""

    _db: Database

    def bind_status(self, name: str, account: str) -> None:
        """Bind a status account at first use (``statuses.bind``)."""
        self._db.write(lambda tx: status_history.bind(tx, name, account))

    def store_statuses(
        self,
        ctx: RunContext,
        reports: Sequence[StatusReport],
        *,
        refused: Sequence[RejectedRecord] = (),
        origin: str = "",
        late_before: datetime | None = None,
        final: Collection[str] = (),
    ) -> StoredStatuses:
        """Store reports, and derive what follows (``statuses.store``)."""
        return self._db.write(
            lambda tx: status_history.store_reports(
                tx, ctx, reports, refused=refused, origin=origin, late_before=late_before, final=final
            )
        )

    def status_accounts(self) -> list[str]:
        """The names of the accounts that were ever used."""
        return self._db.read(status_queries.accounts)

    def status_read_to(self, account: str) -> datetime | None:
        """Up to when it was polled without a gap (UTC)."""
        return self._db.read(lambda tx: status_queries.watermark(tx, account))

    def settle_window(self, account: str, until: datetime) -> None:
        """A window is read to its end and stored (``status_reads.settle_window``)."""
        self._db.write(lambda tx: status_queries.advance_watermark(tx, account, until))

    def due_reads(self, account: str, overdue_after_s: float, limit: int) -> list[str]:
        """Orders to read by id now (``status_reads.due_reads``)."""
        return self._db.read(lambda tx: status_queries.due_reads(tx, account, overdue_after_s, limit))

    def settle_statuses(self, account: str, final: Collection[str], after_s: float) -> int:
        """Orders that were final for long enough (``status_reads.settle``)."""
        return self._db.write(lambda tx: status_queries.settle_final(tx, account, final, after_s))

    def reads_done(
        self, account: str, numbers: Iterable[str], first_wait_s: float, longest_wait_s: float, *, answered: bool
    ) -> None:
        """These were asked for (``status_reads.reads_done``)."""
        asked = list(numbers)
        self._db.write(
            lambda tx: status_queries.record_reads(tx, account, asked, first_wait_s, longest_wait_s, answered=answered)
        )

    def match_statuses(self, account: str, ours: OwnOrders, overdue_after_s: float, horizon_s: float) -> int:
        """Give the service's orders to ours (``status_reads.match``)."""
        return self._db.write(lambda tx: status_queries.match(tx, account, ours, overdue_after_s, horizon_s))

    def statuses_to_follow(self, account: str) -> list[FollowUp]:
        """Orders of ours whose state changed (``status_reads.to_follow``)."""
        return self._db.read(lambda tx: status_queries.due_follow_ups(tx, account))

    def follow_status(self, account: str, done: FollowUp, told: Iterable[str], asks: str) -> bool:
        """What follows was done (``status_reads.follow``)."""
        parcels = list(told)
        return self._db.write(lambda tx: status_queries.record_follow_up(tx, account, done, parcels, asks))

    def answer_status(self, number: str) -> list[str]:
        """A person dealt with what was asked (``status_reads.answer``)."""
        return self._db.write(lambda tx: status_queries.resolve_question(tx, number))

    def status_file_known(self, account: str, sha256: str) -> bool:
        """Whether a file with this content was read before."""
        return self._db.read(lambda tx: status_queries.is_file_known(tx, account, sha256))

    def status_file_read(self, ctx: RunContext, sha256: str, name: str, rows: int, refused: int) -> None:
        """All rows of a file are stored."""
        values = {"name": name, "rows": rows, "refused": refused, "run": ctx.run}

        def done(tx: Transaction) -> None:
            if not refused:
                status_refusals.close_for_file(tx, ctx.pipeline, name)
            status_queries.record_file(tx, ctx.pipeline, sha256, values)

        self._db.write(done)

    def statuses(self, *, unmatched: bool = False, asked: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
        """Orders at fulfilment services (``status_reads.listed``)."""
        return self._db.read(lambda tx: status_queries.list_orders(tx, unmatched=unmatched, asked=asked, most=most))

    def status_refused_since(self, account: str, since: datetime) -> list[dict[str, Any]]:
        """What could not be used since then, by origin (``status_refusals.refused_since``)."""
        return self._db.read(lambda tx: status_refusals.refused_since(tx, account, since))

    def status_refusals(self, most: int = 1_000) -> list[dict[str, Any]]:
        """Status records that could not be used, the newest first."""
        return self._db.read(lambda tx: status_refusals.refusals(tx, most))

    def close_status_refusals(self, origin: str, reason: str, who: str) -> int:
        """An operator dealt with refused records (``status_refusals.close``)."""
        return self._db.write(lambda tx: status_refusals.close(tx, origin, reason, who))
