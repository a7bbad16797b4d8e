"""An exported entry says the same as JSON and as CSV, and no cell of it is a formula."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.audit.export import COLUMNS, heading, line
from deskhand.audit.models import AuditLog

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=30)


def entry(**more: Any) -> AuditLog:
    facts: dict[str, Any] = {
        "id": UUID(int=5),
        "sequence": 7,
        "created_at": datetime(2026, 5, 4, 9, tzinfo=UTC),
        "tenant_id": "acme",
        "actor": "user:ann@example.com",
        "operation": "agent.activate",
        "resource_type": "agent",
        "resource_id": None,
        "status": "success",
        "details": {},
        "previous_hash": None,
        "entry_hash": b"\x01" * 32,
    }
    return AuditLog(**{**facts, **more})


def read_csv(text: str) -> dict[str, str]:
    [row] = csv.DictReader(io.StringIO(heading("csv") + text, newline=""))
    return row


@given(actor=WORDS, resource=WORDS, details=st.dictionaries(WORDS, WORDS | st.none() | st.booleans(), max_size=3))
def test_both_forms_say_the_same_whatever_people_wrote(actor: str, resource: str, details: dict[str, Any]) -> None:
    one = entry(actor=actor, resource_id=resource, details=details)
    text = line(one, "jsonl")
    assert (text.count("\n"), text[-1]) == (1, "\n")
    facts, row = json.loads(text), read_csv(line(one, "csv"))
    assert list(facts) == list(row) == list(COLUMNS)
    assert (facts["actor"], facts["details"]) == (actor, details)
    assert json.loads(row["details"]) == details
    assert row["actor"].removeprefix("'") == actor.removeprefix("'")
    assert all(not cell.startswith(("=", "+", "-", "@", "\t")) for cell in row.values())


@pytest.mark.parametrize("actor", ["=1+1", "+49 30", "-2", "@SUM(A1)", "\tx", "\r=1"])
def test_what_a_spreadsheet_would_compute_is_text(actor: str) -> None:
    assert read_csv(line(entry(actor=actor), "csv"))["actor"] == f"'{actor}"


def test_the_first_entry_of_a_chain_has_no_hash_before_it() -> None:
    facts = json.loads(line(entry(), "jsonl"))
    assert (facts["previous_hash"], facts["entry_hash"]) == (None, "01" * 32)
    assert read_csv(line(entry(previous_hash=b"\xff" * 32), "csv"))["previous_hash"] == "ff" * 32
    assert heading("jsonl") == ""
