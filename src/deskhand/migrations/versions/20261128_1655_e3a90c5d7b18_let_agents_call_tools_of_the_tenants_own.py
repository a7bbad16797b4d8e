"""Let agents call tools of the tenant's own: sources that are described by an OpenAPI document or an MCP server.

Revision ID: e3a90c5d7b18
Revises: e5d09a7c3f18
Create Date: 2026-11-28 16:55:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "e3a90c5d7b18"
down_revision: str | None = "e5d09a7c3f18"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE tool_sources (
            id uuid CONSTRAINT tool_sources_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_tool_sources_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            slug varchar(20) NOT NULL,
            kind varchar(10) NOT NULL,
            name varchar(100) NOT NULL,
            configuration jsonb NOT NULL DEFAULT '{}'::jsonb,
            credential_encrypted text,
            operations jsonb NOT NULL DEFAULT '[]'::jsonb,
            document text,
            revision integer NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT uq_tool_sources_tenant_id_slug UNIQUE (tenant_id, slug),
            CONSTRAINT ck_tool_sources_kind CHECK (kind IN ('openapi', 'mcp')),
            CONSTRAINT ck_tool_sources_slug CHECK (slug ~ '^[a-z][a-z0-9-]{0,19}$')
        )
        """,
    )
    keep_tenants_apart("tool_sources")
    ask_for_proof("tool_sources")
    grant("tool_sources")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TABLE tool_sources")
