"""Share the workers by weight, limit a tenant's starts per hour, tell crashes from failures, accept many in one commit.

Revision ID: 8ea3d5f9c260
Revises: 7d92c4e8b1f5
Create Date: 2026-11-22 01:00:00+00:00
"""

from __future__ import annotations

from importlib.resources import files

from deskhand.migrations.support import (
    APP,
    PLATFORM,
    define_for_application,
    grant,
    keep_tenants_apart,
    limits,
    run,
)

revision: str = "8ea3d5f9c260"
down_revision: str | None = "7d92c4e8b1f5"
branch_labels: None = None
depends_on: None = None

# New here, in the order of the file.
OWN_RIGHTS = {
    "execution_weight": "execution_weight(jsonb)",
    "next_queue_tag": "next_queue_tag(text, double precision)",
    "start_room": "start_room(text, jsonb)",
    "accept_events": "accept_events(jsonb)",
    "start_executions": "start_executions(jsonb)",
    "begin_steps": "begin_steps(jsonb)",
    "end_steps": "end_steps(jsonb)",
    "finish_executions": "finish_executions(jsonb)",
}
PRUNE = "prune_history(text, interval, integer)"
# Defined by the revision before, replaced here, and put back by the downgrade.
REPLACED = (
    "enqueue_execution",
    "accept_event",
    "begin_step",
    "finish_execution",
    "heartbeat_executions",
    "promote_executions",
    "start_execution",
    "sweep_executions",
)
# Tables whose rows the hot path writes, with the parent their trigger looks for.
PARENTS = {
    "webhook_deliveries": ("trigger_id", "agent_triggers", "refuse_foreign_trigger()"),
    "schedule_fires": ("trigger_id", "agent_triggers", "refuse_foreign_trigger()"),
    "execution_steps": ("execution_id", "agent_executions", "refuse_foreign_execution()"),
}


def statements(name: str) -> dict[str, str]:
    """The functions of a file in ``migrations/sql`` by name, frozen with their revision."""
    text = files("deskhand.migrations.sql").joinpath(name).read_text(encoding="utf-8")
    parts = [part.strip() for part in text.split("\n;;\n") if part.strip()]
    return {part.split("FUNCTION ", 1)[1].split("(", 1)[0]: part for part in parts}


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "ALTER TABLE agent_executions ADD COLUMN queue_tag bigint NOT NULL DEFAULT 0,"
        " ADD COLUMN crashes integer NOT NULL DEFAULT 0, ADD COLUMN replay_of uuid,"
        " ALTER COLUMN max_attempts SET DEFAULT 15",
        # Of a flood nearly all is parked; what is ready must be found without looking at it.
        "DROP INDEX idx_agent_executions_queued",
        "CREATE INDEX idx_agent_executions_parked ON agent_executions (tenant_id, queued_at, id)"
        " WHERE status = 'queued' AND parked",
        "CREATE INDEX idx_agent_executions_ready ON agent_executions (tenant_id, queue_tag)"
        " WHERE status = 'queued' AND NOT parked",
        "CREATE INDEX idx_agent_executions_completed_at ON agent_executions USING brin (completed_at)",
        "CREATE INDEX idx_agent_executions_replay_of ON agent_executions (replay_of) WHERE replay_of IS NOT NULL",
        "CREATE INDEX idx_webhook_deliveries_received_at ON webhook_deliveries USING brin (received_at)",
        "CREATE INDEX idx_schedule_fires_fire_at ON schedule_fires USING brin (fire_at)",
        "CREATE SEQUENCE execution_clock",
        f"GRANT SELECT, UPDATE ON SEQUENCE execution_clock TO {APP}, {PLATFORM}",
        """
        CREATE TABLE execution_starts (
            tenant_id varchar(100) NOT NULL,
            minute timestamptz NOT NULL,
            starts integer NOT NULL DEFAULT 0,
            CONSTRAINT execution_starts_pkey PRIMARY KEY (tenant_id, minute),
            CONSTRAINT fk_execution_starts_tenant_id FOREIGN KEY (tenant_id)
                REFERENCES tenant_configs (tenant_id) ON DELETE CASCADE
        ) WITH (fillfactor = 50)
        """,
    )
    keep_tenants_apart("execution_starts")
    grant("execution_starts")
    for name, statement in statements("engine_2.sql").items():
        _define(name, statement)
    for table, (column, _, function) in PARENTS.items():
        _guard(table, column, function)


def _guard(table: str, column: str, function: str) -> None:
    run(
        f"CREATE OR REPLACE TRIGGER {table}_refuse_foreign_parent BEFORE INSERT OR UPDATE OF {column}, tenant_id"
        f" ON {table} FOR EACH ROW EXECUTE FUNCTION {function}"
    )


def _define(name: str, statement: str) -> None:
    if name == "prune_history":
        define_for_application(PRUNE, statement)
        return
    run(statement)
    if name in OWN_RIGHTS:
        run(
            f"REVOKE ALL ON FUNCTION {OWN_RIGHTS[name]} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {OWN_RIGHTS[name]} TO {APP}, {PLATFORM}",
        )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    before = statements("engine_1.sql")
    for name in REPLACED:
        run(before[name].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    for table, (column, parent, _) in PARENTS.items():
        _guard(table, column, f"refuse_foreign_parent('{parent}', '{column}')")
    for signature in (PRUNE, *reversed(OWN_RIGHTS.values()), "refuse_foreign_trigger()", "refuse_foreign_execution()"):
        run(f"DROP FUNCTION {signature}")
    run(
        "DROP TABLE execution_starts",
        "DROP SEQUENCE execution_clock",
        "DROP INDEX idx_schedule_fires_fire_at, idx_webhook_deliveries_received_at, idx_agent_executions_replay_of,"
        " idx_agent_executions_completed_at, idx_agent_executions_ready, idx_agent_executions_parked",
        "CREATE INDEX idx_agent_executions_queued ON agent_executions (tenant_id, queued_at) WHERE status = 'queued'",
        "ALTER TABLE agent_executions DROP COLUMN replay_of, DROP COLUMN crashes, DROP COLUMN queue_tag,"
        " ALTER COLUMN max_attempts SET DEFAULT 4",
    )
