"""Know our own writes by the journal: an event's marks decide nothing any more, the writes on its ticket do.

Revision ID: d4c8f1a27e90
Revises: 7b3e9f21c6d8
Create Date: 2026-11-28 06:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "d4c8f1a27e90"
down_revision: str | None = "7b3e9f21c6d8"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d4c8f1a27e90_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d4c8f1a27e90_before.sql")
