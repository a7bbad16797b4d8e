"""Make the audit log append-only, each entry hashed with the one before it.

Revision ID: 1c95e7a4b8f3
Revises: 0a84f3e6c2d1
Create Date: 2026-11-21 10:10:00+00:00
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from decimal import Decimal
from typing import Any

from alembic import op
from sqlalchemy import text

from deskhand.migrations.support import limits, run, scalar

revision: str = "1c95e7a4b8f3"
down_revision: str | None = "0a84f3e6c2d1"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        """
        ALTER TABLE audit_log
            ADD COLUMN sequence bigint,
            ADD COLUMN previous_hash bytea,
            ADD COLUMN entry_hash bytea
        """,
        """
        UPDATE audit_log l SET sequence = n.number
          FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM audit_log) n WHERE n.id = l.id
        """,
    )
    chain_existing_entries()
    last = scalar("SELECT coalesce(max(sequence), 0) + 1 FROM audit_log")
    run(
        "ALTER TABLE audit_log ALTER COLUMN sequence SET NOT NULL, ALTER COLUMN entry_hash SET NOT NULL",
        f"ALTER TABLE audit_log ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY (START WITH {last})",
        "CREATE UNIQUE INDEX uq_audit_log_tenant_id_sequence ON audit_log (tenant_id, sequence)",
        """
        CREATE FUNCTION link_audit_entry() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, public AS $$
        DECLARE
            newest bytea;
        BEGIN
            -- The same lock as audit.repository takes before it computes the hash; here it protects the chain
            -- from a writer that forgot it.
            PERFORM pg_advisory_xact_lock(hashtextextended('deskhand.audit/' || NEW.tenant_id, 0));
            SELECT entry_hash INTO newest FROM audit_log WHERE tenant_id = NEW.tenant_id ORDER BY sequence DESC LIMIT 1;
            IF NEW.previous_hash IS DISTINCT FROM newest OR octet_length(NEW.entry_hash) <> 32 THEN
                RAISE integrity_constraint_violation USING MESSAGE = 'the entry does not continue the audit chain';
            END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER audit_log_chain BEFORE INSERT ON audit_log
            FOR EACH ROW EXECUTE FUNCTION link_audit_entry()
        """,
        """
        CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql
        SET search_path = pg_catalog, public AS $$
        BEGIN
            RAISE restrict_violation USING MESSAGE = 'the audit log is append-only';
        END $$
        """,
        """
        CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
            FOR EACH ROW EXECUTE FUNCTION keep_audit_log()
        """,
        """
        CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
            FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log()
        """,
    )


def downgrade() -> None:
    limits(lock_timeout="5s", statement_timeout="5min")
    run(
        "DROP TRIGGER audit_log_no_truncate ON audit_log",
        "DROP TRIGGER audit_log_append_only ON audit_log",
        "DROP TRIGGER audit_log_chain ON audit_log",
        "DROP FUNCTION keep_audit_log()",
        "DROP FUNCTION link_audit_entry()",
        "DROP INDEX uq_audit_log_tenant_id_sequence",
        "ALTER TABLE audit_log DROP COLUMN entry_hash, DROP COLUMN previous_hash, DROP COLUMN sequence",
    )


def chain_existing_entries() -> None:
    """Hash the entries from before the chain, as ``audit.service.entry_digest`` did on this date."""
    connection = op.get_bind()
    newest: dict[str, bytes] = {}
    columns = "id, tenant_id, actor, operation, resource_type, resource_id, status, details, created_at"
    rows = connection.execute(text(f"SELECT {columns} FROM audit_log ORDER BY tenant_id, sequence")).mappings().all()
    for row in rows:
        previous = newest.get(row["tenant_id"])
        newest[row["tenant_id"]] = digest = entry_digest(dict(row), previous)
        connection.execute(
            text("UPDATE audit_log SET previous_hash = :previous, entry_hash = :digest WHERE id = :id"),
            {"previous": previous, "digest": digest, "id": row["id"]},
        )


def entry_digest(row: dict[str, Any], previous: bytes | None) -> bytes:
    """SHA-256 over everything an entry says and the hash before it."""
    details = row["details"]
    content = [
        "" if previous is None else previous.hex(),
        str(row["id"]),
        row["tenant_id"],
        row["actor"],
        row["operation"],
        row["resource_type"],
        row["resource_id"],
        row["status"],
        canonical(json.loads(details) if isinstance(details, str) else details),
        row["created_at"].astimezone(UTC).isoformat(timespec="microseconds"),
    ]
    encoded = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(encoded.encode()).digest()


def canonical(value: Any) -> Any:
    """Mark and normalise numbers: JSONB keeps their value but not their notation. No stored key has a NUL."""
    if isinstance(value, dict):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, float):
        return {"\x00number": format(Decimal(repr(value)).normalize(), "f")}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"\x00number": format(Decimal(value).normalize(), "f")}
    return value
