"""The tables of parcels and feeds; part of the same ``metadata`` as ``tables``."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

WAITING_PARCEL = "closed = '' AND (submission_id IS NULL OR asks <> '')"
"""A parcel that needs an operator: it matches no order, or may be a duplicate."""

shipment = sa.Table(
    "shipment",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("origin", sa.Text, nullable=False),  # the reporting vendor, or "person"
    sa.Column("key", sa.Text, nullable=False),  # the origin's identity of this parcel
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id")),  # null: no matching order was found
    sa.Column("matched_at", UtcTime),
    sa.Column("words", sa.Text, nullable=False),  # JSON list: the names of the order at the origin
    sa.Column("carrier", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("tracking_number", sa.Text, nullable=False),
    sa.Column("shipped_at", UtcTime),
    sa.Column("cost_minor", sa.BigInteger),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    # what an operator must decide before it counts; empty: nothing
    sa.Column("asks", sa.Text, nullable=False, server_default=sa.text("''")),
    # why it never counts (again): repeated, replaced, dismissed; empty: it counts, or waits
    sa.Column("closed", sa.Text, nullable=False, server_default=sa.text("''")),
    # the raw text of an unreadable notice until an operator decides; may contain personal data
    sa.Column("raw", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.UniqueConstraint("origin", "key", name="uq_shipment_key"),
    sa.Index("ix_shipment_open", "id", sqlite_where=sa.text(WAITING_PARCEL), postgresql_where=sa.text(WAITING_PARCEL)),
    sa.Index("ix_shipment_submission", "submission_id", "id"),
    sa.Index("ix_shipment_matched_at", "matched_at", "submission_id"),
)

IS_COUNTED = sa.and_(shipment.c.asks == "", shipment.c.closed == "")
"""A parcel that counts for its order."""

tracking_key = sa.func.upper(
    sa.func.replace(shipment.c.tracking_number, sa.literal_column("' '"), sa.literal_column("''"))
)
"""A parcel's tracking number in the spelling in which it is searched: upper case, without spaces."""

sa.Index("ix_shipment_tracking", tracking_key)

shipment_line = sa.Table(
    "shipment_line",
    metadata,
    sa.Column("shipment_id", BigKey, sa.ForeignKey("shipment.id"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Text, nullable=False),
    sa.Column("item_number", sa.Text, nullable=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    # unreadable parts of the line, which then counts as surplus only; empty: none
    sa.Column("odd", sa.Text, nullable=False, server_default=sa.text("''")),
)

# Values of this ledger alone, such as the key of the ids in feeds.
ledger_mark = sa.Table(
    "ledger_mark",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# One row per period in which a feed omits an order. It is closed, but kept, once the order can be rendered.
feed_gap = sa.Table(
    "feed_gap",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("noted_at", UtcTime, nullable=False),
    sa.Column("mended_at", UtcTime),
    sa.Index(
        "uq_feed_gap_open",
        "submission_id",
        unique=True,
        sqlite_where=sa.text("mended_at IS NULL"),
        postgresql_where=sa.text("mended_at IS NULL"),
    ),
    sa.Index("ix_feed_gap_submission", "submission_id", "id"),
    sa.Index("ix_feed_gap_mended_at", "mended_at", "submission_id"),
)
