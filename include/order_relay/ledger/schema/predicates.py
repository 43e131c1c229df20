"""SQL predicates that several parts of the ledger share."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.shipment_tables import feed_gap
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import settlement, submission

_other = submission.alias("other")
_winner = submission.alias("winner")
_OTHER_IS_OPEN = sa.or_(*[_other.c.state == sa.literal_column(f"'{state}'") for state in OPEN])

HAS_IMPORTED_WINNER = sa.exists().where(
    _winner.c.pipeline == submission.c.pipeline,
    _winner.c.lineage == submission.c.lineage,
    _winner.c.state == sa.literal_column("'imported'"),
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
