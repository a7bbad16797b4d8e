"""Keep what models cost within budgets: money is reserved before each call and settled after it.

Revision ID: d5b20c7e4a91
Revises: a39f5e1c7d20
Create Date: 2026-11-28 23:50:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "d5b20c7e4a91"
down_revision: str | None = "a39f5e1c7d20"
branch_labels: None = None
depends_on: None = None

TABLES = ("budgets", "budget_use", "model_spending")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE budgets (
            id uuid CONSTRAINT budgets_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_budgets_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            scope varchar(10) NOT NULL,
            agent_id uuid,
            period varchar(10) NOT NULL,
            timezone varchar(64) NOT NULL DEFAULT 'UTC',
            amount_usd numeric(14, 4) NOT NULL,
            warn_percent smallint NOT NULL DEFAULT 80,
            stop_percent smallint NOT NULL DEFAULT 100,
            unknown_price_usd numeric(14, 6),
            extra_usd numeric(14, 4),
            extra_until timestamptz,
            extra_reason varchar(500),
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT fk_budgets_agent_id FOREIGN KEY (tenant_id, agent_id)
                REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT uq_budgets_of UNIQUE NULLS NOT DISTINCT (tenant_id, scope, period, agent_id),
            CONSTRAINT uq_budgets_tenant_id_id UNIQUE (tenant_id, id),
            CONSTRAINT ck_budgets_scope CHECK (scope IN ('tenant', 'agent', 'ticket')),
            CONSTRAINT ck_budgets_agent CHECK ((scope = 'agent') = (agent_id IS NOT NULL)),
            CONSTRAINT ck_budgets_period CHECK (period IN ('day', 'month')),
            CONSTRAINT ck_budgets_amount_usd CHECK (amount_usd > 0),
            CONSTRAINT ck_budgets_warn_percent CHECK (warn_percent BETWEEN 1 AND 100),
            CONSTRAINT ck_budgets_stop_percent CHECK (stop_percent BETWEEN 100 AND 110),
            CONSTRAINT ck_budgets_unknown_price_usd CHECK (unknown_price_usd >= 0),
            CONSTRAINT ck_budgets_extra CHECK (num_nonnulls(extra_usd, extra_until, extra_reason) IN (0, 3))
        )
        """,
        """
        CREATE TABLE budget_use (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_budget_use_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            budget_id uuid NOT NULL,
            period_start date NOT NULL,
            ticket varchar(200) NOT NULL DEFAULT '',
            used_usd numeric(18, 9) NOT NULL DEFAULT 0,
            reserved_usd numeric(18, 9) NOT NULL DEFAULT 0,
            warned_at timestamptz,
            reached_at timestamptz,
            CONSTRAINT budget_use_pkey PRIMARY KEY (tenant_id, budget_id, period_start, ticket),
            CONSTRAINT fk_budget_use_budget_id FOREIGN KEY (tenant_id, budget_id)
                REFERENCES budgets (tenant_id, id) ON DELETE CASCADE
        ) WITH (fillfactor = 50)
        """,
        """
        CREATE TABLE model_spending (
            id uuid CONSTRAINT model_spending_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_model_spending_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            execution_id uuid NOT NULL,
            agent_id uuid NOT NULL,
            ticket varchar(200) NOT NULL DEFAULT '',
            model text NOT NULL,
            state varchar(10) NOT NULL DEFAULT 'reserved',
            charges jsonb NOT NULL,
            reserved_usd numeric(18, 9) NOT NULL,
            cost_usd numeric(18, 9),
            tokens_in integer,
            tokens_out integer,
            reserved_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL,
            settled_at timestamptz,
            CONSTRAINT fk_model_spending_execution_id FOREIGN KEY (tenant_id, execution_id)
                REFERENCES agent_executions (tenant_id, id) ON DELETE CASCADE,
            CONSTRAINT ck_model_spending_state CHECK (state IN ('reserved', 'settled', 'assumed', 'released'))
        )
        """,
        "CREATE INDEX idx_model_spending_tenant_id_reserved_at ON model_spending (tenant_id, reserved_at)",
        "CREATE INDEX idx_model_spending_execution_id ON model_spending (tenant_id, execution_id)",
    )
    for table in TABLES:
        keep_tenants_apart(table)
        ask_for_proof(table)
    grant("budgets")
    # What was spent is nobody's to delete; it goes with its budget and its run.
    grant("budget_use", app="SELECT, INSERT, UPDATE")
    grant("model_spending", app="SELECT, INSERT, UPDATE")
    run_copy("d5b20c7e4a91_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("d5b20c7e4a91_before.sql")
    run(*(f"DROP TABLE {table}" for table in reversed(TABLES)))
