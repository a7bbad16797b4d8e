"""Let a webhook trigger say which of its desk's events start a run, and keep what an event said for trying it.

Revision ID: a4c81e6d2f57
Revises: f3d7a05c9e14
Create Date: 2026-11-28 23:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "a4c81e6d2f57"
down_revision: str | None = "f3d7a05c9e14"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE agent_triggers ADD COLUMN event_filter jsonb",
        "ALTER TABLE webhook_deliveries ADD COLUMN facts jsonb",
    )
    run_copy("a4c81e6d2f57_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a4c81e6d2f57_before.sql")
    run(
        "ALTER TABLE webhook_deliveries DROP COLUMN facts",
        "ALTER TABLE agent_triggers DROP COLUMN event_filter",
    )
