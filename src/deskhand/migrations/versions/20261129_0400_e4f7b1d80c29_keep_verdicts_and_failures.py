"""Keep one verdict of each voice on a note, and what runs about tickets failed with.

Revision ID: e4f7b1d80c29
Revises: d7a2c9e41b60
Create Date: 2026-11-29 04:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "e4f7b1d80c29"
down_revision: str | None = "d7a2c9e41b60"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        # Nothing of ours has written two; who wrote into the table by hand keeps the newest.
        """
        DELETE FROM enhancement_feedback f USING enhancement_feedback newer
         WHERE newer.tenant_id = f.tenant_id AND newer.enhancement_id = f.enhancement_id
           AND newer.technician_email IS NOT DISTINCT FROM f.technician_email
           AND (newer.created_at, newer.id) > (f.created_at, f.id)
        """,
        """
        CREATE UNIQUE INDEX uq_enhancement_feedback_voice
            ON enhancement_feedback (tenant_id, enhancement_id, technician_email) NULLS NOT DISTINCT
            WHERE enhancement_id IS NOT NULL
        """,
    )
    run_copy("e4f7b1d80c29_after.sql")
    run(
        """
        CREATE TRIGGER agent_executions_keep_failure AFTER UPDATE OF status ON agent_executions FOR EACH ROW
        WHEN ((NEW.status = 'failed') <> (OLD.status = 'failed') AND NEW.mode = 'live' AND NEW.ticket_ref IS NOT NULL)
        EXECUTE FUNCTION keep_failure()
        """
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TRIGGER agent_executions_keep_failure ON agent_executions")
    run_copy("e4f7b1d80c29_before.sql")
    run("DROP INDEX uq_enhancement_feedback_voice")
