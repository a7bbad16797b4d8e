"""Keep runs of the replay lab: the tickets of each, what came of them, and tickets kept as test cases.

Revision ID: b61d4f0a9c27
Revises: f49a3c7e15b8
Create Date: 2026-11-29 15:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "b61d4f0a9c27"
down_revision: str | None = "f49a3c7e15b8"
branch_labels: None = None
depends_on: None = None

_RUNS = """
    CREATE TABLE lab_runs (
        id uuid DEFAULT gen_random_uuid() CONSTRAINT lab_runs_pkey PRIMARY KEY,
        tenant_id varchar(100) NOT NULL CONSTRAINT fk_lab_runs_tenant_id
            REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
        agent_id uuid NOT NULL,
        agent_version_id uuid NOT NULL,
        version_number integer NOT NULL,
        tool_type varchar(50) NOT NULL,
        state varchar(10) NOT NULL DEFAULT 'running',
        parallel integer NOT NULL,
        max_cost_usd numeric(11, 4) NOT NULL,
        why text,
        comparison jsonb,
        started_by varchar(255) NOT NULL,
        stepped_at timestamptz,
        ended_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT ck_lab_runs_state CHECK (state IN ('running', 'completed', 'stopped', 'cancelled')),
        CONSTRAINT fk_lab_runs_agent_id FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_lab_runs_agent_version_id FOREIGN KEY (tenant_id, agent_version_id)
            REFERENCES agent_versions (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT uq_lab_runs_tenant_id_id UNIQUE (tenant_id, id)
    )
"""
_TESTS = """
    CREATE TABLE test_cases (
        id uuid DEFAULT gen_random_uuid() CONSTRAINT test_cases_pkey PRIMARY KEY,
        tenant_id varchar(100) NOT NULL CONSTRAINT fk_test_cases_tenant_id
            REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
        agent_id uuid NOT NULL,
        name varchar(200) NOT NULL,
        tool_type varchar(50) NOT NULL,
        ticket_ref varchar(100) NOT NULL,
        number varchar(100) NOT NULL,
        ticket jsonb NOT NULL,
        as_of timestamptz NOT NULL,
        expected jsonb NOT NULL,
        created_by varchar(255) NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT fk_test_cases_agent_id FOREIGN KEY (tenant_id, agent_id)
            REFERENCES agents (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT uq_test_cases_tenant_id_id UNIQUE (tenant_id, id)
    )
"""
_CASES = """
    CREATE TABLE lab_cases (
        id uuid DEFAULT gen_random_uuid() CONSTRAINT lab_cases_pkey PRIMARY KEY,
        tenant_id varchar(100) NOT NULL,
        lab_run_id uuid NOT NULL,
        place integer NOT NULL,
        ticket_ref varchar(100) NOT NULL,
        number varchar(100) NOT NULL,
        subject text,
        test_case_id uuid,
        execution_id uuid,
        state varchar(10) NOT NULL DEFAULT 'waiting',
        why text,
        as_of timestamptz,
        truth jsonb,
        outcome jsonb,
        cost_usd numeric(14, 8),
        took_ms integer,
        is_wrong boolean NOT NULL DEFAULT false,
        CONSTRAINT ck_lab_cases_state CHECK (state IN ('waiting', 'running', 'compared', 'left_out')),
        CONSTRAINT fk_lab_cases_lab_run_id FOREIGN KEY (tenant_id, lab_run_id)
            REFERENCES lab_runs (tenant_id, id) ON DELETE CASCADE,
        CONSTRAINT fk_lab_cases_execution_id FOREIGN KEY (tenant_id, execution_id)
            REFERENCES agent_executions (tenant_id, id) ON DELETE SET NULL (execution_id),
        CONSTRAINT fk_lab_cases_test_case_id FOREIGN KEY (tenant_id, test_case_id)
            REFERENCES test_cases (tenant_id, id) ON DELETE SET NULL (test_case_id),
        CONSTRAINT uq_lab_cases_place UNIQUE (tenant_id, lab_run_id, place)
    )
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        _RUNS,
        "CREATE INDEX idx_lab_runs_agent ON lab_runs (tenant_id, agent_id, created_at, id)",
        "CREATE INDEX idx_lab_runs_running ON lab_runs (tenant_id) WHERE state = 'running'",
        _TESTS,
        "CREATE INDEX idx_test_cases_agent ON test_cases (tenant_id, agent_id, created_at, id)",
        _CASES,
        "CREATE INDEX idx_lab_cases_execution_id ON lab_cases (execution_id)",
        "CREATE INDEX idx_lab_cases_test_case_id ON lab_cases (test_case_id) WHERE test_case_id IS NOT NULL",
    )
    for table in ("lab_runs", "test_cases", "lab_cases"):
        keep_tenants_apart(table)
        ask_for_proof(table)
        grant(table)
    run_copy("b61d4f0a9c27_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("b61d4f0a9c27_before.sql")
    run("DROP TABLE lab_cases", "DROP TABLE test_cases", "DROP TABLE lab_runs")
