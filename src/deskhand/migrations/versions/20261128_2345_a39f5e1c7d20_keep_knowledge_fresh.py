"""Keep knowledge fresh: imports as durable jobs, tickets to look at again, and when a desk's history is due.

Revision ID: a39f5e1c7d20
Revises: a4c81e6d2f57
Create Date: 2026-11-28 23:45:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run, run_copy

revision: str = "a39f5e1c7d20"
down_revision: str | None = "a4c81e6d2f57"
branch_labels: None = None
depends_on: None = None

TABLES = ("knowledge_jobs", "history_refreshes")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        # NULL for every tenant there is: an upgrade must not begin to read the desks of people who did not ask for it.
        "ALTER TABLE tenant_configs ADD COLUMN history_due_at timestamptz",
        "CREATE INDEX idx_tenant_configs_history_due_at ON tenant_configs (history_due_at)"
        " WHERE history_due_at IS NOT NULL",
        "ALTER TABLE ticket_history ADD COLUMN opened_at timestamptz, ADD COLUMN checked_at timestamptz",
        """
        CREATE TABLE knowledge_jobs (
            id uuid NOT NULL DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            kind varchar(20) NOT NULL,
            tool_type varchar(50),
            state varchar(10) NOT NULL DEFAULT 'queued',
            since timestamptz,
            cursor text,
            seen integer NOT NULL DEFAULT 0,
            created integer NOT NULL DEFAULT 0,
            updated integer NOT NULL DEFAULT 0,
            unchanged integer NOT NULL DEFAULT 0,
            failed integer NOT NULL DEFAULT 0,
            removed integer NOT NULL DEFAULT 0,
            total integer,
            problems jsonb NOT NULL DEFAULT '[]'::jsonb,
            error text,
            judged integer,
            answerable integer,
            asked_by varchar(255) NOT NULL DEFAULT 'system',
            attempt integer NOT NULL DEFAULT 0,
            tries integer NOT NULL DEFAULT 0,
            not_before timestamptz NOT NULL DEFAULT now(),
            lease_until timestamptz,
            stepped_at timestamptz,
            ended_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT knowledge_jobs_pkey PRIMARY KEY (id),
            CONSTRAINT fk_knowledge_jobs_tenant_id FOREIGN KEY (tenant_id)
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            CONSTRAINT ck_knowledge_jobs_kind CHECK (kind IN ('history', 'reconcile', 'embeddings')),
            CONSTRAINT ck_knowledge_jobs_state CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed')),
            CONSTRAINT ck_knowledge_jobs_tool_type CHECK ((kind = 'embeddings') = (tool_type IS NULL))
        )
        """,
        "CREATE INDEX idx_knowledge_jobs_tenant_id_created_at_id ON knowledge_jobs (tenant_id, created_at, id)",
        # Two of one kind for one desk would read the same pages twice, at the cost of the desk's quota.
        "CREATE UNIQUE INDEX uq_knowledge_jobs_open ON knowledge_jobs (tenant_id, kind, coalesce(tool_type, ''))"
        " WHERE state IN ('queued', 'running', 'paused')",
        "CREATE INDEX idx_knowledge_jobs_not_before ON knowledge_jobs (not_before)"
        " WHERE state IN ('queued', 'running')",
        """
        CREATE TABLE history_refreshes (
            tenant_id varchar(100) NOT NULL,
            tool_type varchar(50) NOT NULL,
            ticket_id varchar(100) NOT NULL,
            asks integer NOT NULL DEFAULT 1,
            tries integer NOT NULL DEFAULT 0,
            due_at timestamptz NOT NULL DEFAULT now(),
            error text,
            CONSTRAINT history_refreshes_pkey PRIMARY KEY (tenant_id, tool_type, ticket_id),
            CONSTRAINT fk_history_refreshes_tenant_id FOREIGN KEY (tenant_id)
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE
        )
        """,
        "CREATE INDEX idx_history_refreshes_due_at ON history_refreshes (due_at)",
    )
    for table in TABLES:
        keep_tenants_apart(table)
        ask_for_proof(table)
        grant(table)
    run_copy("a39f5e1c7d20_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("a39f5e1c7d20_before.sql")
    run(
        *(f"DROP TABLE {table}" for table in TABLES),
        "ALTER TABLE ticket_history DROP COLUMN opened_at, DROP COLUMN checked_at",
        "DROP INDEX idx_tenant_configs_history_due_at",
        "ALTER TABLE tenant_configs DROP COLUMN history_due_at",
    )
