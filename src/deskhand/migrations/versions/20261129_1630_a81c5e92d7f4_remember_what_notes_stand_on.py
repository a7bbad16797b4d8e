"""Remember what notes stand on, so that verdicts on them change the order of what is found.

Revision ID: a81c5e92d7f4
Revises: a1c5e9d37f42
Create Date: 2026-11-29 16:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "a81c5e92d7f4"
down_revision: str | None = "a1c5e9d37f42"
branch_labels: None = None
depends_on: None = None

SEEN = (
    "shared OR (SELECT '*' = ANY (session_companies()))"
    " OR COALESCE(tool_type, '') = ANY ((SELECT session_companies())::text[])"
    " OR (tool_type || ':' || company_id) = ANY ((SELECT session_companies())::text[])"
)


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        # Of notes that were written before nobody knows any more what was searched for; their verdicts change no order.
        """
        CREATE TABLE note_grounds (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_note_grounds_tenant_id REFERENCES tenant_configs (tenant_id),
            enhancement_id uuid NOT NULL,
            tool_type varchar(50) NOT NULL,
            company_id varchar(255),
            company_name varchar(255),
            shared boolean NOT NULL DEFAULT false,
            sources uuid[] NOT NULL,
            embedding real[] NOT NULL,
            embedding_model varchar(100) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT note_grounds_pkey PRIMARY KEY (tenant_id, enhancement_id),
            CONSTRAINT fk_note_grounds_enhancement_id FOREIGN KEY (tenant_id, enhancement_id)
                REFERENCES enhancement_history (tenant_id, id) ON DELETE CASCADE
        )
        """
    )
    keep_tenants_apart("note_grounds")
    ask_for_proof("note_grounds")
    grant("note_grounds")
    run(f"CREATE POLICY note_grounds_company_policy ON note_grounds AS RESTRICTIVE TO {APP} USING ({SEEN})")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TABLE note_grounds")
