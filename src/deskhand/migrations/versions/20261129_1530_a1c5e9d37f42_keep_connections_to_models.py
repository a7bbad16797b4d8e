"""Keep connections to models as data: each tenant's own, and the platform's.

Revision ID: a1c5e9d37f42
Revises: b61d4f0a9c27
Create Date: 2026-11-29 15:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "a1c5e9d37f42"
down_revision: str | None = "b61d4f0a9c27"
branch_labels: None = None
depends_on: None = None

_COLUMNS = """
    slug varchar(40) NOT NULL,
    kind varchar(20) NOT NULL,
    name varchar(100) NOT NULL,
    base_url text,
    api_key_encrypted text,
    aliases jsonb NOT NULL DEFAULT '{{}}'::jsonb,
    is_local boolean NOT NULL DEFAULT false,
    is_default boolean NOT NULL DEFAULT false,
    listed_models jsonb NOT NULL DEFAULT '[]'::jsonb,
    checked_at timestamptz,
    check_fault text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_{table}_kind CHECK (kind IN ('openai_compatible', 'litellm_proxy', 'litellm_sdk', 'embedded')),
    CONSTRAINT ck_{table}_slug CHECK (slug ~ '^[a-z][a-z0-9-]{{0,39}}$')
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        f"""
        CREATE TABLE model_connections (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT model_connections_pkey PRIMARY KEY,
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_model_connections_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            {_COLUMNS.format(table="model_connections")},
            CONSTRAINT ck_model_connections_not_the_sdk CHECK (kind <> 'litellm_sdk'),
            CONSTRAINT uq_model_connections_tenant_id_slug UNIQUE (tenant_id, slug)
        )
        """,
        "CREATE UNIQUE INDEX uq_model_connections_default ON model_connections (tenant_id) WHERE is_default",
        f"""
        CREATE TABLE shared_model_connections (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT shared_model_connections_pkey PRIMARY KEY,
            {_COLUMNS.format(table="shared_model_connections")},
            tenants jsonb,
            CONSTRAINT uq_shared_model_connections_slug UNIQUE (slug)
        )
        """,
        "CREATE UNIQUE INDEX uq_shared_model_connections_default ON shared_model_connections (is_default)"
        " WHERE is_default",
    )
    keep_tenants_apart("model_connections")
    ask_for_proof("model_connections")
    grant("model_connections")
    # Every run asks which it may use; only the platform says what they are.
    grant("shared_model_connections", app="SELECT", platform="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TABLE shared_model_connections", "DROP TABLE model_connections")
