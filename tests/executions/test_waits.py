"""What a run waits for that asked the requester, read from the rows of its journal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deskhand.executions.waits import find_wait

ASKED = datetime(2026, 5, 4, 9, tzinfo=UTC)
UNTIL = datetime(2026, 5, 6, 9, tzinfo=UTC)


def steps(number: int, *, state: str = "started", question: str = "Which device?") -> list[Any]:
    key = f"ask_requester:c{number}"
    said = {"question": question, "round": number, "until": UNTIL.isoformat()}
    return [
        {"name": "ask_requester", "step_key": key, "state": "finished", "started_at": ASKED, "input": {"body": "?"}},
        {"name": "await_requester", "step_key": f"await_requester:{key}", "state": state, "input": said},
    ]


def test_the_open_question_is_the_one_that_nobody_has_answered() -> None:
    rows = [*steps(1, state="finished"), *steps(2)]
    wait = find_wait(rows, status="waiting", error_code="requester")
    assert wait is not None
    assert (wait.question, wait.round, wait.asked_at, wait.until) == ("Which device?", 2, ASKED, UNTIL)


def test_a_credential_in_a_question_is_not_shown() -> None:
    wait = find_wait(steps(1, question="password=hunter2-and-more"), status="waiting", error_code="requester")
    assert wait is not None
    assert "hunter2" not in wait.question


def test_a_run_that_waits_for_others_or_not_at_all_has_none() -> None:
    assert find_wait(steps(1), status="waiting", error_code="approval-needed") is None
    assert find_wait(steps(1), status="running", error_code=None) is None
