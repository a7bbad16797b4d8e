"""What a run waits for that asked its ticket's requester, read from its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping

from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.errors import RequesterAskedError
from deskhand.executions.redaction import redact
from deskhand.executions.schemas import RequesterWait

_WAITING = "await_requester"


def find_wait(steps: Sequence[RowMapping], *, status: str, error_code: str | None) -> RequesterWait | None:
    """The question that is open; None of a run that does not wait for its requester."""
    if status != ExecutionStatus.WAITING or error_code != RequesterAskedError.code:
        return None
    wait = next(step for step in steps if step["name"] == _WAITING and step["state"] == StepState.STARTED)
    # The wait's own time is that of the last look; the question was put when its reply was written.
    asked = next(step for step in steps if step["step_key"] == wait["step_key"].removeprefix(f"{_WAITING}:"))
    said: dict[str, Any] = wait["input"]
    return RequesterWait(
        question=str(redact(said["question"])), round=said["round"], asked_at=asked["started_at"], until=said["until"]
    )
