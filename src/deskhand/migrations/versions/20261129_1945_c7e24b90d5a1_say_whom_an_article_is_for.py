"""Say whom an article is for, and let what is worded for outside see what is public alone.

Of the articles that are there nobody knows whom they are for, so they are internal until somebody says otherwise.

Revision ID: c7e24b90d5a1
Revises: c70b5e2d94a1
Create Date: 2026-11-29 19:45:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, limits, run

revision: str = "c7e24b90d5a1"
down_revision: str | None = "c70b5e2d94a1"
branch_labels: None = None
depends_on: None = None

_INSIDE = "COALESCE((SELECT current_setting('app.readers', true)), '') = ANY (ARRAY['', 'house'])"
SEEN = {
    "knowledge_articles": f"audience = 'public' OR ({_INSIDE} AND (audience = 'internal'"
    " OR COALESCE((SELECT current_setting('app.readers', true)), '') = ''))",
    "ticket_history": _INSIDE,
    "system_inventory": _INSIDE,
}


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        # With a constant default no row is rewritten.
        "ALTER TABLE knowledge_articles ADD COLUMN audience varchar(20) NOT NULL DEFAULT 'internal',"
        " ADD COLUMN audience_groups text[] NOT NULL DEFAULT '{}',"
        " ADD COLUMN audience_chosen boolean NOT NULL DEFAULT false,"
        " ADD CONSTRAINT ck_knowledge_articles_audience"
        " CHECK (audience IN ('public', 'internal', 'restricted')) NOT VALID",
        "ALTER TABLE knowledge_articles VALIDATE CONSTRAINT ck_knowledge_articles_audience",
        *(
            f"CREATE POLICY {table}_readers_policy ON {table} AS RESTRICTIVE TO {APP} USING ({seen})"
            for table, seen in SEEN.items()
        ),
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        *(f"DROP POLICY {table}_readers_policy ON {table}" for table in SEEN),
        "ALTER TABLE knowledge_articles DROP CONSTRAINT ck_knowledge_articles_audience, DROP COLUMN audience,"
        " DROP COLUMN audience_groups, DROP COLUMN audience_chosen",
    )
