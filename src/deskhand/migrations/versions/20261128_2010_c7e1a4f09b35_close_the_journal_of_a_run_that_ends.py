"""Close the journal of a run that ends, whoever ends it, so that no begun write is left without a word.

Revision ID: c7e1a4f09b35
Revises: f1a8c3e07b52
Create Date: 2026-11-28 20:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "c7e1a4f09b35"
down_revision: str | None = "f1a8c3e07b52"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("c7e1a4f09b35_after.sql")
    run(
        """
        CREATE TRIGGER agent_executions_close_steps BEFORE UPDATE OF status ON agent_executions FOR EACH ROW
        WHEN (NEW.status IN ('completed', 'failed', 'cancelled') AND OLD.status IS DISTINCT FROM NEW.status)
        EXECUTE FUNCTION close_steps()
        """
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TRIGGER agent_executions_close_steps ON agent_executions")
    run_copy("c7e1a4f09b35_before.sql")
