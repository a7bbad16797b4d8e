"""Tell people that calls wait: when each is to be told of, and to whom it was.

Revision ID: f1a8c3e07b52
Revises: d41f8b6e02c7
Create Date: 2026-11-28 20:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "f1a8c3e07b52"
down_revision: str | None = "d41f8b6e02c7"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE approvals ADD COLUMN notify_at timestamptz",
        "ALTER TABLE approvals ADD CONSTRAINT uq_approvals_tenant_id_id UNIQUE (tenant_id, id)",
        # Small at any time, however many calls were answered: what is to be told of no more has no time.
        "CREATE INDEX idx_approvals_notify_at ON approvals (notify_at) WHERE notify_at IS NOT NULL",
        """
        CREATE TABLE approval_notices (
            tenant_id varchar(100) NOT NULL,
            approval_id uuid NOT NULL,
            recipient varchar(300) NOT NULL,
            message_id uuid NOT NULL,
            state varchar(10) NOT NULL,
            changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT approval_notices_pkey PRIMARY KEY (tenant_id, approval_id, recipient),
            CONSTRAINT fk_approval_notices_approval_id FOREIGN KEY (tenant_id, approval_id)
                REFERENCES approvals (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT ck_approval_notices_state CHECK (state IN ('begun', 'handed', 'sent', 'doubt', 'failed'))
        )
        """,
        "CREATE INDEX idx_approval_notices_recipient ON approval_notices (tenant_id, recipient, changed_at)",
        "CREATE INDEX idx_approval_notices_message_id ON approval_notices (tenant_id, message_id)",
    )
    keep_tenants_apart("approval_notices")
    ask_for_proof("approval_notices")
    grant("approval_notices")
    run_copy("f1a8c3e07b52_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("f1a8c3e07b52_before.sql")
    run(
        "DROP TABLE approval_notices",
        "DROP INDEX idx_approvals_notify_at",
        "ALTER TABLE approvals DROP CONSTRAINT uq_approvals_tenant_id_id",
        "ALTER TABLE approvals DROP COLUMN notify_at",
    )
