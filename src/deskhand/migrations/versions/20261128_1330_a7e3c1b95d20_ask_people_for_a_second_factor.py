"""Ask people for a second factor: authenticators, recovery codes, and which of them a session was proved with.

An account can be marked as the one for the day on which the identity provider is down. Sessions that are open when this
is applied have none.

Revision ID: a7e3c1b95d20
Revises: d3b7f60a91c4
Create Date: 2026-11-28 13:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, limits, run, run_copy

revision: str = "a7e3c1b95d20"
down_revision: str | None = "d3b7f60a91c4"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE users ADD COLUMN is_break_glass boolean NOT NULL DEFAULT false",
        """
        ALTER TABLE user_sessions ADD COLUMN second_factor varchar(20)
            CONSTRAINT ck_user_sessions_second_factor CHECK (second_factor IN ('code', 'recovery_code'))
        """,
        """
        CREATE TABLE second_factors (
            id uuid CONSTRAINT second_factors_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL CONSTRAINT fk_second_factors_user_id REFERENCES users (id) ON DELETE CASCADE,
            secret_encrypted text NOT NULL,
            last_step bigint NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """,
        "CREATE UNIQUE INDEX uq_second_factors_user_id ON second_factors (user_id)",
        """
        CREATE TABLE recovery_codes (
            user_id uuid NOT NULL CONSTRAINT fk_recovery_codes_user_id REFERENCES users (id) ON DELETE CASCADE,
            code_hash bytea NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            used_at timestamptz,
            CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash)
        )
        """,
    )
    for table in ("second_factors", "recovery_codes"):
        run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {PLATFORM}")
    run_copy("a7e3c1b95d20_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a7e3c1b95d20_before.sql")
    run(
        "DROP TABLE recovery_codes",
        "DROP TABLE second_factors",
        "ALTER TABLE user_sessions DROP COLUMN second_factor",
        "ALTER TABLE users DROP COLUMN is_break_glass",
    )
