"""An index for positive controls: the orders imported to a destination, by time.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

IMPORTED = "state = 'imported'"


def upgrade() -> None:
    op.create_index(
        "ix_submission_imported",
        "submission",
        ["destination", "imported_at"],
        sqlite_where=sa.text(IMPORTED),
        postgresql_where=sa.text(IMPORTED),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
