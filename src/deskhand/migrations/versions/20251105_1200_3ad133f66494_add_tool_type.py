"""Add tool_type to tenants, so that a plugin can be chosen per tenant.

Revision ID: 3ad133f66494
Revises: 8f9c7d8a3e2b
Create Date: 2025-11-05 12:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "3ad133f66494"
down_revision: str | None = "8f9c7d8a3e2b"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE tenant_configs ADD COLUMN tool_type varchar(50) NOT NULL DEFAULT 'servicedesk_plus'",
        "CREATE INDEX idx_tenant_configs_tool_type ON tenant_configs (tool_type)",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("DROP INDEX idx_tenant_configs_tool_type", "ALTER TABLE tenant_configs DROP COLUMN tool_type")
