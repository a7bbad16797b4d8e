"""Say in the functions themselves why they count, lock and wait as they do; nothing that they do changes.

Revision ID: d3b7f60a91c4
Revises: b8d2e5a71c40
Create Date: 2026-11-28 13:02:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run_copy

revision: str = "d3b7f60a91c4"
down_revision: str | None = "b8d2e5a71c40"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d3b7f60a91c4_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d3b7f60a91c4_before.sql")
