"""Take a worker's pause for a pause: the run it hands back, or lost meanwhile, has no crash to its name.

Revision ID: c2f4b81d07e9
Revises: d4c8f1a27e90
Create Date: 2026-11-28 06:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "c2f4b81d07e9"
down_revision: str | None = "d4c8f1a27e90"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("c2f4b81d07e9_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("c2f4b81d07e9_before.sql")
