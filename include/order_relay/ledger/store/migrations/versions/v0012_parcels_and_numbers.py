"""Parcels that wait for an operator, the status an order was sent with, and columns by which orders are found.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FOUND_BY = (
    ("reference", "reference <> ''"),
    ("base_number", "base_number <> order_number"),
    ("customer_po", "customer_po <> ''"),
)
OPEN = "closed = '' AND (submission_id IS NULL OR asks <> '')"


def upgrade() -> None:
    for table, names in (
        ("submission", ("reference", "sent_as")),
        ("shipment", ("asks", "closed", "raw")),
        ("shipment_line", ("odd",)),
    ):
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    # a CloudSuite number is the webshop's id, a dash, and the reference
    dash = {"sqlite": "instr(order_number, '-')", "postgresql": "strpos(order_number, '-')"}[op.get_bind().dialect.name]
    op.execute(
        f"UPDATE submission SET reference = substr(order_number, {dash} + 1) WHERE {dash} > 1 AND pipeline IN "  # noqa: S608 - no values
        "(SELECT name FROM pipeline WHERE source_account LIKE 'cloudsuite:%')"
    )
    for name, which in FOUND_BY:
        where = sa.text(which)
        op.create_index(f"ix_submission_{name}", "submission", [name], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_shipment_open", "shipment", ["id"], sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN))
    op.create_table(
        "ledger_mark",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_ledger_mark"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
