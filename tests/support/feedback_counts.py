"""How many write-back steps are in which state."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger import Ledger
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback


def feedback_counts(ledger: Ledger, pipeline: str) -> dict[str, int]:
    """The steps of a pipeline's orders, counted as ``STEP_STATE``."""
    query = (
        sa.select(feedback.c.step, feedback.c.state, sa.func.count().label("n"))
        .join(submission, submission.c.id == feedback.c.submission_id)
        .where(submission.c.pipeline == pipeline)
        .group_by(feedback.c.step, feedback.c.state)
    )
    return ledger.database.read(lambda tx: {f"{row.step}_{row.state}": row.n for row in tx.run(query)})
