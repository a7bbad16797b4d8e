"""Add the functions by which workers fire schedules.

Revision ID: 6c81f2a9d40b
Revises: 5a90d3c7e218
Create Date: 2026-11-21 11:00:00+00:00
"""

from __future__ import annotations

from importlib.resources import files

from deskhand.migrations.support import define_for_application, limits, run

revision: str = "6c81f2a9d40b"
down_revision: str | None = "5a90d3c7e218"
branch_labels: None = None
depends_on: None = None

# In the order of the file.
SIGNATURES = (
    "schedule_delay()",
    "due_schedules(integer)",
    "fire_schedules(uuid[], timestamptz[], text[], uuid[], timestamptz[])",
)


def statements() -> list[str]:
    """The functions, one statement each, frozen with this revision."""
    text = files("deskhand.migrations.sql").joinpath("schedules_1.sql").read_text(encoding="utf-8")
    return [part.strip() for part in text.split("\n;;\n") if part.strip()]


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    for signature, statement in zip(SIGNATURES, statements(), strict=True):
        define_for_application(signature, statement)


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    for signature in reversed(SIGNATURES):
        run(f"DROP FUNCTION {signature}")
