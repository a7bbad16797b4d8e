"""Let people sign in: their sessions, their links to set a password, and how often somebody failed to sign in.

Keys say when they were used last, and which person made them. None of the new tables belongs to a tenant, so the
application's own role reads none of them: find_user_session() answers for the one secret that a browser shows.

Revision ID: b8d2e5a71c40
Revises: f4a6c9d02e71
Create Date: 2026-11-28 10:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, limits, run, run_copy

revision: str = "b8d2e5a71c40"
down_revision: str | None = "f4a6c9d02e71"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE users ADD COLUMN password_set_at timestamptz, ADD COLUMN last_sign_in_at timestamptz",
        """
        CREATE TABLE user_sessions (
            id uuid CONSTRAINT user_sessions_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL CONSTRAINT fk_user_sessions_user_id REFERENCES users (id) ON DELETE CASCADE,
            current_tenant varchar(100) CONSTRAINT fk_user_sessions_current_tenant
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            secret_hash bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            last_used_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            ended_at timestamptz
        )
        """,
        "CREATE UNIQUE INDEX uq_user_sessions_secret_hash ON user_sessions (secret_hash)",
        "CREATE INDEX idx_user_sessions_user_id ON user_sessions (user_id)",
        "CREATE INDEX idx_user_sessions_current_tenant ON user_sessions (current_tenant)",
        """
        CREATE TABLE password_links (
            id uuid CONSTRAINT password_links_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL CONSTRAINT fk_password_links_user_id REFERENCES users (id) ON DELETE CASCADE,
            secret_hash bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            created_by varchar(255) NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz
        )
        """,
        "CREATE UNIQUE INDEX uq_password_links_secret_hash ON password_links (secret_hash)",
        "CREATE INDEX idx_password_links_user_id ON password_links (user_id)",
        """
        CREATE TABLE sign_in_tries (
            bucket bytea CONSTRAINT sign_in_tries_pkey PRIMARY KEY,
            tries integer NOT NULL,
            since timestamptz NOT NULL
        )
        """,
        """
        ALTER TABLE api_keys
            ADD COLUMN made_with_user uuid CONSTRAINT fk_api_keys_made_with_user
                REFERENCES users (id) ON DELETE CASCADE,
            ADD COLUMN last_used_at timestamptz
        """,
        "CREATE INDEX idx_api_keys_made_with_user ON api_keys (made_with_user)",
    )
    for table in ("user_sessions", "password_links", "sign_in_tries"):
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}")
    run_copy("b8d2e5a71c40_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("b8d2e5a71c40_before.sql")
    run(
        "ALTER TABLE api_keys DROP COLUMN made_with_user, DROP COLUMN last_used_at",
        "DROP TABLE sign_in_tries",
        "DROP TABLE password_links",
        "DROP TABLE user_sessions",
        "ALTER TABLE users DROP COLUMN password_set_at, DROP COLUMN last_sign_in_at",
    )
