"""Let a job take out of the knowledge what a tenant's boundaries keep out.

Revision ID: b4d1e7a03c58
Revises: c0a9d1e8b735
Create Date: 2026-11-29 03:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "b4d1e7a03c58"
down_revision: str | None = "c0a9d1e8b735"
branch_labels: None = None
depends_on: None = None

KIND, TOOL = "ck_knowledge_jobs_kind", "ck_knowledge_jobs_tool_type"


def _restate(kinds: str, without_desk: str) -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        f"ALTER TABLE knowledge_jobs DROP CONSTRAINT {KIND}, DROP CONSTRAINT {TOOL}",
        f"ALTER TABLE knowledge_jobs ADD CONSTRAINT {KIND} CHECK (kind IN ({kinds})),"
        f" ADD CONSTRAINT {TOOL} CHECK ((kind IN ({without_desk})) = (tool_type IS NULL))",
    )


def upgrade() -> None:
    _restate("'history', 'reconcile', 'embeddings', 'exclusions'", "'embeddings', 'exclusions'")


def downgrade() -> None:
    run("DELETE FROM knowledge_jobs WHERE kind = 'exclusions'")
    _restate("'history', 'reconcile', 'embeddings'", "'embeddings'")
