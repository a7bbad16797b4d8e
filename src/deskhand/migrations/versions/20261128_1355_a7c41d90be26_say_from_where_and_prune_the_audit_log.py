"""Say of each audit entry from where it came, and let the oldest go.

Entries get the address, the program and the request. prune_audit_log() takes entries off the beginning of a chain and
leaves a record of it there; for that the platform's role, which owns it, may delete what is older than 90 days. Going
back forgets the sources, which the hashes of newer entries cover: those chains then read as changed, as they were.

Revision ID: a7c41d90be26
Revises: c7a1e04b9d63
Create Date: 2026-11-28 13:55:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import PLATFORM, limits, run, run_copy

revision: str = "a7c41d90be26"
down_revision: str | None = "c7a1e04b9d63"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        ALTER TABLE audit_log
            ADD COLUMN address varchar(45),
            ADD COLUMN user_agent varchar(200),
            ADD COLUMN request_id varchar(64)
        """,
        f"GRANT DELETE ON audit_log TO {PLATFORM}",
    )
    run_copy("a7c41d90be26_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a7c41d90be26_before.sql")
    run(
        f"REVOKE DELETE ON audit_log FROM {PLATFORM}",
        "ALTER TABLE audit_log DROP COLUMN address, DROP COLUMN user_agent, DROP COLUMN request_id",
    )
