"""Ask a person before a write: calls that wait for an answer, and runs that go on unanswered when the wait is over.

Revision ID: c7a1e04b9d63
Revises: c7e1a9f4d360
Create Date: 2026-11-28 13:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "c7a1e04b9d63"
down_revision: str | None = "c7e1a9f4d360"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE approvals (
            id uuid CONSTRAINT approvals_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            execution_id uuid NOT NULL,
            step_key varchar(200) NOT NULL,
            tool_id varchar(100) NOT NULL,
            operation varchar(100) NOT NULL,
            ticket_id varchar(100),
            ticket jsonb,
            revision varchar(200),
            arguments jsonb NOT NULL,
            digest varchar(64) NOT NULL,
            likeness varchar(64) NOT NULL,
            risk varchar(10) NOT NULL,
            reason text,
            approver varchar(20) NOT NULL,
            state varchar(10) NOT NULL DEFAULT 'waiting',
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL,
            answered_by varchar(255),
            answered_at timestamptz,
            answer text,
            changed_by varchar(255),
            changed_at timestamptz,
            CONSTRAINT uq_approvals_execution_id_step_key UNIQUE (tenant_id, execution_id, step_key),
            CONSTRAINT fk_approvals_execution_id FOREIGN KEY (tenant_id, execution_id)
                REFERENCES agent_executions (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT ck_approvals_state CHECK (state IN ('waiting', 'approved', 'declined', 'expired', 'void')),
            CONSTRAINT ck_approvals_risk CHECK (risk IN ('low', 'medium', 'high')),
            CONSTRAINT ck_approvals_approver CHECK (approver IN ('operator', 'tenant_admin'))
        )
        """,
        "CREATE INDEX idx_approvals_tenant_state ON approvals (tenant_id, state, created_at DESC)",
        """
        CREATE INDEX idx_agent_executions_wakes ON agent_executions (not_before)
         WHERE status = 'waiting' AND not_before IS NOT NULL
        """,
    )
    keep_tenants_apart("approvals")
    ask_for_proof("approvals")
    grant("approvals")
    run_copy("c7a1e04b9d63_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("c7a1e04b9d63_before.sql")
    run("DROP INDEX idx_agent_executions_wakes", "DROP TABLE approvals")
