"""Add Zendesk, ServiceNow and other desks to tenants, and the indexes on JSON columns.

Revision ID: 9d2f6a4c1b07
Revises: facc8d95bcbd
Create Date: 2026-11-21 09:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "9d2f6a4c1b07"
down_revision: str | None = "facc8d95bcbd"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE tenant_configs ADD COLUMN zendesk_subdomain varchar(100)",
        "ALTER TABLE tenant_configs ADD COLUMN zendesk_api_token_encrypted bytea",
        "ALTER TABLE tenant_configs ADD COLUMN servicenow_instance_url varchar(500)",
        "ALTER TABLE tenant_configs ADD COLUMN servicenow_api_key_encrypted bytea",
        "ALTER TABLE tenant_configs ADD COLUMN connection_extras_encrypted text",
        "CREATE INDEX idx_tenant_configs_preferences ON tenant_configs USING gin (enhancement_preferences)",
        "CREATE INDEX idx_agents_llm_config ON agents USING gin (llm_config)",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP INDEX idx_agents_llm_config",
        "DROP INDEX idx_tenant_configs_preferences",
        "ALTER TABLE tenant_configs DROP COLUMN connection_extras_encrypted",
        "ALTER TABLE tenant_configs DROP COLUMN servicenow_api_key_encrypted",
        "ALTER TABLE tenant_configs DROP COLUMN servicenow_instance_url",
        "ALTER TABLE tenant_configs DROP COLUMN zendesk_api_token_encrypted",
        "ALTER TABLE tenant_configs DROP COLUMN zendesk_subdomain",
    )
