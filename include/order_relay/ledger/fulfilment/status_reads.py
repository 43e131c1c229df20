"""Reads of a fulfilment service: the watermark of its polls, orders to read by id, files that were read."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa

from order_relay.backoff import backoff
from order_relay.ledger.fulfilment import status_refusals
from order_relay.ledger.fulfilment.status_history import insertion
from order_relay.ledger.schema.predicates import unindexed
from order_relay.ledger.schema.status_tables import NOT_SETTLED, status_account, status_file, status_order
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.orders.messages import RunContext


class StatusReads(Repository):
    """Reads of a fulfilment service."""

    @reads
    def watermark(self, tx: Transaction, account: str) -> datetime | None:
        """The time (UTC) up to which the service was polled without a gap."""
        return tx.run(sa.select(status_account.c.read_to).where(status_account.c.name == account)).scalar()

    @writes
    def advance_watermark(self, tx: Transaction, account: str, until: datetime) -> None:
        """Advance the watermark after a window was read and stored completely. It never moves back."""
        tx.run(
            status_account.update()
            .where(
                status_account.c.name == account,
                status_account.c.read_to.is_(None) | (status_account.c.read_to < until),
            )
            .values(read_to=until)
        )

    @writes
    def settle_final(self, tx: Transaction, account: str, final: Collection[str], after_s: float) -> int:
        """Stop reading orders by id whose status is final and has not changed for ``after_s``; returns their number.

        A new report about one of them reverts this.
        """
        return tx.run(
            status_order.update()
            .where(
                unindexed(status_order.c.account) == account,  # else SQLite reads all orders of the account
                NOT_SETTLED,
                status_order.c.order_status.in_(sorted(final)),
                status_order.c.changed_at <= tx.now - timedelta(seconds=after_s),
                status_order.c.doubtful.is_(False),
            )
            .values(settled=True)
        ).rowcount

    @reads
    def due(self, tx: Transaction, account: str, overdue_after_s: float, limit: int) -> list[str]:
        """Numbers of the orders to read by id: doubtful ones, and matched ones not reported for ``overdue_after_s``.

        Orders with a final status are included until they are settled, since the service may revert a status.
        """
        silent = sa.and_(
            status_order.c.submission_id.is_not(None),
            status_order.c.seen_at <= tx.now - timedelta(seconds=overdue_after_s),
        )
        query = (
            sa.select(status_order.c.order_number)
            .where(
                unindexed(status_order.c.account) == account,  # else SQLite reads all orders of the account
                NOT_SETTLED,
                status_order.c.doubtful | silent | status_order.c.seen_at.is_(None),
                status_order.c.read_after.is_(None) | (status_order.c.read_after <= tx.now),
            )
            .order_by(sa.desc(status_order.c.doubtful), status_order.c.read_after, status_order.c.order_number)
            .limit(limit)
        )
        return list(tx.run(query).scalars())

    @writes
    def record(
        self,
        tx: Transaction,
        account: str,
        numbers: Iterable[str],
        first_wait_s: float,
        longest_wait_s: float,
        *,
        answered: bool,
    ) -> None:
        """Record that these were requested. The delay until the next request doubles while nothing changes.

        ``answered``: the service returned their whole histories, so that they are no longer doubtful.
        """
        query = sa.select(status_order.c.order_number, status_order.c.reads).where(
            status_order.c.account == account, among(status_order.c.order_number, "numbers")
        )
        rows = []
        for row in tx.run(query, {"numbers": sorted(numbers)}):
            wait_s = backoff(first_wait_s, row.reads, max(longest_wait_s, first_wait_s))
            rows.append(
                {
                    "b_account": account,
                    "b_number": row.order_number,
                    "b_reads": row.reads + 1,
                    "b_after": tx.now + timedelta(seconds=wait_s),
                }
            )
        update = (
            status_order.update()
            .where(
                status_order.c.account == sa.bindparam("b_account"),
                status_order.c.order_number == sa.bindparam("b_number"),
            )
            .values(reads=sa.bindparam("b_reads"), read_after=sa.bindparam("b_after"))
        )
        tx.many(update.values(doubtful=False) if answered else update, rows)

    @reads
    def is_file_known(self, tx: Transaction, account: str, sha256: str) -> bool:
        """Whether a file with this content was read before with the same settings and without refused rows."""
        return bool(
            tx.run(
                sa.select(
                    sa.exists().where(
                        status_file.c.account == account, status_file.c.sha256 == sha256, status_file.c.refused == 0
                    )
                )
            ).scalar()
        )

    @writes
    def record_file(self, tx: Transaction, ctx: RunContext, sha256: str, name: str, *, rows: int, refused: int) -> None:
        """Record that this file was read and its rows are stored; replaces the record of an earlier reading."""
        if not refused:
            status_refusals.close_for_file(tx, ctx.pipeline, name)
        values = {"read_at": tx.now, "name": name, "rows": rows, "refused": refused, "run": ctx.run}
        insert = insertion(tx, status_file)
        changed = {column: insert.excluded[column] for column in values}
        statement = insert.on_conflict_do_update(index_elements=["account", "sha256"], set_=changed)
        tx.run(statement, {"account": ctx.pipeline, "sha256": sha256, **values})
