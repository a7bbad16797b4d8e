"""Say of a connection in which region its models run.

Revision ID: c70b5e2d94a1
Revises: a59c1e7d3b46
Create Date: 2026-11-29 19:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "c70b5e2d94a1"
down_revision: str | None = "a59c1e7d3b46"
branch_labels: None = None
depends_on: None = None

TABLES = ("model_connections", "shared_model_connections")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(*(f"ALTER TABLE {table} ADD COLUMN region varchar(60) NOT NULL DEFAULT ''" for table in TABLES))


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(*(f"ALTER TABLE {table} DROP COLUMN region" for table in TABLES))
