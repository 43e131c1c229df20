"""Who ordered a version: superseding needs versions that agree on it. Placeholder uuids no longer join orders.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submission", sa.Column("customer_number", sa.Text(), nullable=False, server_default=""))
    # Orders at the destination and superseded ones keep theirs: by it an acknowledgement is known to be allowed.
    op.execute(
        "UPDATE submission SET lineage = source_id WHERE edition = 1 "
        "AND lineage IN ('00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF') "
        "AND state IN ('received', 'waiting', 'ready', 'quarantined', 'rejected', 'held')"
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
