"""Add queue_depth(), which API and workers read for their metrics.

Revision ID: a1c4e7d02b95
Revises: a1d6e0b47c35
Create Date: 2026-11-28 06:25:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "a1c4e7d02b95"
down_revision: str | None = "a1d6e0b47c35"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a1c4e7d02b95_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a1c4e7d02b95_before.sql")
