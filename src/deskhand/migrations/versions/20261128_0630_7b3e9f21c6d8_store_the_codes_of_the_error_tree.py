"""Store of a failed run the code that its class has: six were made from class names, two stood for one event.

Revision ID: 7b3e9f21c6d8
Revises: a1c4e7d02b95
Create Date: 2026-11-28 06:30:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import limits, run

revision: str = "7b3e9f21c6d8"
down_revision: str | None = "a1c4e7d02b95"
branch_labels: None = None
depends_on: None = None

CODES = {
    "context-too-long": "model-context-too-long",
    "unknown-model": "model-unknown",
    "invalid-output": "model-invalid-output",
    "limit-exceeded": "limit-reached",
    "run-limit-exceeded": "limit-reached",
    "attempts-exhausted": "worker-died",
    "model": "model-error",
    "desk": "desk-error",
}


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    pairs = ", ".join(f"('{old}', '{new}')" for old, new in CODES.items())
    run(
        # The owner is held to the tenants' policies too, and this is about every tenant.
        "ALTER TABLE agent_executions NO FORCE ROW LEVEL SECURITY",
        f"UPDATE agent_executions e SET error_code = c.new FROM (VALUES {pairs}) AS c (old, new)"
        " WHERE e.error_code = c.old",
        "ALTER TABLE agent_executions FORCE ROW LEVEL SECURITY",
    )


def downgrade() -> None:
    """Nothing: an older version reads a code as a word and shows it."""
