"""Add immutable agent versions, and hold the lifecycle in the database.

Revision ID: c41d7e90a836
Revises: b7c3e81f5d20
Create Date: 2026-11-21 09:20:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import grant, keep_tenants_apart, limits, run

revision: str = "c41d7e90a836"
down_revision: str | None = "b7c3e81f5d20"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE agents ADD COLUMN revision integer NOT NULL DEFAULT 1",
        "ALTER TABLE agents ADD COLUMN current_version integer NOT NULL DEFAULT 1",
        """
        CREATE TABLE agent_versions (
            id uuid CONSTRAINT agent_versions_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            agent_id uuid NOT NULL,
            version_number integer NOT NULL,
            system_prompt text NOT NULL,
            llm_config jsonb NOT NULL,
            tools jsonb NOT NULL DEFAULT '[]'::jsonb,
            triggers jsonb NOT NULL DEFAULT '[]'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by varchar(255),
            CONSTRAINT uq_agent_versions_tenant_id_id UNIQUE (tenant_id, id),
            CONSTRAINT fk_agent_versions_agent_id FOREIGN KEY (tenant_id, agent_id)
                REFERENCES agents (tenant_id, id) ON DELETE CASCADE
        )
        """,
        "CREATE UNIQUE INDEX idx_agent_versions_agent_version ON agent_versions (agent_id, version_number)",
        # Agents from before versions existed get theirs: what they are now is their version 1.
        """
        INSERT INTO agent_versions (tenant_id, agent_id, version_number, system_prompt, llm_config, tools, triggers,
                                    created_by)
        SELECT a.tenant_id, a.id, 1, a.system_prompt, a.llm_config,
               coalesce((SELECT jsonb_agg(jsonb_build_object('tool_id', t.tool_id, 'operations', t.operations)
                                          ORDER BY t.tool_id)
                           FROM agent_tools t WHERE t.agent_id = a.id), '[]'::jsonb),
               coalesce((SELECT jsonb_agg(jsonb_build_object('id', g.id, 'trigger_type', g.trigger_type,
                                                             'schedule_cron', g.schedule_cron,
                                                             'schedule_timezone', g.schedule_timezone,
                                                             'payload_schema', g.payload_schema) ORDER BY g.id)
                           FROM agent_triggers g WHERE g.agent_id = a.id), '[]'::jsonb),
               a.created_by
          FROM agents a
        """,
    )
    keep_tenants_apart("agent_versions")
    grant("agent_versions", app="SELECT, INSERT, DELETE")
    run(
        """
        CREATE TRIGGER agent_versions_refuse_foreign_parent BEFORE INSERT ON agent_versions
            FOR EACH ROW EXECUTE FUNCTION refuse_foreign_parent('agents', 'agent_id')
        """,
        """
        CREATE FUNCTION keep_agent_version() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, public AS $$
        BEGIN
            -- The cascade of a deleted agent passes: the agent is gone by then.
            IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM agents WHERE id = OLD.agent_id) THEN
                RETURN OLD;
            END IF;
            RAISE restrict_violation USING MESSAGE = 'agent versions are immutable';
        END $$
        """,
        """
        CREATE TRIGGER agent_versions_immutable BEFORE UPDATE OR DELETE ON agent_versions
            FOR EACH ROW EXECUTE FUNCTION keep_agent_version()
        """,
        """
        CREATE FUNCTION keep_agent_lifecycle() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, public AS $$
        BEGIN
            IF (OLD.status, NEW.status) NOT IN (
                ('draft', 'active'), ('active', 'suspended'), ('active', 'inactive'),
                ('suspended', 'active'), ('suspended', 'inactive')
            ) THEN
                RAISE check_violation USING
                    MESSAGE = format('an agent cannot go from %s to %s', OLD.status, NEW.status),
                    CONSTRAINT = 'agents_lifecycle';
            END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER agents_lifecycle BEFORE UPDATE OF status ON agents FOR EACH ROW
            WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION keep_agent_lifecycle()
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP TRIGGER agents_lifecycle ON agents",
        "DROP FUNCTION keep_agent_lifecycle()",
        "DROP TABLE agent_versions",
        "DROP FUNCTION keep_agent_version()",
        "ALTER TABLE agents DROP COLUMN current_version",
        "ALTER TABLE agents DROP COLUMN revision",
    )
