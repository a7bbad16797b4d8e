"""Let an agent say what its runs end in; until now every one ended in a note.

Revision ID: c5d2a9e61f37
Revises: b8e40d72c1f6
Create Date: 2026-11-28 09:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "c5d2a9e61f37"
down_revision: str | None = "b8e40d72c1f6"
branch_labels: None = None
depends_on: None = None

TABLES = ("agents", "agent_versions")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    column = """outcome jsonb NOT NULL DEFAULT '{"kind": "note"}'"""
    run(*(f"ALTER TABLE {table} ADD COLUMN {column}" for table in TABLES))


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(*(f"ALTER TABLE {table} DROP COLUMN outcome" for table in TABLES))
