"""The tables of what fulfilment services say about orders: beside the orders, of another kind, so in another module."""

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
    sa.Column("read_to", UtcTime),  # polled without a gap up to here
    sa.UniqueConstraint("account", name="uq_status_account_account"),
)

NOT_SETTLED = sa.text("NOT settled")

# One row an order that the service named, or that we asked it for.
status_order = sa.Table(
    "status_order",
    metadata,
    sa.Column("account", sa.Text, sa.ForeignKey("status_account.name"), primary_key=True),
    sa.Column("order_number", sa.Text, primary_key=True),  # as the service has it
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id")),  # null: no order of ours fits
    # derived from the events that stand
    sa.Column("order_status", sa.Text, nullable=False),
    sa.Column("detailed_status", sa.Text, nullable=False),
    sa.Column("parcels", sa.Text, nullable=False),  # JSON list of [parcel, status, when]
    sa.Column("changed_at", UtcTime),
    sa.Column("seen_at", UtcTime),
    sa.Column("full_read_at", UtcTime),  # the newest read of the whole history
    sa.Column("shown_at", UtcTime),  # the newest read that showed a history
    # when to read it by its id
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("doubt", sa.Text, nullable=False, server_default=""),  # a fingerprint of what was doubtful last
    sa.Column("reads", sa.Integer, nullable=False),  # since its last change
    sa.Column("read_after", UtcTime),  # not before
    # final for so long that it is not read by its id any more
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    # what followed
    sa.Column("followed", sa.Boolean, nullable=False),  # what follows from this state was done
    sa.Column("told", sa.Text, nullable=False),  # JSON list of parcels recorded as shipped
    sa.Column("asks", sa.Text, nullable=False),  # why a person is asked; empty: nobody is
    sa.Index("ix_status_order_submission", "submission_id"),
    sa.Index("ix_status_order_follow", "account", "followed"),
    sa.Index("ix_status_order_open", "account", "read_after", sqlite_where=NOT_SETTLED, postgresql_where=NOT_SETTLED),
)

# One row a content of an event; rows are never removed and their content never changes, but for free text that
# retention removes: the hash stays that of the content as it was told.
status_event = sa.Table(
    "status_event",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("order_number", sa.Text, primary_key=True),
    sa.Column("event_key", sa.Text, primary_key=True),
    sa.Column("content_hash", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),  # counts the contents of one event as they came
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("parcel", sa.Text, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("updated_at", UtcTime),
    sa.Column("happened_at", UtcTime),
    sa.Column("known_at", UtcTime, nullable=False),  # the newest moment at which this content was surely true
    sa.Column("was_read", sa.Boolean, nullable=False),  # by asking; else it was pushed
    # of the newest sighting: when it was asked for or arrived, and at which position of that report the event was
    # listed; missing in rows that are older than these columns, as are the first and last moment of any sighting
    sa.Column("listed_at", UtcTime),
    sa.Column("position", sa.Integer),
    sa.Column("first_at", UtcTime),
    sa.Column("last_at", UtcTime),
    sa.Column("state", sa.Text, nullable=False),  # stands, corrected, deleted
    sa.Column("channel", sa.Text, nullable=False),  # by which it came first
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
    sa.Column("sha256", sa.Text, primary_key=True),  # of its content, and of the settings that it was read with
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("read_at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
)

# Records that nobody could use: rows of files by number, others by order.
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
    sa.Column("closed_by", sa.Text, nullable=False, server_default=""),  # empty: by a later reading
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
