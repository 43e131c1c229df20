"""An index of the write-back steps that are not finished.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

UNFINISHED = "state IN ('sent', 'refused', 'failed', 'given_up')"


def upgrade() -> None:
    op.create_index(
        "ix_feedback_unfinished",
        "feedback",
        ["step", "state", "at", "submission_id"],
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
