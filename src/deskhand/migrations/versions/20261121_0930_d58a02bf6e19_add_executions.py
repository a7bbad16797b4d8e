"""Add executions and their steps: the truth about runs, and their journal.

Revision ID: d58a02bf6e19
Revises: c41d7e90a836
Create Date: 2026-11-21 09:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import grant, keep_tenants_apart, limits, run

revision: str = "d58a02bf6e19"
down_revision: str | None = "c41d7e90a836"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE TABLE agent_executions (
            id uuid CONSTRAINT agent_executions_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            agent_id uuid NOT NULL,
            trigger_id uuid,
            agent_version_id uuid NOT NULL,
            status varchar(20) NOT NULL DEFAULT 'queued',
            tool_type varchar(50),
            ticket_ref varchar(100),
            lane varchar(250),
            mode varchar(10) NOT NULL DEFAULT 'live',
            attempt integer NOT NULL DEFAULT 0,
            max_attempts integer NOT NULL DEFAULT 4,
            parked boolean NOT NULL DEFAULT false,
            enqueue_seq integer NOT NULL DEFAULT 0,
            not_before timestamptz,
            queued_at timestamptz NOT NULL DEFAULT now(),
            started_at timestamptz NOT NULL DEFAULT now(),
            heartbeat_at timestamptz,
            worker_id varchar(100),
            cancel_requested_at timestamptz,
            completed_at timestamptz,
            input_payload jsonb,
            output_result jsonb,
            error_code varchar(50),
            error_message text,
            token_usage jsonb,
            cost_usd numeric(14, 8),
            idempotency_key varchar(255),
            retry_of uuid,
            dismissed_at timestamptz,
            CONSTRAINT ck_agent_executions_status
                CHECK (status IN ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled')),
            CONSTRAINT ck_agent_executions_mode CHECK (mode IN ('live', 'dry_run')),
            CONSTRAINT uq_agent_executions_tenant_id_id UNIQUE (tenant_id, id),
            CONSTRAINT fk_agent_executions_agent_id FOREIGN KEY (tenant_id, agent_id)
                REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT fk_agent_executions_trigger_id FOREIGN KEY (tenant_id, trigger_id)
                REFERENCES agent_triggers (tenant_id, id) ON DELETE SET NULL (trigger_id),
            CONSTRAINT fk_agent_executions_agent_version_id FOREIGN KEY (tenant_id, agent_version_id)
                REFERENCES agent_versions (tenant_id, id)
        )
        """,
        "CREATE INDEX idx_agent_executions_agent_id ON agent_executions (agent_id)",
        "CREATE INDEX idx_agent_executions_trigger_id ON agent_executions (trigger_id)",
        "CREATE INDEX idx_agent_executions_agent_version_id ON agent_executions (agent_version_id)",
        "CREATE INDEX idx_agent_executions_started_at ON agent_executions (started_at DESC)",
        "CREATE INDEX idx_agent_executions_tenant_queued_at ON agent_executions (tenant_id, queued_at DESC)",
        "CREATE INDEX idx_agent_executions_queued ON agent_executions (tenant_id, queued_at) WHERE status = 'queued'",
        "CREATE INDEX idx_agent_executions_running ON agent_executions (tenant_id) WHERE status = 'running'",
        """
        CREATE UNIQUE INDEX uq_agent_executions_active_lane ON agent_executions (tenant_id, lane)
            WHERE status = 'running' AND lane IS NOT NULL
        """,
        """
        CREATE UNIQUE INDEX uq_agent_executions_pending_lane ON agent_executions (tenant_id, agent_id, lane)
            WHERE status = 'queued' AND attempt = 0 AND lane IS NOT NULL AND mode = 'live'
        """,
        """
        CREATE UNIQUE INDEX uq_agent_executions_idempotency_key ON agent_executions (tenant_id, idempotency_key)
            WHERE idempotency_key IS NOT NULL
        """,
        "CREATE INDEX idx_agent_executions_ticket_ref ON agent_executions (tenant_id, tool_type, ticket_ref)",
        """
        CREATE TABLE execution_steps (
            execution_id uuid NOT NULL,
            tenant_id varchar(100) NOT NULL,
            step_key varchar(200) NOT NULL,
            position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
            attempt integer NOT NULL,
            kind varchar(20) NOT NULL,
            name varchar(100) NOT NULL,
            state varchar(20) NOT NULL DEFAULT 'started',
            idempotent boolean NOT NULL DEFAULT true,
            mark varchar(64),
            input jsonb,
            output jsonb,
            error text,
            tokens_in integer,
            tokens_out integer,
            cost_usd numeric(14, 8),
            started_at timestamptz NOT NULL DEFAULT now(),
            finished_at timestamptz,
            CONSTRAINT execution_steps_pkey PRIMARY KEY (execution_id, step_key),
            CONSTRAINT ck_execution_steps_state CHECK (state IN ('started', 'finished', 'failed', 'in_doubt')),
            CONSTRAINT ck_execution_steps_kind CHECK (kind IN ('model', 'tool', 'write', 'compute')),
            CONSTRAINT fk_execution_steps_execution_id FOREIGN KEY (tenant_id, execution_id)
                REFERENCES agent_executions (tenant_id, id) ON DELETE CASCADE
        )
        """,
        "CREATE INDEX idx_execution_steps_execution_position ON execution_steps (execution_id, position)",
        "CREATE INDEX idx_execution_steps_mark ON execution_steps (tenant_id, mark) WHERE mark IS NOT NULL",
        """
        CREATE TRIGGER execution_steps_refuse_foreign_parent
            BEFORE INSERT OR UPDATE OF execution_id, tenant_id ON execution_steps
            FOR EACH ROW EXECUTE FUNCTION refuse_foreign_parent('agent_executions', 'execution_id')
        """,
    )
    for table in ("agent_executions", "execution_steps"):
        keep_tenants_apart(table)
        grant(table)


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("DROP TABLE execution_steps", "DROP TABLE agent_executions")
