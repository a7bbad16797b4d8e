"""Ask sessions of the application for a proof of their tenant, or of the process they belong to.

The policies of tenants stay as they are; beside each stands a restrictive one that asks session_proof(). The platform
role is bound to a tenant where one is set, since functions that belong to it now do what serves many tenants.
PgQueuer's tables get policies too: a worker sees every job, a tenant's session can hand over its own. Nothing is asked
for before `deskhand db upgrade` has stored a key in proof_keys.

Revision ID: b8d20f5e7a61
Revises: d7f1b03c8e42
Create Date: 2026-11-28 10:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import APP, PLATFORM, TENANT_IS_PROVEN, ask_for_proof, limits, run, run_copy

revision: str = "b8d20f5e7a61"
down_revision: str | None = "d7f1b03c8e42"
branch_labels: None = None
depends_on: None = None

OWNER = "deskhand_owner"
OF_TENANTS = (
    "tenant_configs", "enhancement_history", "ticket_history", "audit_log", "agents", "agent_triggers", "agent_tools",
    "agent_versions", "agent_executions", "execution_steps", "webhook_deliveries", "schedule_fires",
    "execution_starts", "memberships", "api_keys", "knowledge_articles", "system_inventory", "enhancement_feedback",
)  # fmt: skip
OF_THE_QUEUE = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")
IS_WORKER = "(SELECT session_proof()) IN ('worker', 'unsealed')"
# A job's payload is its tenant, a colon and the execution. Compared as bytes: what PgQueuer stores need not be text.
OWN_PREFIX = "(SELECT convert_to(NULLIF(current_setting('app.current_tenant_id', true), '') || ':', 'UTF8'))"
IS_OWN_JOB = f"{TENANT_IS_PROVEN} AND substring(payload FROM 1 FOR octet_length({OWN_PREFIX})) = {OWN_PREFIX}"


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE proof_keys (
            inner_pad bytea CONSTRAINT proof_keys_pkey PRIMARY KEY,
            outer_pad bytea NOT NULL
        )
        """,
        "SET LOCAL check_function_bodies = off",  # they speak of each other
    )
    run_copy("b8d20f5e7a61_after.sql")
    run(
        # The one function that reads the key is its owner's, not the platform's.
        f"ALTER FUNCTION session_proof() OWNER TO {OWNER}",
        f"GRANT EXECUTE ON FUNCTION session_proof() TO {APP}, {PLATFORM}",
        f"REVOKE UPDATE ON SEQUENCE execution_clock FROM {APP}",
    )
    for table in OF_TENANTS:
        ask_for_proof(table)
    for table in OF_THE_QUEUE:
        run(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY {table}_platform_policy ON {table} TO {PLATFORM} USING (true) WITH CHECK (true)",
            f"CREATE POLICY {table}_worker_policy ON {table} TO {APP} USING ({IS_WORKER}) WITH CHECK ({IS_WORKER})",
        )
    run(
        f"CREATE POLICY pgqueuer_own_job_policy ON pgqueuer FOR SELECT TO {APP} USING ({IS_OWN_JOB})",
        f"CREATE POLICY pgqueuer_hand_over_policy ON pgqueuer FOR INSERT TO {APP} WITH CHECK ({IS_OWN_JOB})",
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    for table in OF_TENANTS:
        run(
            f"DROP POLICY {table}_proof_policy ON {table}",
            f"ALTER POLICY {table}_platform_policy ON {table} USING (true) WITH CHECK (true)",
        )
    run("DROP POLICY pgqueuer_own_job_policy ON pgqueuer", "DROP POLICY pgqueuer_hand_over_policy ON pgqueuer")
    for table in OF_THE_QUEUE:
        run(
            f"DROP POLICY {table}_worker_policy ON {table}",
            f"DROP POLICY {table}_platform_policy ON {table}",
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        )
    run(f"GRANT UPDATE ON SEQUENCE execution_clock TO {APP}", "SET LOCAL check_function_bodies = off")
    run_copy("b8d20f5e7a61_before.sql")
    run("DROP TABLE proof_keys")
