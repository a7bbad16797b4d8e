"""Add where a past ticket came from: source and time of ingestion.

Revision ID: 8f9c7d8a3e2b
Revises: 4b1e0c7d52aa
Create Date: 2025-11-03 09:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "8f9c7d8a3e2b"
down_revision: str | None = "4b1e0c7d52aa"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE ticket_history ADD COLUMN source varchar(50) NOT NULL DEFAULT 'import'",
        "ALTER TABLE ticket_history ADD COLUMN ingested_at timestamptz NOT NULL DEFAULT now()",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("ALTER TABLE ticket_history DROP COLUMN ingested_at", "ALTER TABLE ticket_history DROP COLUMN source")
