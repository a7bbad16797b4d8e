"""Let a link in a mail to a named person answer a call: whose it is, and of which words.

Revision ID: f3d7a05c9e14
Revises: c7e1a4f09b35
Create Date: 2026-11-28 20:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "f3d7a05c9e14"
down_revision: str | None = "c7e1a4f09b35"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        ALTER TABLE approval_notices
            ADD COLUMN user_id uuid CONSTRAINT fk_approval_notices_user_id REFERENCES users (id) ON DELETE CASCADE,
            ADD COLUMN secret_hash bytea,
            ADD COLUMN digest varchar(64)
        """,
        "CREATE UNIQUE INDEX uq_approval_notices_secret_hash ON approval_notices (secret_hash)",
        "CREATE INDEX idx_approval_notices_user_id ON approval_notices (user_id)",
    )
    run_copy("f3d7a05c9e14_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("f3d7a05c9e14_before.sql")
    run(
        "DROP INDEX idx_approval_notices_user_id",
        "DROP INDEX uq_approval_notices_secret_hash",
        "ALTER TABLE approval_notices DROP COLUMN user_id, DROP COLUMN secret_hash, DROP COLUMN digest",
    )
