"""The tables as the code uses them. The migrations create them; a test keeps both in step."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.store.column_types import BigKey, UtcTime

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """An index of the rows that fulfil a condition."""
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


pipeline = sa.Table(
    "pipeline",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("source_account", sa.Text, nullable=False),
    sa.Column("destination_account", sa.Text, nullable=False),
    sa.Column("bound_at", UtcTime, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    # true from a start with a history until the first complete answer of the source was received
    sa.Column("unproven", sa.Boolean, nullable=False),
    sa.Column("resting_fingerprint", sa.Text),
    sa.Column("resting_why", sa.Text),
    # watermark of a source that is read by time
    sa.Column("read_to", UtcTime),
    # watermark of the search for offline orders, which are only marked
    sa.Column("offline_to", UtcTime),
    sa.Column("oms_to", UtcTime),  # orders imported until then have a row in ``oms_status``
    # after what orders are reported as done (``done_after``), as ``feedback_due`` knows it; null: nothing is reported
    sa.Column("feedback_after", sa.Text),
    # orders with ids up to this one are still to be looked through for ``feedback_due``
    sa.Column("feedback_unread", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.UniqueConstraint("source_account", "destination_account", name="uq_pipeline_accounts"),
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("facts", sa.Text),
    sa.Column("tables_version", sa.BigInteger),  # newest version of a code table's row that the run uses
    sa.Index("ix_run_started", "pipeline", "started_at"),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("manifest_name", sa.Text, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("complete", sa.Boolean, nullable=False),
    sa.Column("fetched_at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Index("ix_batch_fetched", "pipeline", "fetched_at"),
    *(
        sa.Index(name, "pipeline", "fetched_at", sqlite_where=sa.text(where), postgresql_where=sa.text(where))
        for name, where in (("ix_batch_complete", "complete"), ("ix_batch_orders", "records > 0"))
    ),
)

PARTLY_SHIPPED = "shipped = 'partly' AND cancelled_at IS NULL"
"""Some lines of the order have left the warehouse."""

_UNDECIDED = "source_cancelled_at IS NOT NULL AND cancellation_decided_at IS NULL"

submission = sa.Table(
    "submission",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    # identity
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("edition", sa.Integer, nullable=False),
    sa.Column("lineage", sa.Text, nullable=False),
    sa.Column("order_number", sa.Text, nullable=False),
    sa.Column("base_number", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("suffix", sa.BigInteger),
    sa.Column("customer_number", sa.Text, nullable=False, server_default=""),
    sa.Column("customer_po", sa.Text, nullable=False),
    sa.Column("items", sa.Text, nullable=False),  # JSON list of item numbers
    # content, and its place in the archive
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("batch_id", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("first_offered_at", UtcTime, nullable=False),
    sa.Column("last_offered_at", UtcTime, nullable=False),
    sa.Column("offered", sa.Text),  # JSON: changed content that came while it was sending or in doubt
    # state
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime),  # next check: waiting, in doubt
    sa.Column("waiting_since", UtcTime),  # not reset by another evaluation of the same order
    sa.Column("decided", sa.Boolean, nullable=False),  # released by an operator
    sa.Column("proven", sa.Boolean, nullable=False),  # needs no lookup before its first POST
    sa.Column("refusals_hash", sa.Text, nullable=False),
    # payload
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("destination_key", sa.Text),
    sa.Column("payload_name", sa.Text, nullable=False),
    sa.Column("payload_row", sa.Integer, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("transform_fingerprint", sa.Text, nullable=False),
    sa.Column("total_minor", sa.BigInteger),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),  # JSON list
    sa.Column("submitted_at", UtcTime),
    # delivery
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("send_before", UtcTime),
    sa.Column("absent_once_at", UtcTime),
    sa.Column("lookups", sa.Integer, nullable=False),
    # the first attempt to send this content, and the number of attempts since then that stored nothing, each proven by
    # two absences. New content, a replay or an operator's decision resets both; a further attempt does not
    sa.Column("first_sent_at", UtcTime),
    sa.Column("absences", sa.Integer, nullable=False, server_default="0"),
    sa.Column("oms_id", sa.Text),
    sa.Column("imported_at", UtcTime),
    # acknowledgement: null, due, sent, confirmed, refused
    sa.Column("ack", sa.Text),
    sa.Column("ack_at", UtcTime),
    sa.Column("ack_message", sa.Text, nullable=False),
    # after the import; none of these is a state
    sa.Column("shipped", sa.Text),  # null, partly, shipped
    sa.Column("shipped_at", UtcTime),  # when the newest parcel left
    sa.Column("source_cancelled_at", UtcTime),  # when its source cancelled it after sending
    sa.Column("cancelled_at", UtcTime),  # when an operator confirmed that the order is cancelled at the destination
    sa.Column("source_reinstated_at", UtcTime),  # when its source took the cancellation back; an operator must decide
    sa.Column("cancellation_decided_at", UtcTime),  # when an operator decided about the source's cancellation
    # the order number without the part that identifies the webshop, if it has one
    sa.Column("reference", sa.Text, nullable=False, server_default=sa.text("''")),
    # the order status in its payload (READY, SHIPPED, CANCELLED); empty if unknown
    sa.Column("sent_as", sa.Text, nullable=False, server_default=sa.text("''")),
    # empty, or how a history import read its content: silent (nothing is reported to the source) or reported
    sa.Column("history", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("history_import", sa.BigInteger),  # the latest history import that read it
    sa.UniqueConstraint("pipeline", "source_id", "edition", name="uq_submission_source_id"),
    sa.UniqueConstraint("destination", "destination_key", name="uq_submission_destination_key"),
    _partial(
        "uq_submission_lineage",
        "pipeline",
        "lineage",
        where="state IN ('sending', 'in_doubt', 'imported')",
        unique=True,
    ),
    sa.Index("ix_submission_lineage", "pipeline", "lineage"),
    sa.Index("ix_submission_order_number", "pipeline", "order_number"),
    sa.Index("ix_submission_state", "pipeline", "state", "changed_at", "id", "reason"),  # the reason: to filter by it
    sa.Index("ix_submission_received", "pipeline", "first_offered_at", "id"),
    _partial("ix_submission_ack", "pipeline", "id", where="ack IN ('due', 'sent', 'refused')"),
    _partial("ix_submission_confirmed", "pipeline", "ack_at", where="ack = 'confirmed'"),
    _partial("ix_submission_oms_id", "oms_id", where="oms_id IS NOT NULL"),
    _partial("ix_submission_imported", "destination", "imported_at", where="state = 'imported'"),
    _partial("ix_submission_source_cancelled", "pipeline", "id", where=_UNDECIDED),
    _partial("ix_submission_partly_shipped", "pipeline", "id", where=PARTLY_SHIPPED),
    _partial("ix_submission_cancelled_at", "cancelled_at", where="cancelled_at IS NOT NULL"),
    _partial("ix_submission_history", "history_import", "state", "imported_at", where="history_import IS NOT NULL"),
    _partial("ix_submission_reference", "reference", where="reference <> ''"),
    _partial("ix_submission_base_number", "base_number", where="base_number <> order_number"),
    _partial("ix_submission_customer_po", "customer_po", where="customer_po <> ''"),
    sqlite_autoincrement=True,  # an id is never reused, not even after the rows of a restored backup were removed
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), nullable=False),
    sa.Column("from_state", sa.Text, nullable=False),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("ix_event_submission", "submission_id", "id"),
    sa.Index("ix_event_run", "run"),
    sa.Index("ix_event_at", "at", "submission_id"),
)

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("payload_name", sa.Text, nullable=False),
    sa.Column("payload_row", sa.Integer, nullable=False),
    sa.Column("sent_at", UtcTime, nullable=False),
    sa.Column("send_before", UtcTime, nullable=False),
    sa.Column("settled_at", UtcTime),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("oms_id", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    # verbatim message that came with an order id; may contain customer data
    sa.Column("remark", sa.Text, nullable=False, server_default=""),
    sa.Index(
        "ix_attempt_remark", "run", sqlite_where=sa.text("remark <> ''"), postgresql_where=sa.text("remark <> ''")
    ),
)

lookup = sa.Table(
    "lookup",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("counted", sa.Boolean, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("oms_id", sa.Text),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Index("ix_lookup_submission", "submission_id"),
)

refusal = sa.Table(
    "refusal",
    metadata,
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),  # of the transition to quarantined
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("pointer", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("ix_refusal_code", "code"),
)

settlement = sa.Table(
    "settlement",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("lineage", sa.Text, nullable=False),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), nullable=False),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("ix_settlement_lineage", "pipeline", "lineage"),
    sa.Index("ix_settlement_submission", "submission_id"),
)

alert = sa.Table(
    "alert",
    metadata,
    sa.Column("pipeline", sa.Text, primary_key=True),  # empty: not about a pipeline
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("told_size", sa.BigInteger, nullable=False),
    sa.Column("repeat_s", sa.Float, nullable=False),
    sa.Column("first_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("told_at", UtcTime),
    sa.Column("next_at", UtcTime),  # next delivery; null: none
    sa.Column("cleared_at", UtcTime),
)
