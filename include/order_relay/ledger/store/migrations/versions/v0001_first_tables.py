"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ON_ITS_WAY = "state IN ('sending', 'in_doubt', 'imported')"
ACK_OPEN = "ack IN ('due', 'sent', 'refused')"


def upgrade() -> None:
    op.create_table(
        "pipeline",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source_account", sa.Text(), nullable=False),
        sa.Column("destination_account", sa.Text(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("unproven", sa.Boolean(), nullable=False),
        sa.Column("resting_fingerprint", sa.Text(), nullable=True),
        sa.Column("resting_why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_pipeline"),
        sa.UniqueConstraint("source_account", "destination_account", name="uq_pipeline_accounts"),
    )
    op.create_table(
        "batch",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("manifest_name", sa.Text(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_batch_pipeline"),
        sa.PrimaryKeyConstraint("pipeline", "batch_id", name="pk_batch"),
    )
    op.create_index("ix_batch_fetched", "batch", ["pipeline", "fetched_at"], unique=False)
    op.create_table(
        "run",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_run_pipeline"),
        sa.PrimaryKeyConstraint("pipeline", "run", name="pk_run"),
    )
    op.create_table(
        "submission",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=False),
        sa.Column("base_number", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("suffix", sa.BigInteger(), nullable=True),
        sa.Column("customer_po", sa.Text(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("first_offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offered", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("refusals_hash", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("destination_key", sa.Text(), nullable=True),
        sa.Column("payload_name", sa.Text(), nullable=False),
        sa.Column("payload_row", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("transform_fingerprint", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("send_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("absent_once_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lookups", sa.Integer(), nullable=False),
        sa.Column("oms_id", sa.Text(), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ack", sa.Text(), nullable=True),
        sa.Column("ack_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ack_message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_submission_pipeline"),
        sa.PrimaryKeyConstraint("id", name="pk_submission"),
        sa.UniqueConstraint("destination", "destination_key", name="uq_submission_destination_key"),
        sa.UniqueConstraint("pipeline", "source_id", "edition", name="uq_submission_source_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_submission_ack",
        "submission",
        ["pipeline", "id"],
        unique=False,
        sqlite_where=sa.text(ACK_OPEN),
        postgresql_where=sa.text(ACK_OPEN),
    )
    op.create_index("ix_submission_lineage", "submission", ["pipeline", "lineage"], unique=False)
    op.create_index(
        "ix_submission_oms_id",
        "submission",
        ["oms_id"],
        unique=False,
        sqlite_where=sa.text("oms_id IS NOT NULL"),
        postgresql_where=sa.text("oms_id IS NOT NULL"),
    )
    op.create_index("ix_submission_order_number", "submission", ["pipeline", "order_number"], unique=False)
    op.create_index("ix_submission_state", "submission", ["pipeline", "state"], unique=False)
    op.create_index(
        "uq_submission_lineage",
        "submission",
        ["pipeline", "lineage"],
        unique=True,
        sqlite_where=sa.text(ON_ITS_WAY),
        postgresql_where=sa.text(ON_ITS_WAY),
    )
    op.create_table(
        "attempt",
        sa.Column("submission_id", BigKey, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("payload_name", sa.Text(), nullable=False),
        sa.Column("payload_row", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("send_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("oms_id", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_attempt_submission_id"),
        sa.PrimaryKeyConstraint("submission_id", "number", name="pk_attempt"),
    )
    op.create_table(
        "event",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("submission_id", BigKey, nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_event_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_run", "event", ["run"], unique=False)
    op.create_index("ix_event_submission", "event", ["submission_id", "id"], unique=False)
    op.create_table(
        "lookup",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("submission_id", BigKey, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("oms_id", sa.Text(), nullable=True),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_lookup_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_lookup"),
    )
    op.create_index("ix_lookup_submission", "lookup", ["submission_id"], unique=False)
    op.create_table(
        "refusal",
        sa.Column("submission_id", BigKey, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_refusal_submission_id"),
        sa.PrimaryKeyConstraint("submission_id", "revision", "position", name="pk_refusal"),
    )
    op.create_index("ix_refusal_code", "refusal", ["code"], unique=False)
    op.create_table(
        "settlement",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.Column("submission_id", BigKey, nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_settlement_pipeline"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_settlement_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_settlement"),
    )
    op.create_index("ix_settlement_lineage", "settlement", ["pipeline", "lineage"], unique=False)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
