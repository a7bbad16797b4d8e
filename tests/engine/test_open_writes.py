"""Which writes of a run an attempt does not know the end of: a run must not end as if there were none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from deskhand.engine.journal import Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.kit.marks import MarkMaker
from deskhand.kit.telemetry import Telemetry
from deskhand.plugins.errors import DeskUnavailableError

BEGUN = ("add_note:1", "reply:1", "assign:1")


class Statements:
    """A database that answers a begun step as it is told."""

    def __init__(self, **verdicts: str) -> None:
        self.verdicts = verdicts

    async def begin_step(self, **values: Any) -> dict[str, Any]:
        return {"verdict": self.verdicts.get(values["name"], "new"), "output": {"id": "1"}}

    async def end_step(self, **_: Any) -> dict[str, Any]:
        return {"kept": True}


def journal(**verdicts: str) -> Journal:
    execution: Any = SimpleNamespace(id=uuid4(), tenant_id="acme", attempt=2)
    statements: Any = Statements(**verdicts)
    return Journal(
        statements,
        execution,
        RunBudget(RunLimits()),
        Lease(300.0),
        Telemetry(),
        marks=MarkMaker(b"of these tests"),
        kept_marks=dict.fromkeys(BEGUN, "dh-0123456789abcdef0123"),
    )


async def answer() -> Any:
    return {"id": "1"}


async def fall_silent() -> Any:
    raise DeskUnavailableError("The desk does not answer.")


async def test_a_write_is_open_until_this_attempt_has_met_its_end() -> None:
    kept = journal(add_note="replay", reply="in_doubt")
    assert kept.open_writes == frozenset(BEGUN)
    await kept.step(name="add_note", key="add_note:1", kind="write", body=answer, idempotent=False)
    assert kept.open_writes == {"reply:1", "assign:1"}
    await kept.step(name="reply", key="reply:1", kind="write", body=answer, idempotent=False, recover=answer)
    await kept.step(name="assign", key="assign:1", kind="write", body=answer)
    await kept.step(name="get_ticket", kind="tool", body=answer)
    assert (kept.open_writes, kept.begun_writes) == (frozenset(), frozenset(BEGUN))


async def test_a_write_whose_answer_never_came_stays_open() -> None:
    kept = journal()
    try:
        await kept.step(name="reply", key="reply:2", kind="write", body=fall_silent, idempotent=False)
    except DeskUnavailableError:
        assert "reply:2" in kept.open_writes
    else:
        raise AssertionError("the desk was to be away")
