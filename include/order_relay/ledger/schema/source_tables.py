"""Tables of how sources are read."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import UtcTime

# Which members of a source's documents the fingerprints of contents were taken of: settings change, and old ones stay.
content_reading = sa.Table(
    "content_reading",
    metadata,
    sa.Column("reading", sa.Text, primary_key=True),
    sa.Column("paths", sa.Text, nullable=False),  # JSON, see orders/contents.py
)

# Orders whose content their source did not give when it was last asked; the row goes when they were read.
unread = sa.Table(
    "unread",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("asks", sa.Integer, nullable=False),  # in vain, one after the other
    sa.Column("missing_since", UtcTime),  # its source has denied it since then
    sa.Column("denials", sa.Integer, nullable=False),
    sa.Column("gone_at", UtcTime),  # when that counted as withdrawn
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
)
