"""Know tickets of one outage: storms, the tickets among which they are recognised, and the word to whom it concerns.

Revision ID: c63f0e8a2d17
Revises: c7e24b90d5a1
Create Date: 2026-11-29 20:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "c63f0e8a2d17"
down_revision: str | None = "c7e24b90d5a1"
branch_labels: None = None
depends_on: None = None

_KINDS = "'failure', 'doubt', 'approval', 'budget_warning', 'budget_stop', 'connection', 'schedule', 'audit'"
_TOLD = ("notification_facts", "notification_choices")
_TABLES = ("ticket_storms", "storm_reports")


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE ticket_storms (
            id uuid DEFAULT gen_random_uuid() CONSTRAINT ticket_storms_pkey PRIMARY KEY,
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_ticket_storms_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            tool_type varchar(50) NOT NULL,
            company varchar(255) NOT NULL DEFAULT '',
            company_name varchar(255) NOT NULL DEFAULT '',
            first_ticket_id varchar(100) NOT NULL,
            first_number varchar(100) NOT NULL,
            execution_id uuid NOT NULL,
            told integer NOT NULL,
            tickets integer NOT NULL,
            requesters integer NOT NULL,
            usual integer NOT NULL DEFAULT 0,
            began_at timestamptz NOT NULL,
            last_at timestamptz NOT NULL,
            over_at timestamptz NOT NULL,
            recognised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT uq_ticket_storms_first UNIQUE (tenant_id, tool_type, first_ticket_id)
        )
        """,
        "CREATE INDEX idx_ticket_storms_over_at ON ticket_storms (tenant_id, tool_type, company, over_at)",
        "CREATE INDEX idx_ticket_storms_recognised_at ON ticket_storms (tenant_id, recognised_at DESC, id DESC)",
        """
        CREATE TABLE storm_reports (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_storm_reports_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            tool_type varchar(50) NOT NULL,
            ticket_id varchar(100) NOT NULL,
            number varchar(100) NOT NULL,
            company varchar(255) NOT NULL DEFAULT '',
            requester varchar(32) NOT NULL DEFAULT '',
            execution_id uuid NOT NULL,
            reported_at timestamptz NOT NULL,
            words text[] NOT NULL,
            embedding real[],
            embedding_model varchar(100),
            storm_id uuid CONSTRAINT fk_storm_reports_storm_id REFERENCES ticket_storms (id) ON DELETE CASCADE,
            CONSTRAINT storm_reports_pkey PRIMARY KEY (tenant_id, tool_type, ticket_id)
        )
        """,
        "CREATE INDEX idx_storm_reports_reported_at ON storm_reports (tenant_id, tool_type, company, reported_at)",
        "CREATE INDEX idx_storm_reports_storm_id ON storm_reports (storm_id, reported_at)",
    )
    for table in _TABLES:
        keep_tenants_apart(table)
        ask_for_proof(table)
        grant(table)
    _list_kinds(f"{_KINDS}, 'storm'")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "DELETE FROM notification_facts WHERE kind = 'storm'",
        "DELETE FROM notification_choices WHERE kind = 'storm'",
    )
    _list_kinds(_KINDS)
    run(*(f"DROP TABLE {table}" for table in reversed(_TABLES)))


def _list_kinds(kinds: str) -> None:
    for table in _TOLD:
        run(
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_kind",
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_kind CHECK (kind IN ({kinds}))",
        )
