"""SQL predicates that several parts of the ledger share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.shipment_tables import feed_gap
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import pipeline, settlement, submission

_other = submission.alias("other")
_winner = submission.alias("winner")
_OTHER_IS_OPEN = sa.or_(*[_other.c.state == sa.literal_column(f"'{state}'") for state in OPEN])

IN_ANY_PIPELINE = submission.c.pipeline.in_(sa.select(pipeline.c.name))
"""Every submission; with another column, it lets a database use an index that begins with the pipeline."""

BATCH_IS_COMPLETE = sa.text("batch.complete")
"""As ``batch.c.complete``, in the words of ``ix_batch_complete``."""


def of_pipeline(name: str | sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The submissions of a pipeline, as a condition that no index answers.

    Beside keys or a range of ids: SQLite would read all orders of the pipeline instead of these few.
    """
    return unindexed(submission.c.pipeline) == name


def of_any_pipeline(names: Collection[str]) -> sa.ColumnElement[bool]:
    """The submissions of some pipelines, as a condition that no index answers."""
    return unindexed(submission.c.pipeline).in_(sorted(names))


def unindexed(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The column as an expression that no index answers."""
    return sa.func.coalesce(column, column, type_=column.type)


HAS_IMPORTED_WINNER = sa.exists().where(
    _winner.c.pipeline == submission.c.pipeline,
    _winner.c.lineage == submission.c.lineage,
    # an expression, else SQLite takes ix_submission_state and reads all imported orders
    sa.func.coalesce(_winner.c.state, sa.literal_column("''")) == sa.literal_column("'imported'"),
    sa.tuple_(_winner.c.version, _winner.c.edition) > sa.tuple_(submission.c.version, submission.c.edition),
)
SETTLED_BY_OPERATOR = sa.exists().where(
    settlement.c.pipeline == submission.c.pipeline, settlement.c.lineage == submission.c.lineage
)
LINEAGE_IS_OPEN = sa.exists().where(
    _other.c.pipeline == submission.c.pipeline, _other.c.lineage == submission.c.lineage, _OTHER_IS_OPEN
)
DECIDED = submission.c.state.in_([State.IMPORTED, State.DISCARDED])
IS_SUPERSEDED = submission.c.state == State.SUPERSEDED

SETTLED_FOR_GOOD = sa.or_(
    DECIDED, sa.and_(IS_SUPERSEDED, sa.or_(HAS_IMPORTED_WINNER, sa.and_(SETTLED_BY_OPERATOR, ~LINEAGE_IS_OPEN)))
)
"""No further processing of the submission is possible, so that its order number may be acknowledged."""

GAP_IS_OPEN = feed_gap.c.mended_at.is_(None)
"""The feed still omits the order of this ``feed_gap`` row."""

NUMBER_IS_FREE = ~sa.exists().where(
    _other.c.pipeline == submission.c.pipeline, _other.c.order_number == submission.c.order_number, _OTHER_IS_OPEN
)
"""No open submission of the pipeline has the order number of this one."""
