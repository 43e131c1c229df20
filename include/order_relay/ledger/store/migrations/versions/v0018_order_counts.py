"""Maintained counts of orders, and indexes for runs and acknowledgements by time.

Reads every order once; meanwhile nothing is written to the orders. See "Upgrade" in docs/operations.md.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

CONFIRMED = "ack = 'confirmed'"
_DAY = {"sqlite": "substr({0}, 1, 10)", "postgresql": "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"}


def upgrade() -> None:
    op.create_table(
        "order_count",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, primary_key=True),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_order_count_pipeline"),
        sa.PrimaryKeyConstraint("id", name="pk_order_count"),
    )
    op.create_index("ix_order_count_day", "order_count", ["pipeline", "day"])
    op.create_index("ix_run_started", "run", ["pipeline", "started_at"])
    op.create_index(
        "ix_submission_confirmed",
        "submission",
        ["pipeline", "ack_at"],
        sqlite_where=sa.text(CONFIRMED),
        postgresql_where=sa.text(CONFIRMED),
    )
    count_again(op.get_bind())


def count_again(conn: Connection) -> None:
    """Fill the table from the orders; no transaction writes to them meanwhile."""
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("LOCK TABLE submission, order_count IN SHARE ROW EXCLUSIVE MODE")
    conn.exec_driver_sql("DELETE FROM order_count")
    for kind, time, reason, which in (
        ("'received'", "first_offered_at", "''", "true"),
        ("state", "coalesce(imported_at, changed_at)", "reason", "state IN ('imported', 'superseded', 'discarded')"),
        ("'acknowledged'", "coalesce(ack_at, changed_at)", "''", CONFIRMED),
    ):
        day = _DAY[conn.dialect.name].format(time)
        conn.exec_driver_sql(
            "INSERT INTO order_count (pipeline, day, kind, reason, n)"  # noqa: S608 - our own words
            f" SELECT pipeline, {day}, {kind}, {reason}, count(*) FROM submission WHERE {which} GROUP BY 1, 2, 3, 4"
        )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
