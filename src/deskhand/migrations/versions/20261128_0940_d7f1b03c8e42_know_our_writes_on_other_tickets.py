"""Know our own writes on other tickets than the run's: what a desk reports of them starts nothing.

Revision ID: d7f1b03c8e42
Revises: c5d2a9e61f37
Create Date: 2026-11-28 09:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "d7f1b03c8e42"
down_revision: str | None = "c5d2a9e61f37"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE INDEX idx_execution_steps_target ON execution_steps (tenant_id, (input ->> 'target'))
         WHERE (input ->> 'target') IS NOT NULL
        """
    )
    run_copy("d7f1b03c8e42_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d7f1b03c8e42_before.sql")
    run("DROP INDEX idx_execution_steps_target")
