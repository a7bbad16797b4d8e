"""The demo says how each run stands, and why one has no note."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.demo.play import state_of


def run(status: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "attempt": 1, "step_count": 3, "degraded": False, "error_message": None, **more}


@pytest.mark.parametrize(
    ("execution", "words"),
    [
        (None, "no run yet: the desk's event has not been accepted"),
        (run("running"), "running, 3 steps"),
        (run("queued", attempt=2, error_message="The desk is away."), "queued, attempt 2: The desk is away."),
        (run("completed", degraded=True), "completed, without the model"),
        (run("failed", error_message="The desk refused."), "failed: The desk refused."),
    ],
)
def test_how_a_run_stands_is_said_with_its_reason(execution: dict[str, Any] | None, words: str) -> None:
    assert state_of(execution) == words
