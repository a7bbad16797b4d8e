"""Keep the name that a client company was first told by: rows that know a name alone are its for good.

Of the companies that are there nobody knows an earlier name, so today's stands for it; where two have one name, the one
that was told of first has it.

Revision ID: e52c7a19d4b8
Revises: c81d3f5b7a94
Create Date: 2026-11-30 11:40:00+00:00
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from deskhand.migrations.support import limits, run

revision: str = "e52c7a19d4b8"
down_revision: str | None = "c81d3f5b7a94"
branch_labels: None = None
depends_on: None = None

_THERE = text(
    "SELECT tenant_id, tool_type, company_id, name FROM desk_companies WHERE company_id NOT LIKE '=%'"
    " ORDER BY tenant_id, tool_type, created_at, company_id"
)
_KNOWN = text(
    "UPDATE desk_companies SET known_as = :word"
    " WHERE tenant_id = :tenant_id AND tool_type = :tool_type AND company_id = :company_id"
)


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("ALTER TABLE desk_companies ADD COLUMN known_as varchar(255)")
    connection = op.get_bind()
    taken: set[tuple[str, str, str]] = set()
    for row in connection.execute(_THERE).mappings().all():
        # As `kit.words.folded`, which no SQL function equals in every language.
        word = " ".join(row["name"].split()).casefold()[:255]
        if word and (row["tenant_id"], row["tool_type"], word) not in taken:
            taken.add((row["tenant_id"], row["tool_type"], word))
            named = {key: row[key] for key in ("tenant_id", "tool_type", "company_id")}
            connection.execute(_KNOWN, {**named, "word": word})
    run("CREATE UNIQUE INDEX uq_desk_companies_known_as ON desk_companies (tenant_id, tool_type, known_as)")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP INDEX uq_desk_companies_known_as", "ALTER TABLE desk_companies DROP COLUMN known_as")
