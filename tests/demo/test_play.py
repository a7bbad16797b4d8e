"""The demo says how each run stands, and why one has no note."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from tests.support.hostile_desk import Answer, serving

from deskhand.demo.play import look_up, state_of
from deskhand.demo.scene import Scene
from deskhand.errors import UnavailableError


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


def answering(status: int, body: bytes) -> Answer:
    return lambda _handler, _body: (status, {"content-type": "application/json"}, body)


async def test_an_api_whose_database_is_away_hides_the_state_and_does_not_deny_the_run() -> None:
    with serving(answering(503, b'{"code": "database-unavailable"}')) as api:
        await assert_hidden(api)


async def test_an_api_that_is_away_hides_the_state_and_does_not_deny_the_run() -> None:
    # Bound and not listening: the port is refused, and no other process can take it meanwhile.
    with socket.socket() as away:
        away.bind(("127.0.0.1", 0))
        await assert_hidden(f"http://127.0.0.1:{away.getsockname()[1]}/")


async def assert_hidden(api: str) -> None:
    scene = Scene(api, api)
    try:
        with pytest.raises(UnavailableError):
            await scene.execution_of("1")
        execution, words = await look_up(scene, "1")
    finally:
        await scene.aclose()
    assert execution is None
    assert words == "its state cannot be seen now: the API or its database is being started again"


async def test_a_ticket_without_a_run_is_known_only_from_an_api_that_answers() -> None:
    with serving(answering(200, b'{"items": []}')) as api:
        scene = Scene(api, api)
        try:
            assert await look_up(scene, "1") == (None, state_of(None))
        finally:
            await scene.aclose()
