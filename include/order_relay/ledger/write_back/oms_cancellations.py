"""Which cancellations at the OMS are reported to the source: never those of an order that was shipped in part."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.orders.fulfilment.oms_order import OmsReading

SHIPPED, OMS_CANCELLED = "shipped", "oms_cancelled"
EXCLUDES = {SHIPPED: OMS_CANCELLED, OMS_CANCELLED: SHIPPED}
"""The order was shipped, or it was cancelled at the OMS: a source is never sent both."""

REPORTED_FOR = timedelta(days=30)
"""A cancellation is reported for this long."""

_step = feedback.alias("other_step")
_other = submission.alias("other_version")


def has_step(step: str) -> sa.ColumnElement[bool]:
    """Whether this step of a submission was ever sent."""
    return sa.exists().where(_step.c.submission_id == submission.c.id, _step.c.step == step)


def cancelled_at_oms(now: datetime) -> list[sa.ColumnElement[bool]]:
    """The OMS itself says that the order is cancelled, and nothing of it was shipped or reported as shipped."""
    return [
        submission.c.cancelled_at >= now - REPORTED_FOR,
        submission.c.shipped.is_(None),
        sa.exists().where(oms_status.c.submission_id == submission.c.id, oms_status.c.reading == OmsReading.CANCELLED),
        ~has_step(SHIPPED),
    ]


IS_ONLY_VERSION = ~sa.exists().where(
    _other.c.pipeline == submission.c.pipeline,
    _other.c.lineage == submission.c.lineage,
    _other.c.id != submission.c.id,
    _other.c.state != State.DISCARDED,
)
"""The order has no other version: the OMS order of a replaced version is cancelled, too, but its source has only one
order."""
