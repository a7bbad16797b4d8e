"""Let people sign in with an identity provider, the installation's or a tenant's own.

A session says how it began and with which provider; find_user_session() keeps one that a tenant's provider opened
inside that tenant. A membership, or the right to administer the platform, says which provider gave it.

Revision ID: c7e1a9f4d360
Revises: a7e3c1b95d20
Create Date: 2026-11-28 13:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "c7e1a9f4d360"
down_revision: str | None = "a7e3c1b95d20"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE identity_providers (
            id uuid CONSTRAINT identity_providers_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) CONSTRAINT fk_identity_providers_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            name varchar(100) NOT NULL,
            issuer varchar(500) NOT NULL,
            client_id varchar(255) NOT NULL,
            client_secret_encrypted text NOT NULL,
            scopes varchar(500) NOT NULL,
            groups_claim varchar(100) NOT NULL,
            role_rules jsonb NOT NULL,
            email_domains jsonb NOT NULL DEFAULT '[]'::jsonb,
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE INDEX idx_identity_providers_tenant_id ON identity_providers (tenant_id)",
        """
        CREATE TABLE user_identities (
            id uuid CONSTRAINT user_identities_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL CONSTRAINT fk_user_identities_user_id REFERENCES users (id) ON DELETE CASCADE,
            vouched_in varchar(100) CONSTRAINT fk_user_identities_vouched_in
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            issuer varchar(500) NOT NULL,
            subject varchar(255) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE UNIQUE INDEX uq_user_identities_subject ON user_identities (COALESCE(vouched_in, ''), issuer, subject)",
        "CREATE INDEX idx_user_identities_user_id ON user_identities (user_id)",
        "CREATE INDEX idx_user_identities_vouched_in ON user_identities (vouched_in)",
        """
        CREATE TABLE sign_in_attempts (
            state_hash bytea CONSTRAINT sign_in_attempts_pkey PRIMARY KEY,
            provider_id uuid NOT NULL CONSTRAINT fk_sign_in_attempts_provider_id
                REFERENCES identity_providers (id) ON DELETE CASCADE,
            next_path text NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """,
        "CREATE INDEX idx_sign_in_attempts_provider_id ON sign_in_attempts (provider_id)",
        """
        ALTER TABLE user_sessions
            ADD COLUMN method varchar(20) NOT NULL DEFAULT 'password',
            ADD COLUMN provider_id uuid CONSTRAINT fk_user_sessions_provider_id
                REFERENCES identity_providers (id) ON DELETE CASCADE,
            ADD COLUMN id_token_encrypted text,
            ADD CONSTRAINT ck_user_sessions_method CHECK (method IN ('password', 'oidc')),
            ADD CONSTRAINT ck_user_sessions_provider CHECK ((method = 'oidc') = (provider_id IS NOT NULL))
        """,
        "CREATE INDEX idx_user_sessions_provider_id ON user_sessions (provider_id)",
        """
        ALTER TABLE memberships
            ADD COLUMN provider_id uuid CONSTRAINT fk_memberships_provider_id
                REFERENCES identity_providers (id) ON DELETE CASCADE
        """,
        "CREATE INDEX idx_memberships_provider_id ON memberships (provider_id)",
        """
        ALTER TABLE users
            ADD COLUMN platform_admin_by uuid CONSTRAINT fk_users_platform_admin_by
                REFERENCES identity_providers (id) ON DELETE RESTRICT
        """,
        "CREATE INDEX idx_users_platform_admin_by ON users (platform_admin_by)",
    )
    grant("identity_providers")
    keep_tenants_apart("identity_providers")
    ask_for_proof("identity_providers")
    for table in ("user_identities", "sign_in_attempts"):
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}")
    run_copy("c7e1a9f4d360_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("c7e1a9f4d360_before.sql")
    run(
        # What a provider gave is not anybody's without it.
        "UPDATE users SET is_platform_admin = false WHERE platform_admin_by IS NOT NULL",
        "DELETE FROM memberships WHERE provider_id IS NOT NULL",
        "DELETE FROM user_sessions WHERE method = 'oidc'",
        "ALTER TABLE users DROP COLUMN platform_admin_by",
        "ALTER TABLE memberships DROP COLUMN provider_id",
        "ALTER TABLE user_sessions DROP CONSTRAINT ck_user_sessions_provider,"
        " DROP COLUMN method, DROP COLUMN provider_id, DROP COLUMN id_token_encrypted",
        "DROP TABLE sign_in_attempts",
        "DROP TABLE user_identities",
        "DROP TABLE identity_providers",
    )
