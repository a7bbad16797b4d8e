"""Let a grant say how and on which tickets: operations become JSON, a list as before or operation to mode and scope.

Revision ID: b8e40d72c1f6
Revises: e91b5c3fa742
Create Date: 2026-11-28 09:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "b8e40d72c1f6"
down_revision: str | None = "e91b5c3fa742"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        ALTER TABLE agent_tools
            ALTER COLUMN operations DROP DEFAULT,
            ALTER COLUMN operations TYPE jsonb USING to_jsonb(operations),
            ALTER COLUMN operations
                SET DEFAULT '["get_ticket", "search_tickets", "list_history", "list_values", "add_note"]'::jsonb,
            ADD CONSTRAINT ck_agent_tools_operations CHECK (jsonb_typeof(operations) IN ('array', 'object'))
        """,
    )


def downgrade() -> None:
    """Grants keep their operations; what an older version cannot say (mode and scope) is lost."""
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE agent_tools ADD COLUMN operations_before text[]",
        # The owner is held to the tenants' policies too, and this is about every tenant.
        "ALTER TABLE agent_tools NO FORCE ROW LEVEL SECURITY",
        """
        UPDATE agent_tools SET operations_before = CASE jsonb_typeof(operations)
            WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(operations))
            ELSE ARRAY(SELECT jsonb_object_keys(operations)) END
        """,
        "ALTER TABLE agent_tools FORCE ROW LEVEL SECURITY",
        "ALTER TABLE agent_tools DROP COLUMN operations",
        "ALTER TABLE agent_tools RENAME COLUMN operations_before TO operations",
        """
        ALTER TABLE agent_tools
            ALTER COLUMN operations SET DEFAULT '{get_ticket,search_tickets,list_history,list_values,add_note}',
            ALTER COLUMN operations SET NOT NULL
        """,
    )
