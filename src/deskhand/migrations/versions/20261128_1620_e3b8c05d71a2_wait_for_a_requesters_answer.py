"""Let a run wait for its ticket's requester, and a trigger for a word in an internal note.

Revision ID: e3b8c05d71a2
Revises: c93e5b20d7f4
Create Date: 2026-11-28 16:20:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "e3b8c05d71a2"
down_revision: str | None = "c93e5b20d7f4"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        ALTER TABLE agent_executions
            ADD COLUMN listens_until timestamptz,
            ADD COLUMN heard boolean NOT NULL DEFAULT false,
            ADD COLUMN answered jsonb
        """,
        """
        CREATE UNIQUE INDEX uq_agent_executions_listening
            ON agent_executions (tenant_id, agent_id, tool_type, ticket_ref)
         WHERE listens_until IS NOT NULL AND status IN ('queued', 'running', 'waiting')
        """,
        """
        CREATE INDEX idx_agent_executions_answered ON agent_executions (tenant_id, agent_id, tool_type, ticket_ref)
         WHERE answered IS NOT NULL
        """,
        "ALTER TABLE agent_triggers ADD COLUMN note_word varchar(100)",
    )
    run_copy("e3b8c05d71a2_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    # A run that waits for a requester is one that the revision before would leave waiting for ever.
    run(
        """
        UPDATE agent_executions SET status = 'queued', parked = true, not_before = NULL
         WHERE status = 'waiting' AND error_code = 'requester'
        """
    )
    run_copy("e3b8c05d71a2_before.sql")
    run(
        "ALTER TABLE agent_triggers DROP COLUMN note_word",
        "DROP INDEX idx_agent_executions_answered",
        "DROP INDEX uq_agent_executions_listening",
        "ALTER TABLE agent_executions DROP COLUMN answered, DROP COLUMN heard, DROP COLUMN listens_until",
    )
