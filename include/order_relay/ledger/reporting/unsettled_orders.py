"""Which orders retention must leave alone, and how to find them without reading all orders.

An order is settled for retention if all of this holds:

* It needs no further processing, and its acknowledgement is confirmed or not required.
* No submission with its number or of its lineage is open, since a review would show it for comparison.
* It is not partly shipped, has no open write-back step and is no longer asked about at its destination, since its
  lines are needed to count the parcels.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from order_relay.iteration import batched
from order_relay.ledger.fulfilment.shipments import PARTLY
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.predicates import (
    IN_ANY_PIPELINE,
    LINEAGE_IS_OPEN,
    NUMBER_IS_FREE,
    SETTLED_FOR_GOOD,
    of_pipeline,
)
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import PARTLY_SHIPPED, submission
from order_relay.ledger.schema.write_back_tables import UNFINISHED, feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.submissions.unidentified_orders import UNNAMED
from order_relay.ledger.write_back.feedback import OPEN as OPEN_STEP

_KEYS = 1_000
"""Keys per statement."""

_HALF_SHIPPED = sa.and_(sa.func.coalesce(submission.c.shipped, "") == PARTLY, submission.c.cancelled_at.is_(None))
_FEEDBACK_IS_OPEN = sa.exists().where(feedback.c.submission_id == submission.c.id, feedback.c.state.in_(OPEN_STEP))
_IS_ASKED_ABOUT = sa.exists().where(oms_status.c.submission_id == submission.c.id, oms_status.c.due_at.is_not(None))
SETTLED = sa.or_(
    sa.and_(
        SETTLED_FOR_GOOD,
        sa.func.coalesce(submission.c.ack, "confirmed") == "confirmed",
        NUMBER_IS_FREE,
        ~LINEAGE_IS_OPEN,
        ~_HALF_SHIPPED,
        ~_FEEDBACK_IS_OPEN,
        ~_IS_ASKED_ABOUT,
    ),
    sa.and_(submission.c.state == State.SUPERSEDED, UNNAMED, submission.c.ack.is_(None)),
)
"""The submission is settled for retention."""

_NAME = sa.bindparam("name", type_=sa.Text)
_OF = submission.c.pipeline == _NAME
_OPEN = sa.select(submission.c.id).where(IN_ANY_PIPELINE, of_pipeline(_NAME), submission.c.state.in_(OPEN))
"""Of a pipeline that its statistics do not know yet, PostgreSQL would read all orders if it was asked for by name."""

_COMPARED = (submission.c.order_number, submission.c.lineage)
_UNFINISHED = (
    sa.select(submission.c.id).where(_OF, sa.text("submission.ack IN ('due', 'sent', 'refused')"), submission.c.id > 0),
    sa.select(submission.c.id).where(_OF, sa.text(PARTLY_SHIPPED), submission.c.id > 0),
    sa.select(feedback.c.submission_id).where(sa.text(f"feedback.{UNFINISHED}"), feedback.c.state.in_(OPEN_STEP)),
    sa.select(oms_status.c.submission_id).where(oms_status.c.pipeline == _NAME, oms_status.c.due_at.is_not(None)),
)
"""Each by an index of its own, which holds few rows: on SQLite because of the condition about the id."""


def unfinished(tx: Transaction, name: str) -> set[int]:
    """The ids of all submissions of a pipeline that are not ``SETTLED``, except for superseded ones. Some that are
    settled, or of other pipelines, are among them.
    """
    values = {"name": name}
    open_ones = tx.run(_OPEN, values).scalars().all()
    found = set(open_ones)
    for ids in batched(open_ones, _KEYS):
        for column in _COMPARED:
            keys = tx.run(sa.select(column).where(among(submission.c.id, "ids", ids))).scalars().all()
            found.update(tx.run(sa.select(submission.c.id).where(_OF, among(column, "keys", keys)), values).scalars())
    for query in _UNFINISHED:
        found.update(tx.run(query, values).scalars())
    return found


def superseded(tx: Transaction, name: str, after: tuple[datetime, int], limit: int) -> list[tuple[datetime, int]]:
    """Time of change and id of superseded submissions after such a pair, in this order: at most ``limit``."""
    place = (submission.c.changed_at, submission.c.id)
    begin = sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(after, place, strict=True)))
    query = sa.select(*place).where(_OF, submission.c.state == State.SUPERSEDED, sa.tuple_(*place) > begin)
    return [(row.changed_at, row.id) for row in tx.run(query.order_by(*place).limit(limit), {"name": name})]
