"""Base tables: tenants, what was written for them, past tickets, the audit log.

Revision ID: 4b1e0c7d52aa
Revises:
Create Date: 2025-11-01 09:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, PLATFORM, grant, keep_tenants_apart, limits, run

revision: str = "4b1e0c7d52aa"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE TABLE tenant_configs (
            id uuid CONSTRAINT tenant_configs_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            name varchar(255) NOT NULL,
            servicedesk_url varchar(500),
            servicedesk_api_key_encrypted text,
            webhook_signing_secret_encrypted text NOT NULL,
            enhancement_preferences jsonb NOT NULL DEFAULT '{}'::jsonb,
            rate_limits jsonb DEFAULT
                '{"webhooks_per_minute": 600, "concurrent_executions": 5, "executions_per_hour": 2000}'::jsonb,
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_tenant_configs_tenant_id_shape CHECK (tenant_id ~ '^[a-z0-9][a-z0-9-]*$')
        )
        """,
        "CREATE UNIQUE INDEX ix_tenant_configs_tenant_id ON tenant_configs (tenant_id)",
        """
        CREATE TABLE enhancement_history (
            id uuid CONSTRAINT enhancement_history_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_enhancement_history_tenant_id REFERENCES tenant_configs (tenant_id),
            ticket_id varchar(100) NOT NULL,
            status varchar(50) NOT NULL DEFAULT 'pending',
            context_gathered jsonb,
            llm_output text,
            error_message text,
            processing_time_ms integer,
            created_at timestamptz NOT NULL DEFAULT now(),
            completed_at timestamptz,
            CONSTRAINT ck_enhancement_history_status CHECK (status IN ('pending', 'completed', 'failed'))
        )
        """,
        "CREATE INDEX ix_enhancement_history_tenant_id ON enhancement_history (tenant_id)",
        "CREATE INDEX ix_enhancement_history_tenant_ticket ON enhancement_history (tenant_id, ticket_id)",
        "CREATE INDEX ix_enhancement_history_status ON enhancement_history (status)",
        """
        CREATE TABLE ticket_history (
            id uuid CONSTRAINT ticket_history_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_ticket_history_tenant_id REFERENCES tenant_configs (tenant_id),
            tool_type varchar(50) NOT NULL DEFAULT 'servicedesk_plus',
            ticket_id varchar(100) NOT NULL,
            description text NOT NULL,
            resolution text,
            tags text[] NOT NULL DEFAULT '{}',
            resolved_date timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_ticket_history_tenant_id_tool_type_ticket_id UNIQUE (tenant_id, tool_type, ticket_id)
        )
        """,
        "CREATE INDEX ix_ticket_history_tenant_id_resolved_date ON ticket_history (tenant_id, resolved_date)",
        """
        CREATE TABLE audit_log (
            id uuid CONSTRAINT audit_log_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            actor varchar(255) NOT NULL,
            operation varchar(100) NOT NULL,
            resource_type varchar(100) NOT NULL,
            resource_id varchar(255),
            status varchar(20) NOT NULL DEFAULT 'success',
            details jsonb NOT NULL DEFAULT '{}'::jsonb,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE INDEX ix_audit_log_tenant_id_created_at ON audit_log (tenant_id, created_at)",
        "CREATE INDEX ix_audit_log_resource ON audit_log (tenant_id, resource_type, resource_id)",
        f"GRANT USAGE ON SCHEMA public TO {APP}, {PLATFORM}",
    )
    keep_tenants_apart("tenant_configs", policy="tenant_config_isolation_policy")
    grant("tenant_configs")
    for table in ("enhancement_history", "ticket_history", "audit_log"):
        keep_tenants_apart(table)
    grant("enhancement_history")
    grant("ticket_history")
    grant("audit_log", app="SELECT, INSERT")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP TABLE audit_log",
        "DROP TABLE ticket_history",
        "DROP TABLE enhancement_history",
        "DROP TABLE tenant_configs",
        f"REVOKE USAGE ON SCHEMA public FROM {APP}, {PLATFORM}",
    )
