"""Give triggers and tools a tenant, and a foreign key that cannot leave it.

Revision ID: b7c3e81f5d20
Revises: 9d2f6a4c1b07
Create Date: 2026-11-21 09:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import keep_tenants_apart, limits, run

revision: str = "b7c3e81f5d20"
down_revision: str | None = "9d2f6a4c1b07"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    # id first: led by tenant_id it would compete with idx_agents_tenant_id_status for every tenant query.
    run("ALTER TABLE agents ADD CONSTRAINT uq_agents_id_tenant_id UNIQUE (id, tenant_id)")
    for table in ("agent_triggers", "agent_tools"):
        run(
            f"ALTER TABLE {table} ADD COLUMN tenant_id varchar(100)",
            f"UPDATE {table} c SET tenant_id = a.tenant_id FROM agents a WHERE a.id = c.agent_id",
            f"ALTER TABLE {table} ALTER COLUMN tenant_id SET NOT NULL",
            f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_agent_id",
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_agent_id FOREIGN KEY (tenant_id, agent_id)"
            " REFERENCES agents (tenant_id, id) ON DELETE CASCADE",
            f"DROP POLICY {table}_platform_policy ON {table}",
            f"DROP POLICY {table}_tenant_isolation_policy ON {table}",
        )
        keep_tenants_apart(table)
    run(
        "ALTER TABLE agent_triggers ADD CONSTRAINT uq_agent_triggers_tenant_id_id UNIQUE (tenant_id, id)",
        """
        ALTER TABLE agent_triggers
            ADD COLUMN previous_hmac_secret text,
            ADD COLUMN previous_hmac_secret_expires_at timestamptz,
            ADD COLUMN schedule_timezone varchar(64) NOT NULL DEFAULT 'UTC',
            ADD COLUMN misfire_policy varchar(10) NOT NULL DEFAULT 'latest',
            ADD COLUMN misfire_max_age_seconds integer NOT NULL DEFAULT 3600,
            ADD COLUMN is_paused boolean NOT NULL DEFAULT false,
            ADD COLUMN next_fire_at timestamptz,
            ADD CONSTRAINT ck_agent_triggers_schedule_has_cron
                CHECK (trigger_type <> 'schedule' OR schedule_cron IS NOT NULL),
            ADD CONSTRAINT ck_agent_triggers_misfire_policy CHECK (misfire_policy IN ('skip', 'latest', 'all'))
        """,
        """
        CREATE INDEX idx_agent_triggers_next_fire_at ON agent_triggers (next_fire_at)
            WHERE next_fire_at IS NOT NULL AND NOT is_paused
        """,
        """
        ALTER TABLE agent_tools ADD COLUMN operations text[] NOT NULL
            DEFAULT '{get_ticket,search_tickets,list_history,list_values,add_note}'
        """,
        # A unique index answers before a foreign key does, so "duplicate key" would tell a stranger who knows an
        # agent's id which rows hang under it. This asks first, with the caller's own rights.
        """
        CREATE FUNCTION refuse_foreign_parent() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, public AS $$
        DECLARE
            parent_column text := TG_ARGV[1];
            parent_id uuid := (to_jsonb(NEW) ->> parent_column)::uuid;
            found boolean;
        BEGIN
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE id = $1 AND tenant_id = $2)', TG_ARGV[0])
                INTO found USING parent_id, NEW.tenant_id;
            IF NOT found THEN
                RAISE foreign_key_violation USING MESSAGE =
                    format('insert or update on table "%s" refers to a row of "%s" that does not exist',
                           TG_TABLE_NAME, TG_ARGV[0]);
            END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER agent_tools_refuse_foreign_parent BEFORE INSERT OR UPDATE OF agent_id, tenant_id ON agent_tools
            FOR EACH ROW EXECUTE FUNCTION refuse_foreign_parent('agents', 'agent_id')
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP TRIGGER agent_tools_refuse_foreign_parent ON agent_tools",
        "DROP FUNCTION refuse_foreign_parent()",
        "ALTER TABLE agent_tools DROP COLUMN operations",
        "DROP INDEX idx_agent_triggers_next_fire_at",
        """
        ALTER TABLE agent_triggers
            DROP CONSTRAINT ck_agent_triggers_misfire_policy,
            DROP CONSTRAINT ck_agent_triggers_schedule_has_cron,
            DROP COLUMN next_fire_at,
            DROP COLUMN is_paused,
            DROP COLUMN misfire_max_age_seconds,
            DROP COLUMN misfire_policy,
            DROP COLUMN schedule_timezone,
            DROP COLUMN previous_hmac_secret_expires_at,
            DROP COLUMN previous_hmac_secret,
            DROP CONSTRAINT uq_agent_triggers_tenant_id_id
        """,
    )
    for table in ("agent_tools", "agent_triggers"):
        own = f"EXISTS (SELECT 1 FROM agents a WHERE a.id = {table}.agent_id)"
        run(
            f"DROP POLICY {table}_tenant_isolation_policy ON {table}",
            f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_agent_id",
            f"ALTER TABLE {table} DROP COLUMN tenant_id",
            f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_agent_id FOREIGN KEY (agent_id)"
            " REFERENCES agents (id) ON DELETE CASCADE",
            f"CREATE POLICY {table}_tenant_isolation_policy ON {table} USING ({own}) WITH CHECK ({own})",
        )
    run("ALTER TABLE agents DROP CONSTRAINT uq_agents_id_tenant_id")
