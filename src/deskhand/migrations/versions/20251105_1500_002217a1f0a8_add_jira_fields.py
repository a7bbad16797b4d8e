"""Add the Jira Service Management connection to tenants.

Revision ID: 002217a1f0a8
Revises: 3ad133f66494
Create Date: 2025-11-05 15:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "002217a1f0a8"
down_revision: str | None = "3ad133f66494"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE tenant_configs ADD COLUMN jira_url varchar(500)",
        "ALTER TABLE tenant_configs ADD COLUMN jira_api_token_encrypted bytea",
        "ALTER TABLE tenant_configs ADD COLUMN jira_project_key varchar(50)",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE tenant_configs DROP COLUMN jira_project_key",
        "ALTER TABLE tenant_configs DROP COLUMN jira_api_token_encrypted",
        "ALTER TABLE tenant_configs DROP COLUMN jira_url",
    )
