"""Stores the reports of fulfilment services: every content of every event, and the derived state of the order.

``orders.fulfilment.status_events`` decides which events are valid. One call is one transaction and may be repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.errors import ConfigurationError
from order_relay.ledger.fulfilment.status_merge import (
    ORDER_COLUMNS,
    SIGHTING_COLUMNS,
    StatusMerge,
    StoredHistory,
    StoredStatuses,
)
from order_relay.ledger.fulfilment.status_refusals import close_for_orders
from order_relay.ledger.schema.status_tables import status_account, status_event, status_order, status_refusal
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.store.text import clean_text
from order_relay.orders.fulfilment.status_events import StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.messages import RunContext


class StatusHistory(Repository):
    """Status events as fulfilment services report them."""

    @writes
    def bind(self, tx: Transaction, name: str, account: str) -> None:
        """Bind the name of a status account to the account on first use.

        Raises ``ConfigurationError`` if the name or the account is bound to another one.
        """
        found = tx.run(
            sa.select(status_account).where((status_account.c.name == name) | (status_account.c.account == account))
        ).first()
        if found is None:
            tx.run(status_account.insert(), {"name": name, "account": account, "bound_at": tx.now})
        elif (found.name, found.account) != (name, account):
            raise ConfigurationError(
                f"{found.name!r} is bound in this ledger to {found.account}, so {name!r} cannot be bound to "
                f"{account}; correct the connection, or add a file to include/config for another account"
            )

    @writes
    def store(
        self,
        tx: Transaction,
        ctx: RunContext,
        reports: Sequence[StatusReport],
        *,
        refused: Sequence[RejectedRecord] = (),
        origin: str = "",
        late_before: datetime | None = None,
        final: Collection[str] = (),
    ) -> StoredStatuses:
        """Merge reports into the histories of their orders. ``ctx.pipeline`` is the name of the account.

        ``final``: statuses after which no other is expected. The result's ``late`` counts new contents that were
        published before ``late_before``.
        """
        by_order: dict[str, list[StatusReport]] = defaultdict(list)
        for report in reports:
            by_order[report.order_id].append(report)
        rows = _locked(tx, ctx.pipeline, sorted(by_order))
        stored_histories = _stored_histories(tx, ctx.pipeline, rows)
        storing = StatusMerge(tx, ctx, late_before, final)
        total = StoredStatuses(refused=len(refused))
        for number, order_reports in by_order.items():
            total += storing.merge(rows[number], stored_histories[number], order_reports)
        tx.many(status_event.insert(), storing.inserts)
        tx.many(_UPDATE, storing.updates)
        tx.many(_UPDATE_ORDER, storing.orders)
        whole = {number for number, order_reports in by_order.items() if any(report.full for report in order_reports)}
        close_for_orders(tx, ctx.pipeline, whole)
        keep_refused(tx, ctx, refused, origin)
        return total


def keep_refused(tx: Transaction, ctx: RunContext, refused: Iterable[RejectedRecord], origin: str) -> None:
    """Record why records could not be used; a repeated record only gets a new time and is open again."""
    rows = {
        (reference, refusal.code): {
            "account": ctx.pipeline,
            "origin": clean_text(origin, 300),
            "place": reference,
            "code": refusal.code,
            "pointer": refusal.pointer,
            "message": refusal.message,
            "at": tx.now,
            "run": ctx.run,
        }
        for entry in refused
        for reference in (clean_text(entry.order_id or f"row {entry.position}", 300),)
        for refusal in entry.issues
    }
    if rows:
        insert = insertion(tx, status_refusal)
        keys = [column.name for column in status_refusal.primary_key]
        again = {"at": insert.excluded.at, "closed_at": None, "closed_by": "", "closed_why": ""}
        tx.many(insert.on_conflict_do_update(index_elements=keys, set_=again), [*rows.values()])


_UPDATE_ORDER = (
    status_order.update()
    .where(status_order.c.account == sa.bindparam("b_account"), status_order.c.order_number == sa.bindparam("b_number"))
    .values({name: sa.bindparam(f"b_{name}") for name in ORDER_COLUMNS})
)
_UPDATE = (
    status_event.update()
    .where(
        status_event.c.account == sa.bindparam("b_account"),
        status_event.c.order_number == sa.bindparam("b_number"),
        status_event.c.event_key == sa.bindparam("b_key"),
        status_event.c.content_hash == sa.bindparam("b_hash"),
    )
    .values({name: sa.bindparam(f"b_{name}") for name in ("state", *SIGHTING_COLUMNS)})
)


def add_orders(tx: Transaction, account: str, numbers: Mapping[str, int | None]) -> None:
    """Insert rows for orders that have none, with their submission if it is known."""
    blank = {
        "account": account,
        "order_status": "",
        "detailed_status": "",
        "parcels": "[]",
        "doubtful": False,
        "reads": 0,
        "followed": True,
        "told": "[]",
        "asks": "",
        "doubt": "",
        "settled": False,
    }
    rows = [{**blank, "order_number": number, "submission_id": found} for number, found in sorted(numbers.items())]
    tx.many(insertion(tx, status_order).on_conflict_do_nothing(), rows)


def _locked(tx: Transaction, account: str, numbers: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """The rows of these orders, inserted if missing, locked in key order."""
    query = (
        sa.select(status_order)
        .where(status_order.c.account == account, among(status_order.c.order_number, "numbers"))
        .order_by(status_order.c.order_number)
        .with_for_update()
    )
    found = tx.run(query, {"numbers": list(numbers)}).mappings().all()
    if len(found) < len(numbers):
        add_orders(tx, account, dict.fromkeys(set(numbers) - {row["order_number"] for row in found}))
        found = tx.run(query, {"numbers": list(numbers)}).mappings().all()
    return {row["order_number"]: dict(row) for row in found}


def _stored_histories(
    tx: Transaction, account: str, orders: Mapping[str, Mapping[str, Any]]
) -> dict[str, StoredHistory]:
    query = (
        sa.select(status_event)
        .where(status_event.c.account == account, among(status_event.c.order_number, "numbers"))
        .order_by(status_event.c.order_number, status_event.c.event_key, status_event.c.revision)
    )
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in tx.run(query, {"numbers": list(orders)}):
        grouped[row.order_number].append(row)
    return {
        number: StoredHistory(grouped[number], row["full_read_at"], row["shown_at"]) for number, row in orders.items()
    }


def insertion(tx: Transaction, table: sa.Table) -> Any:
    """The INSERT of the dialect, which supports ``ON CONFLICT``."""
    return postgresql.insert(table) if tx.conn.dialect.name == "postgresql" else sqlite.insert(table)
