"""Add people, their roles in tenants, and keys; and the functions that find a key before the tenant is known.

Revision ID: f70c2d94b1a5
Revises: e63b19c8d74f
Create Date: 2026-11-21 09:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, define_for_application, grant, keep_tenants_apart, limits, run

revision: str = "f70c2d94b1a5"
down_revision: str | None = "e63b19c8d74f"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE TABLE users (
            id uuid CONSTRAINT users_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            email varchar(255) NOT NULL,
            name varchar(255),
            password_hash text,
            is_platform_admin boolean NOT NULL DEFAULT false,
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE UNIQUE INDEX uq_users_email ON users (lower(email))",
        """
        CREATE TABLE memberships (
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_memberships_tenant_id REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            user_id uuid NOT NULL CONSTRAINT fk_memberships_user_id REFERENCES users (id) ON DELETE CASCADE,
            role varchar(20) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id),
            CONSTRAINT ck_memberships_role CHECK (role IN ('tenant_admin', 'operator', 'editor', 'viewer'))
        )
        """,
        "CREATE INDEX idx_memberships_user_id ON memberships (user_id)",
        """
        CREATE TABLE api_keys (
            id uuid CONSTRAINT api_keys_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL
                CONSTRAINT fk_api_keys_tenant_id REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            name varchar(255) NOT NULL,
            prefix varchar(20) NOT NULL,
            key_hash bytea NOT NULL,
            role varchar(20) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by varchar(255),
            expires_at timestamptz,
            revoked_at timestamptz,
            CONSTRAINT ck_api_keys_role CHECK (role IN ('tenant_admin', 'operator', 'editor', 'viewer'))
        )
        """,
        "CREATE UNIQUE INDEX uq_api_keys_key_hash ON api_keys (key_hash)",
        "CREATE INDEX idx_api_keys_tenant_id ON api_keys (tenant_id)",
        """
        CREATE TABLE platform_keys (
            id uuid CONSTRAINT platform_keys_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            name varchar(255) NOT NULL,
            prefix varchar(20) NOT NULL,
            key_hash bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            revoked_at timestamptz
        )
        """,
        "CREATE UNIQUE INDEX uq_platform_keys_key_hash ON platform_keys (key_hash)",
    )
    for table in ("memberships", "api_keys"):
        keep_tenants_apart(table)
        grant(table)
    # Not tenant data, so not for the application's own role at all.
    for table in ("users", "platform_keys"):
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}")
    define_for_application(
        "find_api_key(bytea)",
        """
        CREATE FUNCTION find_api_key(p_key_hash bytea)
        RETURNS TABLE (id uuid, tenant_id varchar, role varchar, prefix varchar,
                       expires_at timestamptz, revoked_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            SELECT k.id, k.tenant_id, k.role, k.prefix, k.expires_at, k.revoked_at
              FROM api_keys k WHERE k.key_hash = p_key_hash
        $$
        """,
    )
    define_for_application(
        "find_platform_key(bytea)",
        """
        CREATE FUNCTION find_platform_key(p_key_hash bytea)
        RETURNS TABLE (id uuid, name varchar, prefix varchar, revoked_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            SELECT k.id, k.name, k.prefix, k.revoked_at FROM platform_keys k WHERE k.key_hash = p_key_hash
        $$
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP FUNCTION find_platform_key(bytea)",
        "DROP FUNCTION find_api_key(bytea)",
        "DROP TABLE platform_keys",
        "DROP TABLE api_keys",
        "DROP TABLE memberships",
        "DROP TABLE users",
    )
