"""Tables of how sources are read."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import UtcTime

# The members of source documents that content fingerprints cover: settings change, and old fingerprints stay.
content_reading = sa.Table(
    "content_reading",
    metadata,
    sa.Column("reading", sa.Text, primary_key=True),
    sa.Column("paths", sa.Text, nullable=False),  # JSON, see orders/mapping/content_hash.py
)

# Orders whose content the source did not return when last requested; the row is removed once they are read.
unread = sa.Table(
    "unread",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("asks", sa.Integer, nullable=False),  # consecutive failed requests
    sa.Column("missing_since", UtcTime),  # reported as missing by its source since then
    sa.Column("denials", sa.Integer, nullable=False),
    sa.Column("gone_at", UtcTime),  # when it counted as withdrawn
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
)
