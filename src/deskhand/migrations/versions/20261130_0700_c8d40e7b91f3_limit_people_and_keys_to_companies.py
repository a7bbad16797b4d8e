"""Limit members and keys to client companies: who, which company a run worked for, and what a limited session sees.

Nobody is limited after the upgrade. Of runs that are there already nobody knows whom they worked for, so who is limited
sees those from now on.

Revision ID: c8d40e7b91f3
Revises: c63f0e8a2d17
Create Date: 2026-11-30 07:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, PLATFORM, ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "c8d40e7b91f3"
down_revision: str | None = "c63f0e8a2d17"
branch_labels: None = None
depends_on: None = None

_MAY_BE_LIMITED = ("memberships", "invitations", "api_keys")
_UNLIMITED = "COALESCE((SELECT current_setting('app.limited_to', true)), '') = ''"
_BY_COMPANY = f"{_UNLIMITED} OR (tool_type || ':' || company_id) = ANY ((SELECT session_limit())::text[])"
_OF_RUNS = (
    "alert_conditions",
    "approvals",
    "execution_steps",
    "lab_cases",
    "model_spending",
    "schedule_fires",
    "storm_reports",
    "ticket_storms",
    "webhook_deliveries",
)
_BY_RUN = "EXISTS (SELECT 1 FROM run_companies c WHERE c.tenant_id = {0}.tenant_id AND c.execution_id = {0}.{1})"
_SEEN = {
    "run_companies": _BY_COMPANY,
    "desk_companies": _BY_COMPANY,
    "agent_executions": f"{_UNLIMITED} OR {_BY_RUN.format('agent_executions', 'id')}",
    **{table: f"{_UNLIMITED} OR {_BY_RUN.format(table, 'execution_id')}" for table in _OF_RUNS},
}


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        *(f"ALTER TABLE {table} ADD COLUMN companies text[]" for table in _MAY_BE_LIMITED),
        """
        CREATE TABLE run_companies (
            tenant_id varchar(100) NOT NULL,
            execution_id uuid NOT NULL,
            tool_type varchar(50) NOT NULL,
            company_id varchar(255) NOT NULL,
            CONSTRAINT run_companies_pkey PRIMARY KEY (tenant_id, execution_id),
            CONSTRAINT fk_run_companies_execution_id FOREIGN KEY (tenant_id, execution_id)
                REFERENCES agent_executions (tenant_id, id) ON DELETE CASCADE
        )
        """,
    )
    keep_tenants_apart("run_companies")
    ask_for_proof("run_companies")
    grant("run_companies")
    run_copy("c8d40e7b91f3_after.sql")
    run(
        f"GRANT EXECUTE ON FUNCTION session_limit() TO {APP}, {PLATFORM}",
        *(
            f"CREATE POLICY {table}_limit_policy ON {table} AS RESTRICTIVE TO {APP} USING ({seen})"
            for table, seen in _SEEN.items()
        ),
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(*(f"DROP POLICY {table}_limit_policy ON {table}" for table in _SEEN))
    run_copy("c8d40e7b91f3_before.sql")
    run(
        "DROP TABLE run_companies",
        *(f"ALTER TABLE {table} DROP COLUMN companies" for table in _MAY_BE_LIMITED),
    )
