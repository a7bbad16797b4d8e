"""Add webhook deliveries and schedule firings, each unique.

Revision ID: e63b19c8d74f
Revises: d58a02bf6e19
Create Date: 2026-11-21 09:40:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import grant, keep_tenants_apart, limits, run

revision: str = "e63b19c8d74f"
down_revision: str | None = "d58a02bf6e19"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        CREATE TABLE webhook_deliveries (
            id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY DEFAULT gen_random_uuid(),
            tenant_id varchar(100) NOT NULL,
            trigger_id uuid NOT NULL,
            delivery_id varchar(255),
            outcome varchar(20) NOT NULL,
            reason text,
            http_status integer NOT NULL,
            scheme varchar(50),
            event varchar(100),
            tool_type varchar(50),
            ticket_ref varchar(100),
            body_sha256 varchar(64),
            body_bytes integer,
            execution_id uuid,
            received_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT ck_webhook_deliveries_outcome
                CHECK (outcome IN ('accepted', 'coalesced', 'ignored', 'rejected')),
            CONSTRAINT fk_webhook_deliveries_trigger_id FOREIGN KEY (tenant_id, trigger_id)
                REFERENCES agent_triggers (tenant_id, id) ON DELETE CASCADE
        )
        """,
        """
        CREATE UNIQUE INDEX uq_webhook_deliveries_trigger_delivery ON webhook_deliveries (trigger_id, delivery_id)
            WHERE outcome <> 'rejected'
        """,
        """
        CREATE INDEX idx_webhook_deliveries_tenant_received_at
            ON webhook_deliveries (tenant_id, received_at DESC)
        """,
        "CREATE INDEX idx_webhook_deliveries_execution_id ON webhook_deliveries (execution_id)",
        """
        CREATE TABLE schedule_fires (
            tenant_id varchar(100) NOT NULL,
            trigger_id uuid NOT NULL,
            fire_at timestamptz NOT NULL,
            outcome varchar(20) NOT NULL DEFAULT 'fired',
            execution_id uuid,
            fired_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT schedule_fires_pkey PRIMARY KEY (trigger_id, fire_at),
            CONSTRAINT ck_schedule_fires_outcome CHECK (outcome IN ('fired', 'skipped')),
            CONSTRAINT fk_schedule_fires_trigger_id FOREIGN KEY (tenant_id, trigger_id)
                REFERENCES agent_triggers (tenant_id, id) ON DELETE CASCADE
        )
        """,
        "CREATE INDEX idx_schedule_fires_tenant_fire_at ON schedule_fires (tenant_id, fire_at DESC)",
    )
    for table in ("webhook_deliveries", "schedule_fires"):
        keep_tenants_apart(table)
        grant(table)
        run(
            f"CREATE TRIGGER {table}_refuse_foreign_parent BEFORE INSERT OR UPDATE OF trigger_id, tenant_id ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_foreign_parent('agent_triggers', 'trigger_id')"
        )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("DROP TABLE schedule_fires", "DROP TABLE webhook_deliveries")
