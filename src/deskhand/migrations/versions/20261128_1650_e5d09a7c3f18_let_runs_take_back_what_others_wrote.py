"""Let a run take back what other runs wrote, also when its agent is suspended.

Revision ID: e5d09a7c3f18
Revises: e5c7a20d94b8
Create Date: 2026-11-28 16:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "e5d09a7c3f18"
down_revision: str | None = "e5c7a20d94b8"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE agent_executions DROP CONSTRAINT ck_agent_executions_mode",
        """
        ALTER TABLE agent_executions ADD CONSTRAINT ck_agent_executions_mode
            CHECK (mode IN ('live', 'dry_run', 'undo')) NOT VALID
        """,
        "ALTER TABLE agent_executions VALIDATE CONSTRAINT ck_agent_executions_mode",
        "CREATE INDEX idx_agent_executions_undo ON agent_executions (tenant_id, agent_id) WHERE mode = 'undo'",
    )
    run_copy("e5d09a7c3f18_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("e5d09a7c3f18_before.sql")
    run(
        "DROP INDEX idx_agent_executions_undo",
        # What was taken back stays so; the version before knows no run of this kind. The owner is held to the tenants'
        # policies too, and this is about every tenant.
        "ALTER TABLE agent_executions NO FORCE ROW LEVEL SECURITY",
        "DELETE FROM agent_executions WHERE mode = 'undo'",
        "ALTER TABLE agent_executions FORCE ROW LEVEL SECURITY",
        "ALTER TABLE agent_executions DROP CONSTRAINT ck_agent_executions_mode",
        """
        ALTER TABLE agent_executions ADD CONSTRAINT ck_agent_executions_mode
            CHECK (mode IN ('live', 'dry_run')) NOT VALID
        """,
        "ALTER TABLE agent_executions VALIDATE CONSTRAINT ck_agent_executions_mode",
    )
