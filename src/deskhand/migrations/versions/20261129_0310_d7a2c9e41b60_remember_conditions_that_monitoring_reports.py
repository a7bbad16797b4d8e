"""Remember which condition of monitoring has its note, so that a thousand alerts of it get no other.

Revision ID: d7a2c9e41b60
Revises: b4d1e7a03c58
Create Date: 2026-11-29 03:10:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "d7a2c9e41b60"
down_revision: str | None = "b4d1e7a03c58"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE alert_conditions (
            tenant_id varchar(100) NOT NULL CONSTRAINT fk_alert_conditions_tenant_id
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE,
            agent_id uuid NOT NULL,
            tool_type varchar(50) NOT NULL,
            condition varchar(64) NOT NULL,
            ticket_id varchar(100) NOT NULL,
            execution_id uuid NOT NULL,
            is_open boolean NOT NULL DEFAULT true,
            alerts integer NOT NULL DEFAULT 1,
            last_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT alert_conditions_pkey PRIMARY KEY (tenant_id, agent_id, tool_type, condition)
        )
        """
    )
    keep_tenants_apart("alert_conditions")
    ask_for_proof("alert_conditions")
    grant("alert_conditions")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TABLE alert_conditions")
