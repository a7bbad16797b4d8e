"""End what a key made with the key: tokens and sessions are stored with the key they come from.

Those that are there already name their maker by its prefix; a session made with a token names the token.

Revision ID: e91b5c3fa742
Revises: c2f4b81d07e9
Create Date: 2026-11-28 07:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run, run_copy

revision: str = "e91b5c3fa742"
down_revision: str | None = "c2f4b81d07e9"
branch_labels: None = None
depends_on: None = None

OF_A_KEY = """
    UPDATE api_keys made SET made_with = maker.id
      FROM api_keys maker
     WHERE made.prefix ~ '^dh[sc]_' AND made.tenant_id = maker.tenant_id
       AND made.created_by = 'api-key:' || maker.prefix AND maker.prefix ~ '^dhk_'
"""
OF_A_PLATFORM_KEY = """
    UPDATE api_keys made SET made_with_platform_key = maker.id
      FROM platform_keys maker
     WHERE made.prefix ~ '^dhs_' AND made.created_by = 'platform-key:' || maker.prefix
"""
OF_A_SIGN_IN = """
    UPDATE api_keys made SET made_with = token.made_with, made_with_platform_key = token.made_with_platform_key
      FROM api_keys token
     WHERE made.prefix ~ '^dhc_' AND made.tenant_id = token.tenant_id
       AND made.created_by = 'api-key:' || token.prefix AND token.prefix ~ '^dhs_'
"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        "ALTER TABLE api_keys ADD CONSTRAINT uq_api_keys_tenant_id_id UNIQUE (tenant_id, id)",
        """
        ALTER TABLE api_keys
            ADD COLUMN made_with uuid,
            ADD COLUMN made_with_platform_key uuid CONSTRAINT fk_api_keys_made_with_platform_key
                REFERENCES platform_keys (id) ON DELETE CASCADE,
            ADD CONSTRAINT fk_api_keys_made_with FOREIGN KEY (tenant_id, made_with)
                REFERENCES api_keys (tenant_id, id) ON DELETE CASCADE
        """,
        "CREATE INDEX idx_api_keys_made_with ON api_keys (tenant_id, made_with)",
        "CREATE INDEX idx_api_keys_made_with_platform_key ON api_keys (made_with_platform_key)",
        OF_A_KEY,
        OF_A_PLATFORM_KEY,
        OF_A_SIGN_IN,
    )
    run_copy("e91b5c3fa742_after.sql")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run_copy("e91b5c3fa742_before.sql")
    run(
        """
        ALTER TABLE api_keys
            DROP COLUMN made_with,
            DROP COLUMN made_with_platform_key,
            DROP CONSTRAINT uq_api_keys_tenant_id_id
        """,
    )
