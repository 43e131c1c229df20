"""Files for a source's sales portal: what was written last, how far it goes, and which task is at work.

A file is ``writing`` from before its upload until it is known to be in its place, then ``written``, and ``taken`` once
the portal has removed it. Only a file that was known to be in its place counts as taken: otherwise its orders are
written again, which changes nothing at a portal that applies the newest row of an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import of_pipeline, unindexed
from order_relay.ledger.schema.records import SILENT
from order_relay.ledger.schema.shipment_tables import IS_COUNTED, shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import portal_file
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes
from order_relay.orders.fulfilment.portal_orders import PortalParcel
from order_relay.orders.messages import RunContext

NEW, WRITING, WRITTEN, TAKEN = "new", "writing", "written", "taken"

LEASE = timedelta(minutes=15)
"""How long a task may be at work on a file before another one takes over."""


@dataclass(frozen=True, slots=True)
class PortalFileState:
    """What is known of a file; see the columns of ``portal_file``. ``now``: the ledger's time (UTC) of the claim."""

    state: str
    covered_to: datetime | None
    covers_to: datetime | None
    digest: str
    replaced: str
    at: datetime
    now: datetime


class PortalFiles(Repository):
    """The files for a source's sales portal. One task at a time works on a file: the ``owner`` of its claim."""

    @inserts
    def claim(self, tx: Transaction, ctx: RunContext, name: str, place: str, owner: str) -> PortalFileState | None:
        """Claim a file; returns what is known of it, or ``None`` while another task is at work on it.

        ``place``: its connection and folder. Elsewhere than before, nothing is known of it but what was taken.
        """
        row = tx.run(sa.select(portal_file).where(_one(ctx.pipeline, name)).with_for_update()).one_or_none()
        if row is None:
            empty = {"state": NEW, "digest": "", "replaced": "", "at": tx.now, "run": ctx.run}
            tx.run(
                portal_file.insert().values(
                    pipeline=ctx.pipeline, name=name, place=place, owner=owner, lease_until=tx.now + LEASE, **empty
                )
            )
            return PortalFileState(NEW, None, None, "", "", tx.now, tx.now)
        if row.owner and row.lease_until > tx.now:
            return None
        values: dict[str, Any] = {"owner": owner, "lease_until": tx.now + LEASE}
        if row.place != place:
            values |= {"place": place, "state": NEW, "covers_to": None, "digest": "", "replaced": "", "at": tx.now}
        tx.run(portal_file.update().where(_one(ctx.pipeline, name)).values(values))
        known = {**row._mapping, **values}
        return PortalFileState(
            **{one: known[one] for one in ("state", "covered_to", "covers_to", "digest", "replaced", "at")}, now=tx.now
        )

    @writes
    def begin(
        self,
        tx: Transaction,
        ctx: RunContext,
        name: str,
        owner: str,
        *,
        digest: str,
        replaced: str,
        covers_to: datetime,
    ) -> bool:
        """Note what is about to be uploaded; false if another task has taken over."""
        values = {"state": WRITING, "digest": digest, "replaced": replaced, "covers_to": covers_to}
        return _change(tx, ctx, name, owner, at=tx.now, run=ctx.run, lease_until=tx.now + LEASE, **values)

    @writes
    def settle(self, tx: Transaction, ctx: RunContext, name: str, owner: str) -> bool:
        """Note that the file last uploaded is in its place; false if another task has taken over."""
        return _change(tx, ctx, name, owner, state=WRITTEN, replaced="", at=tx.now)

    @writes
    def advance(self, tx: Transaction, ctx: RunContext, name: str, owner: str, to: datetime) -> bool:
        """Note that nothing until ``to`` is left to be written; false if another task has taken over."""
        digest = sa.case((portal_file.c.state == WRITING, ""), else_=portal_file.c.digest)  # perhaps never taken
        return _change(tx, ctx, name, owner, state=TAKEN, covered_to=to, digest=digest, replaced="")

    @writes
    def renew(self, tx: Transaction, ctx: RunContext, name: str, owner: str) -> bool:
        """Extend the claim; false if another task has taken over."""
        return _change(tx, ctx, name, owner, lease_until=tx.now + LEASE)

    @writes
    def release(self, tx: Transaction, ctx: RunContext, name: str, owner: str) -> None:
        """End the claim, unless another task has taken over."""
        _change(tx, ctx, name, owner, owner="", lease_until=None)

    @reads
    def parcels_since(self, tx: Transaction, name: str, since: datetime, most: int) -> list[PortalParcel]:
        """The parcels with tracking numbers matched to a pipeline's imported orders since a time, at most ``most``."""
        columns = [submission.c.order_number, submission.c.oms_id, shipment.c.carrier, shipment.c.tracking_number]
        query = (
            sa.select(*columns)
            .join(submission, submission.c.id == shipment.c.submission_id)
            .where(
                shipment.c.matched_at >= since,
                IS_COUNTED,
                shipment.c.tracking_number != "",
                of_pipeline(name),
                unindexed(submission.c.state) == State.IMPORTED,
                submission.c.history != SILENT,
            )
            .order_by(shipment.c.matched_at, shipment.c.submission_id, shipment.c.id)
            .limit(most)
        )
        return [
            PortalParcel(row.order_number, row.oms_id or "", row.carrier, row.tracking_number) for row in tx.run(query)
        ]


def _one(pipeline: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(portal_file.c.pipeline == pipeline, portal_file.c.name == name)


def _change(tx: Transaction, ctx: RunContext, name: str, claimed_by: str, **values: Any) -> bool:
    mine = sa.and_(_one(ctx.pipeline, name), portal_file.c.owner == claimed_by)
    return tx.run(portal_file.update().where(mine).values(values)).rowcount == 1
