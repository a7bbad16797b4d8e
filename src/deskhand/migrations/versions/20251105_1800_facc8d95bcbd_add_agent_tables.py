"""Add agents, their triggers and their tools.

Revision ID: facc8d95bcbd
Revises: 002217a1f0a8
Create Date: 2025-11-05 18:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, grant, keep_tenants_apart, limits, run

revision: str = "facc8d95bcbd"
down_revision: str | None = "002217a1f0a8"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE TABLE agents (
            id uuid CONSTRAINT agents_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_agents_tenant_id REFERENCES tenant_configs (tenant_id),
            name varchar(255) NOT NULL,
            description text,
            status varchar(20) NOT NULL,
            system_prompt text NOT NULL,
            llm_config jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            created_by varchar(255),
            CONSTRAINT ck_agents_status CHECK (status IN ('draft', 'active', 'suspended', 'inactive'))
        )
        """,
        "CREATE INDEX idx_agents_tenant_id_status ON agents (tenant_id, status)",
        "CREATE INDEX idx_agents_created_at ON agents (created_at DESC)",
        """
        CREATE TABLE agent_triggers (
            id uuid CONSTRAINT agent_triggers_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            agent_id uuid NOT NULL CONSTRAINT fk_agent_triggers_agent_id REFERENCES agents (id) ON DELETE CASCADE,
            trigger_type varchar(20) NOT NULL,
            webhook_url varchar(500),
            hmac_secret text,
            schedule_cron varchar(100),
            payload_schema jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_agent_triggers_trigger_type CHECK (trigger_type IN ('webhook', 'schedule'))
        )
        """,
        "CREATE INDEX idx_agent_triggers_agent_id ON agent_triggers (agent_id)",
        "CREATE INDEX idx_agent_triggers_type ON agent_triggers (trigger_type)",
        """
        CREATE TABLE agent_tools (
            agent_id uuid NOT NULL CONSTRAINT fk_agent_tools_agent_id REFERENCES agents (id) ON DELETE CASCADE,
            tool_id varchar(100) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT agent_tools_pkey PRIMARY KEY (agent_id, tool_id)
        )
        """,
        "CREATE INDEX idx_agent_tools_agent_id ON agent_tools (agent_id)",
        "CREATE INDEX idx_agent_tools_tool_id ON agent_tools (tool_id)",
    )
    keep_tenants_apart("agents")
    grant("agents")
    # The spec's form of these two has no tenant_id, so until the next revisions the agent decides.
    for table in ("agent_triggers", "agent_tools"):
        own = f"EXISTS (SELECT 1 FROM agents a WHERE a.id = {table}.agent_id)"
        run(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY {table}_tenant_isolation_policy ON {table} USING ({own}) WITH CHECK ({own})",
            f"CREATE POLICY {table}_platform_policy ON {table} TO {PLATFORM} USING (true) WITH CHECK (true)",
        )
        grant(table)


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("DROP TABLE agent_tools", "DROP TABLE agent_triggers", "DROP TABLE agents")
