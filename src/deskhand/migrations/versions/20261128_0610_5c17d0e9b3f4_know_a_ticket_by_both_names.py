"""Know a past ticket by both its names, and where the desk's own listing puts it.

``ticket_id`` is the number people see; ``desk_id`` is the desk's internal id, where it is another. Rows that were read
from a desk until now have the internal id under ``ticket_id``: Jira's key is in the address, the others are renamed by
the next import from their desk, which begins anew because no row has ``listed_at`` yet.

Revision ID: 5c17d0e9b3f4
Revises: 8ea3d5f9c260
Create Date: 2026-11-28 06:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "5c17d0e9b3f4"
down_revision: str | None = "8ea3d5f9c260"
branch_labels: None = None
depends_on: None = None

KEY = "substring(url FROM '/browse/([A-Z][A-Z0-9_]*-[0-9]+)$')"

# A key that a file brought already stays with the file's row; of the two, the desk's goes at the next import.
RENAME = f"""
    UPDATE ticket_history h SET ticket_id = {KEY}, desk_id = ticket_id
     WHERE tool_type = 'jira' AND source = 'desk' AND ticket_id ~ '^[0-9]+$' AND {KEY} IS NOT NULL
       AND NOT EXISTS (SELECT FROM ticket_history other
                        WHERE other.tenant_id = h.tenant_id AND other.tool_type = 'jira'
                          AND other.ticket_id = substring(h.url FROM '/browse/([A-Z][A-Z0-9_]*-[0-9]+)$'))
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE ticket_history ADD COLUMN desk_id varchar(100), ADD COLUMN listed_at timestamptz",
        RENAME,
        "CREATE UNIQUE INDEX uq_ticket_history_desk_id ON ticket_history (tenant_id, tool_type, desk_id)"
        " WHERE desk_id IS NOT NULL",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("ALTER TABLE ticket_history DROP COLUMN listed_at, DROP COLUMN desk_id")
