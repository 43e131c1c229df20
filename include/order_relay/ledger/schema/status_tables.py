"""The tables of order statuses from fulfilment services; part of the same ``metadata`` as ``tables``."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

status_account = sa.Table(
    "status_account",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("bound_at", UtcTime, nullable=False),
    sa.Column("read_to", UtcTime),  # watermark of the polls
    sa.UniqueConstraint("account", name="uq_status_account_account"),
)

NOT_SETTLED = sa.text("NOT settled")
ASKED = sa.text("asks <> ''")

# One row per order that the service reported, or that was requested from it.
status_order = sa.Table(
    "status_order",
    metadata,
    sa.Column("account", sa.Text, sa.ForeignKey("status_account.name"), primary_key=True),
    sa.Column("order_number", sa.Text, primary_key=True),  # as the service names it
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id")),  # null: no matching order
    # derived from the events that are neither corrected nor deleted
    sa.Column("order_status", sa.Text, nullable=False),
    sa.Column("detailed_status", sa.Text, nullable=False),
    sa.Column("parcels", sa.Text, nullable=False),  # JSON list of [parcel, status, when]
    sa.Column("changed_at", UtcTime),
    sa.Column("seen_at", UtcTime),
    sa.Column("full_read_at", UtcTime),  # newest read of the whole history
    sa.Column("shown_at", UtcTime),  # newest read that returned a history
    # next read by id
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("doubt", sa.Text, nullable=False, server_default=""),  # fingerprint of the latest doubt
    sa.Column("reads", sa.Integer, nullable=False),  # since its last change
    sa.Column("read_after", UtcTime),  # not before
    # final for long enough that it is no longer read by id
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    # consequences
    sa.Column("followed", sa.Boolean, nullable=False),  # the consequences of this state were handled
    sa.Column("told", sa.Text, nullable=False),  # JSON list of parcels recorded as shipped
    sa.Column("asks", sa.Text, nullable=False),  # why an operator must decide; empty: no decision needed
    sa.Index("ix_status_order_submission", "submission_id"),
    sa.Index("ix_status_order_follow", "account", "followed"),
    sa.Index("ix_status_order_asked", "submission_id", sqlite_where=ASKED, postgresql_where=ASKED),
    sa.Index("ix_status_order_open", "account", "read_after", sqlite_where=NOT_SETTLED, postgresql_where=NOT_SETTLED),
)

# One row per content of an event. Rows are never removed and their content never changes, except for free text that
# retention removes: the hash remains that of the original content.
status_event = sa.Table(
    "status_event",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("order_number", sa.Text, primary_key=True),
    sa.Column("event_key", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),  # numbers the contents of one event in order of arrival
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("parcel", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("updated_at", UtcTime),
    sa.Column("happened_at", UtcTime),
    sa.Column("known_at", UtcTime, nullable=False),  # newest time at which this content was known to be true
    sa.Column("was_read", sa.Boolean, nullable=False),  # read by request; otherwise pushed
    # the newest sighting: when it was requested or arrived, and the event's position in that report; missing in rows
    # older than these columns, as are the times of the first and last sighting
    sa.Column("listed_at", UtcTime),
    sa.Column("position", sa.Integer),
    sa.Column("first_at", UtcTime),
    sa.Column("last_at", UtcTime),
    sa.Column("state", sa.Text, nullable=False),  # ``stands``, ``corrected``, ``deleted``
    sa.Column("channel", sa.Text, nullable=False),  # the channel of its first arrival
    sa.Column("first_seen_at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.ForeignKeyConstraint(
        ["account", "order_number"],
        ["status_order.account", "status_order.order_number"],
        name="fk_status_event_order",
    ),
)

status_file = sa.Table(
    "status_file",
    metadata,
    sa.Column("account", sa.Text, sa.ForeignKey("status_account.name"), primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),  # of its content, and of the settings used to read it
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("read_at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
)

# Unusable records: rows of files by number, others by order.
status_refusal = sa.Table(
    "status_refusal",
    metadata,
    sa.Column("account", sa.Text, sa.ForeignKey("status_account.name"), primary_key=True),
    sa.Column("origin", sa.Text, primary_key=True),  # a channel, or a file's name
    sa.Column("place", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("pointer", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("closed_at", UtcTime),
    sa.Column("closed_by", sa.Text, nullable=False, server_default=""),  # empty: closed by a later read
    sa.Column("closed_why", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_status_refusal_at", "account", "at"),
    sa.Index(
        "ix_status_refusal_open",
        "account",
        "place",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)
