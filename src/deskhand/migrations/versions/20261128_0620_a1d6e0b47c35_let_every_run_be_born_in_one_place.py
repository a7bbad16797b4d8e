"""Let every run be born in one place: start_run, called by events, schedules and people alike.

Revision ID: a1d6e0b47c35
Revises: 5c17d0e9b3f4
Create Date: 2026-11-28 06:20:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "a1d6e0b47c35"
down_revision: str | None = "5c17d0e9b3f4"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a1d6e0b47c35_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a1d6e0b47c35_before.sql")
