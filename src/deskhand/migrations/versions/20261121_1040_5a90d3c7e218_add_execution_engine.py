"""Add the execution engine's functions (accept, start, journal, finish, heartbeat, sweep).

Revision ID: 5a90d3c7e218
Revises: 3f28c6e1bd70
Create Date: 2026-11-21 10:40:00+00:00
"""

from __future__ import annotations

from importlib.resources import files

from deskhand.migrations.support import APP, PLATFORM, define_for_application, limits, run

revision: str = "5a90d3c7e218"
down_revision: str | None = "3f28c6e1bd70"
branch_labels: None = None
depends_on: None = None

# Created in this order; those that cross tenants run with the platform role's rights.
ACROSS_TENANTS = {
    "heartbeat_executions": "heartbeat_executions(text, uuid[], integer[])",
    "sweep_executions": "sweep_executions(double precision)",
}
OWN_RIGHTS = (
    "execution_caps(jsonb)",
    "enqueue_execution(uuid, interval)",
    "accept_event(text, uuid, uuid, integer, text, text, text, text, text, text[], text, integer, jsonb)",
    "record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer)",
    "promote_executions(text)",
    "start_execution(text, uuid, text, double precision)",
    "finish_execution(text, uuid, integer, text, jsonb, text, text, double precision)",
    "begin_step(text, uuid, integer, text, text, text, boolean, text, jsonb)",
    "end_step(text, uuid, integer, text, text, jsonb, text, integer, integer, numeric)",
)


def statements() -> list[str]:
    """The functions, one statement each, frozen with this revision."""
    text = files("deskhand.migrations.sql").joinpath("engine_1.sql").read_text(encoding="utf-8")
    return [part.strip() for part in text.split("\n;;\n") if part.strip()]


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    for statement in statements():
        name = statement.split("CREATE FUNCTION", 1)[1].split("(", 1)[0].strip()
        if name in ACROSS_TENANTS:
            define_for_application(ACROSS_TENANTS[name], statement)
        else:
            run(statement)
    for signature in OWN_RIGHTS:
        run(
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {signature} TO {APP}, {PLATFORM}",
        )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    for signature in (*ACROSS_TENANTS.values(), *reversed(OWN_RIGHTS)):
        run(f"DROP FUNCTION {signature}")
