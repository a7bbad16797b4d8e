"""Keep the answers of POSTs with an Idempotency-Key for a day, encrypted.

Revision ID: c93e5b20d7f4
Revises: a7c41d90be26
Create Date: 2026-11-28 14:00:00+00:00
"""

from __future__ import annotations

from deskhand.migrations.support import ask_for_proof, grant, keep_tenants_apart, limits, run

revision: str = "c93e5b20d7f4"
down_revision: str | None = "a7c41d90be26"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run(
        """
        CREATE TABLE idempotency_keys (
            tenant_id varchar(100) NOT NULL,
            digest bytea NOT NULL,
            fingerprint bytea NOT NULL,
            answer_encrypted text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, digest)
        )
        """,
        "CREATE INDEX idx_idempotency_keys_tenant_id_created_at ON idempotency_keys (tenant_id, created_at)",
    )
    keep_tenants_apart("idempotency_keys")
    ask_for_proof("idempotency_keys")
    grant("idempotency_keys")


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="1min")
    run("DROP TABLE idempotency_keys")
