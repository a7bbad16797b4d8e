"""Find what a webhook is for, before its tenant is known.

Revision ID: 2e17b5d09ac6
Revises: 1c95e7a4b8f3
Create Date: 2026-11-21 10:20:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import define_for_application, limits, run

revision: str = "2e17b5d09ac6"
down_revision: str | None = "1c95e7a4b8f3"
branch_labels: None = None
depends_on: None = None

RESULT = """(trigger_id uuid, tenant_id varchar, agent_id uuid, agent_name varchar, agent_status varchar,
                       current_version integer, agent_revision integer, webhook_url varchar, hmac_secret text,
                       previous_hmac_secret text, previous_hmac_secret_expires_at timestamptz, is_paused boolean,
                       payload_schema jsonb, tool_ids text[], tool_type varchar, tenant_is_active boolean,
                       webhook_signing_secret_encrypted text, rate_limits jsonb)"""
COLUMNS = """t.id, t.tenant_id, a.id, a.name, a.status, a.current_version, a.revision, t.webhook_url, t.hmac_secret,
                   t.previous_hmac_secret, t.previous_hmac_secret_expires_at, t.is_paused, t.payload_schema,
                   ARRAY(SELECT o.tool_id::text FROM agent_tools o WHERE o.agent_id = a.id ORDER BY o.tool_id),
                   c.tool_type, c.is_active, c.webhook_signing_secret_encrypted, c.rate_limits"""
SOURCE = """FROM agent_triggers t
              JOIN agents a ON a.id = t.agent_id
              JOIN tenant_configs c ON c.tenant_id = t.tenant_id"""


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    define_for_application(
        "find_webhook_triggers(uuid)",
        f"""
        CREATE FUNCTION find_webhook_triggers(p_agent_id uuid)
        RETURNS TABLE {RESULT}
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            SELECT {COLUMNS}
              {SOURCE}
             WHERE t.agent_id = p_agent_id AND t.trigger_type = 'webhook'
             ORDER BY t.created_at, t.id
        $$
        """,
    )
    define_for_application(
        "find_tenant_hook(text, text)",
        f"""
        CREATE FUNCTION find_tenant_hook(p_tenant_id text, p_tool_type text)
        RETURNS TABLE {RESULT}
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
            SELECT {COLUMNS}
              {SOURCE}
             WHERE t.tenant_id = p_tenant_id AND t.trigger_type = 'webhook'
               AND EXISTS (SELECT 1 FROM agent_tools o WHERE o.agent_id = a.id AND o.tool_id = p_tool_type)
             ORDER BY t.created_at, t.id
        $$
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run("DROP FUNCTION find_tenant_hook(text, text)", "DROP FUNCTION find_webhook_triggers(uuid)")
