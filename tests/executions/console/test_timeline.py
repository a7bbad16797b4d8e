"""What a run's page says of its steps: what a dry run would have done, in which words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from deskhand.executions.console.timeline import TimelineStep, lay_out
from deskhand.executions.schemas import ExecutionDetail, StepView

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
ID = UUID(int=1)


def laid_out(name: str, given: Any, output: Any, *, mode: str = "dry_run") -> TimelineStep:
    """One step of a run, as its page has it."""
    step = StepView(position=1, step_key=f"{name}#1", attempt=1, kind="compute", name=name, state="finished",
                    idempotent=True, mark=None, input=given, output=output, error=None, tokens_in=None, tokens_out=None,
                    cost_usd=None, started_at=NOW, finished_at=NOW, duration_ms=0)  # fmt: skip
    nothing = {
        name: None
        for name, field in ExecutionDetail.model_fields.items()
        if name not in ("degraded", "degraded_reason")
    }
    lists = {"replays": [], "not_approved": [], "read": [], "steps": [step]}
    run = ExecutionDetail.model_construct(**{**nothing, **lists, "mode": mode, "attempt": 1})
    [placed] = lay_out(run, now=NOW)
    return placed


@pytest.mark.parametrize(
    ("name", "given", "output", "words", "where", "sets"),
    [
        ("add_note", {"body": "Hi", "public": False}, {"intent": "add_note"}, "Would add note", "", ()),
        (
            "update_ticket",
            {"priority": "high", "group": None, "target": "jira/OPS-1"},
            {"intent": "update_ticket"},
            "Would update ticket",
            "ticket OPS-1 of Jira",
            (("priority", "high"),),
        ),
        (
            "create_ticket",
            {"subject": "New", "target": "jira/"},
            {"intent": "create_ticket"},
            "Would create ticket",
            "a new ticket of Jira",
            (("subject", "New"),),
        ),
        (
            "order_part",
            {"body": {"part": 7}},
            {"intent": "order_part"},
            "Would order part",
            "",
            (("body", {"part": 7}),),
        ),
    ],
)
def test_an_intent_says_what_it_would_do(
    name: str, given: Any, output: Any, words: str, where: str, sets: tuple[tuple[str, Any], ...]
) -> None:
    placed = laid_out(name, given, output)
    assert (placed.intent, placed.kind, placed.name, placed.where, placed.sets) == (
        True, "Not written", words, where, sets,
    )  # fmt: skip
    assert placed.text == (given["body"] if isinstance(given.get("body"), str) else None)


def test_what_a_dry_run_read_is_no_intent_and_a_live_run_has_none() -> None:
    read = laid_out("get_ticket", {"ticket_id": "7"}, {"subject": "Printer"})
    live = laid_out("add_note", {"body": "Hi"}, {"id": "50"}, mode="live")
    assert (read.intent, live.intent) == (False, False)
    assert (read.name, live.name) == ("Get ticket", "Add note")
    assert (read.sets, read.text) == ((), None)
