"""Remember what a note did on each desk, and let people be told of notes that became public.

Revision ID: c81d3f5b7a94
Revises: d70a1f4e9b36
Create Date: 2026-11-30 07:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "c81d3f5b7a94"
down_revision: str | None = "d70a1f4e9b36"
branch_labels: None = None
depends_on: None = None

_KINDS = "'failure', 'doubt', 'approval', 'budget_warning', 'budget_stop', 'connection', 'schedule', 'audit', 'storm'"
_TOLD = ("notification_facts", "notification_choices")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    # With a constant default no row is rewritten.
    run("ALTER TABLE tenant_configs ADD COLUMN note_trials jsonb NOT NULL DEFAULT '{}'::jsonb")
    _list_kinds(f"{_KINDS}, 'published'")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "DELETE FROM notification_facts WHERE kind = 'published'",
        "DELETE FROM notification_choices WHERE kind = 'published'",
    )
    _list_kinds(_KINDS)
    run("ALTER TABLE tenant_configs DROP COLUMN note_trials")


def _list_kinds(kinds: str) -> None:
    for table in _TOLD:
        run(
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_kind",
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_kind CHECK (kind IN ({kinds}))",
        )
