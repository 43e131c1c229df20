"""Tables of how sources are read."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

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

# An import of the past: a range of time, or (without one) delivered files. Another call for the range resumes it.
history_import = sa.Table(
    "history_import",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("range_start", UtcTime),
    sa.Column("range_end", UtcTime),
    sa.Column("run", sa.Text, nullable=False),  # the run that works on it, or did last
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("began_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),  # when its last slice was done
    sa.Index("ix_history_import_pipeline", "pipeline", "id"),
)

# A part of an import that is done as a whole: a day, or a file.
history_slice = sa.Table(
    "history_slice",
    metadata,
    sa.Column("import_id", BigKey, sa.ForeignKey("history_import.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("slice_start", UtcTime),
    sa.Column("slice_end", UtcTime),
    sa.Column("state", sa.Text, nullable=False),  # open, running, done
    sa.Column("owner", sa.Text, nullable=False),  # the run that works on it
    sa.Column("lease_until", UtcTime),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("began_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("orders", sa.BigInteger, nullable=False),  # that its batch has; a neighbouring slice may have some, too
)
