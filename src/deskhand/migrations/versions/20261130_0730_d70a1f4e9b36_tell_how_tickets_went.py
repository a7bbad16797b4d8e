"""Tell how tickets went: when a technician first said something on one, and whether it was opened again.

Revision ID: d70a1f4e9b36
Revises: c8d40e7b91f3
Create Date: 2026-11-30 07:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "d70a1f4e9b36"
down_revision: str | None = "c8d40e7b91f3"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    # NULL for every ticket there is: nobody has read how it went.
    run("ALTER TABLE ticket_history ADD COLUMN touched_at timestamptz, ADD COLUMN reopened boolean")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("ALTER TABLE ticket_history DROP COLUMN touched_at, DROP COLUMN reopened")
