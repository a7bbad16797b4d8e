"""Ask for a second factor after single sign-on, unless a provider of the installation is trusted to have asked.

Sessions that a provider opened before have shown none and are asked; when somebody signed in stays with the sessions
that follow from it.

Revision ID: d41f8b6e02c7
Revises: e3a90c5d7b18
Create Date: 2026-11-28 17:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "d41f8b6e02c7"
down_revision: str | None = "e3a90c5d7b18"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        ALTER TABLE identity_providers
            ADD COLUMN vouches_for_second_factor boolean NOT NULL DEFAULT false,
            ADD CONSTRAINT ck_identity_providers_vouches CHECK (tenant_id IS NULL OR NOT vouches_for_second_factor)
        """,
        """
        ALTER TABLE user_sessions
            ADD COLUMN signed_in_at timestamptz NOT NULL DEFAULT now(),
            DROP CONSTRAINT ck_user_sessions_second_factor,
            ADD CONSTRAINT ck_user_sessions_second_factor
                CHECK (second_factor IN ('code', 'recovery_code', 'provider')),
            ADD CONSTRAINT ck_user_sessions_vouched
                CHECK (second_factor IS DISTINCT FROM 'provider' OR method = 'oidc')
        """,
        # Nobody has signed in anew by being migrated.
        "UPDATE user_sessions SET signed_in_at = created_at",
    )
    run_copy("d41f8b6e02c7_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d41f8b6e02c7_before.sql")
    run(
        "UPDATE user_sessions SET second_factor = NULL WHERE second_factor = 'provider'",
        """
        ALTER TABLE user_sessions
            DROP COLUMN signed_in_at,
            DROP CONSTRAINT ck_user_sessions_vouched,
            DROP CONSTRAINT ck_user_sessions_second_factor,
            ADD CONSTRAINT ck_user_sessions_second_factor CHECK (second_factor IN ('code', 'recovery_code'))
        """,
        "ALTER TABLE identity_providers DROP COLUMN vouches_for_second_factor",
    )
