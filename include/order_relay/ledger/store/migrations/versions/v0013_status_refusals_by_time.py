"""Refused status records are counted by time.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_status_refusal_at", "status_refusal", ["account", "at"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
