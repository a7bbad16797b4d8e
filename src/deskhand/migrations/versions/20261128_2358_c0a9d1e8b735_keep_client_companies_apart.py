"""Keep the client companies of one desk apart: whose a past ticket, an article and a system is, and who may see it.

A row that is there already names no company. So that an installation finds its own history after the upgrade, every
desk of a tenant that exists now is one company; a new tenant's is by company as soon as the desk names one.

Revision ID: c0a9d1e8b735
Revises: d5b20c7e4a91
Create Date: 2026-11-28 23:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, PLATFORM, ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "c0a9d1e8b735"
down_revision: str | None = "d5b20c7e4a91"
branch_labels: None = None
depends_on: None = None

OWNER = "deskhand_owner"
OF_COMPANIES = ("ticket_history", "knowledge_articles", "system_inventory")
SEEN = (
    "shared OR (SELECT '*' = ANY (session_companies()))"
    " OR COALESCE(tool_type, '') = ANY ((SELECT session_companies())::text[])"
    " OR (tool_type || ':' || company_id) = ANY ((SELECT session_companies())::text[])"
)


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        # A default that is there for the moment of the change alone: it marks the rows of now without rewriting them.
        """ALTER TABLE tenant_configs ADD COLUMN company_mapping jsonb NOT NULL DEFAULT '{"*": "one"}'::jsonb""",
        "ALTER TABLE tenant_configs ALTER COLUMN company_mapping SET DEFAULT '{}'::jsonb",
        """
        CREATE TABLE desk_companies (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_desk_companies_tenant_id
                REFERENCES tenant_configs (tenant_id),
            tool_type varchar(50) NOT NULL,
            company_id varchar(255) NOT NULL,
            name varchar(255) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT desk_companies_pkey PRIMARY KEY (tenant_id, tool_type, company_id)
        )
        """,
    )
    keep_tenants_apart("desk_companies")
    ask_for_proof("desk_companies")
    grant("desk_companies")
    for table in OF_COMPANIES:
        desk = "" if table == "ticket_history" else "ADD COLUMN tool_type varchar(50), "
        run(
            f"ALTER TABLE {table} {desk}ADD COLUMN company_id varchar(255), ADD COLUMN company_name varchar(255),"
            " ADD COLUMN shared boolean NOT NULL DEFAULT false"
        )
    run_copy("c0a9d1e8b735_after.sql")
    run(
        # It reads the key of the proofs, which is its owner's and not the platform's.
        f"ALTER FUNCTION session_companies() OWNER TO {OWNER}",
        f"GRANT EXECUTE ON FUNCTION session_companies() TO {APP}, {PLATFORM}",
        *(
            f"CREATE POLICY {table}_company_policy ON {table} AS RESTRICTIVE TO {APP} USING ({SEEN})"
            for table in OF_COMPANIES
        ),
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(*(f"DROP POLICY {table}_company_policy ON {table}" for table in OF_COMPANIES))
    run_copy("c0a9d1e8b735_before.sql")
    for table in OF_COMPANIES:
        desk = "" if table == "ticket_history" else "DROP COLUMN tool_type, "
        run(f"ALTER TABLE {table} {desk}DROP COLUMN company_id, DROP COLUMN company_name, DROP COLUMN shared")
    run("DROP TABLE desk_companies", "ALTER TABLE tenant_configs DROP COLUMN company_mapping")
