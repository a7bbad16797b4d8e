"""Say what gateways told later of calls that were counted, and how many tokens were cached or thoughts.

Revision ID: e7b40c91d5a3
Revises: e52c7a19d4b8
Create Date: 2026-11-30 11:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "e7b40c91d5a3"
down_revision: str | None = "e52c7a19d4b8"
branch_labels: None = None
depends_on: None = None

_LIMIT = """COALESCE((SELECT current_setting('app.limited_to', true)), '') = '' OR EXISTS (
    SELECT 1 FROM run_companies c
     WHERE c.tenant_id = cost_corrections.tenant_id AND c.execution_id = cost_corrections.execution_id)"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE cost_corrections (
            id uuid CONSTRAINT cost_corrections_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            execution_id uuid NOT NULL,
            step_key varchar(200) NOT NULL,
            call_id varchar(200) NOT NULL,
            gateway_usd numeric(14, 8) NOT NULL,
            counted_usd numeric(14, 8),
            amount_usd numeric(14, 8) NOT NULL,
            makes_known boolean NOT NULL,
            noted_by varchar(255) NOT NULL,
            noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT fk_cost_corrections_execution_id FOREIGN KEY (tenant_id, execution_id)
                REFERENCES agent_executions (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT ck_cost_corrections_gateway_usd CHECK (gateway_usd >= 0)
        )
        """,
        "CREATE INDEX idx_cost_corrections_tenant_id_noted_at ON cost_corrections (tenant_id, noted_at)",
        "CREATE INDEX idx_cost_corrections_execution_id ON cost_corrections (tenant_id, execution_id)",
        "ALTER TABLE model_spending ADD COLUMN call_id text",
    )
    keep_tenants_apart("cost_corrections")
    ask_for_proof("cost_corrections")
    run(f"CREATE POLICY cost_corrections_limit_policy ON cost_corrections AS RESTRICTIVE TO {APP} USING ({_LIMIT})")
    # What was noted is nobody's to change or to delete; it goes with its run.
    grant("cost_corrections", app="SELECT, INSERT")
    run_copy("e7b40c91d5a3_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("e7b40c91d5a3_before.sql")
    run("DROP TABLE cost_corrections", "ALTER TABLE model_spending DROP COLUMN call_id")
