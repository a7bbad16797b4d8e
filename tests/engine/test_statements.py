"""A statement that cannot be sent for long ends the attempt, not the run."""

from __future__ import annotations

import asyncpg
import pytest
import stamina

from deskhand.engine.retry import decide
from deskhand.engine.statements import steadily
from deskhand.errors import UnavailableError


@pytest.mark.parametrize(
    "error", [TimeoutError(), OSError("no route"), asyncpg.DeadlockDetectedError("deadlock")], ids=repr
)
async def test_what_does_not_pass_in_time_is_tried_again_with_the_run(error: Exception) -> None:
    asked = 0

    async def away() -> None:
        nonlocal asked
        asked += 1
        raise error

    with stamina.set_testing(True, attempts=2), pytest.raises(UnavailableError) as raised:
        await steadily(away)
    assert asked == 3
    assert decide(raised.value, attempt=1, max_attempts=4).again
