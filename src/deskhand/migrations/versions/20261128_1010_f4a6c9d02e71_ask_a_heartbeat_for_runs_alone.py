"""Let a heartbeat answer which runs are still the worker's, and nothing that no worker reads.

Revision ID: f4a6c9d02e71
Revises: b8d20f5e7a61
Create Date: 2026-11-28 10:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "f4a6c9d02e71"
down_revision: str | None = "b8d20f5e7a61"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("f4a6c9d02e71_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("f4a6c9d02e71_before.sql")
