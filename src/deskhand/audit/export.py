"""Entries of the audit log as text that other programs read: JSON Lines, and CSV for spreadsheets.

Each line has the entry's hash and the one before it, so that a chain can be checked without this product.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from deskhand.audit.models import AuditLog
from deskhand.kit.csv_text import csv_row

Format = Literal["jsonl", "csv"]
MEDIA_TYPES: dict[Format, str] = {"jsonl": "application/x-ndjson", "csv": "text/csv"}
COLUMNS = (
    *("sequence", "created_at", "actor", "operation", "resource_type", "resource_id", "status", "details"),
    *("address", "user_agent", "request_id"),
    *("id", "tenant_id", "previous_hash", "entry_hash"),
)


def heading(form: Format) -> str:
    """What stands before the first entry."""
    return csv_row(COLUMNS) if form == "csv" else ""


def line(entry: AuditLog, form: Format) -> str:
    """One entry, with its line's end."""
    facts = shown(entry)
    if form == "jsonl":
        return json.dumps(facts, ensure_ascii=False, separators=(",", ":")) + "\n"
    facts["details"] = json.dumps(facts["details"], ensure_ascii=False, separators=(",", ":"))
    return csv_row(facts[name] for name in COLUMNS)


def shown(entry: AuditLog) -> dict[str, Any]:
    """Everything an entry says, in the order of ``COLUMNS``."""
    values = {name: getattr(entry, name) for name in COLUMNS}
    return values | {
        "created_at": entry.created_at.isoformat(),
        "id": str(entry.id),
        "previous_hash": bytes(entry.previous_hash).hex() if entry.previous_hash else None,
        "entry_hash": bytes(entry.entry_hash).hex(),
    }
