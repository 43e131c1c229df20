"""An index for positive controls: the orders imported to a destination, by time.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

IMPORTED = "state = 'imported'"


def upgrade() -> None:
    op.create_index("ix_submission_imported", "submission", ["destination", "imported_at"],
                    sqlite_where=sa.text(IMPORTED), postgresql_where=sa.text(IMPORTED))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
