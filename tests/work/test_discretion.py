"""A note that is shown pauses its agent once, however often a resumed run comes by; what is refused writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from tests.support.api import Api

from deskhand.engine.claims import RunningExecution
from deskhand.errors import StoodBackError
from deskhand.notifications.models import NotificationFact
from deskhand.pauses.models import Pause
from deskhand.plugins.contract import WriteReceipt
from deskhand.work.discretion import Discretion, is_inside

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
INSIDE, ANSWER = {"body": "x", "public": False}, {"body": "x", "public": True}
SHOWN = WriteReceipt(id="9001", ticket_id="4711", public=True)


async def discretion(api: Api, **more: str) -> Discretion:
    acme = await api.tenant()
    agent = await api.agent(acme)
    run = RunningExecution(
        id=uuid4(),
        tenant_id="acme",
        agent_id=UUID(agent["id"]),
        agent_version_id=uuid4(),
        attempt=1,
        max_attempts=3,
        mode="live",
        tool_type="servicedesk_plus",
        ticket_ref="4711",
        input_payload={},
        queued_at=NOW,
        started_at=NOW,
    )
    return Discretion(api.db, run, "ServiceDesk Plus", **more)


async def counted(api: Api) -> tuple[int, int]:
    async with api.db.tenant_session("acme") as session:
        of = [await session.scalar(select(func.count()).select_from(model)) for model in (Pause, NotificationFact)]
        return of[0] or 0, of[1] or 0


async def test_the_same_note_pauses_once_and_no_further_one_is_written(api: Api) -> None:
    first = await discretion(api)
    for receipt in (WriteReceipt(id="1", ticket_id="4711", public=False), WriteReceipt(id="2", ticket_id="4711")):
        await first.look_at(INSIDE, receipt)
    await first.look_at(ANSWER, SHOWN)
    await first.look_at({"set": {"status": "x"}}, SHOWN)
    assert (await counted(api), first.words) == ((0, 0), None)
    first.ensure_kept(INSIDE)
    assert first.may_note

    await first.look_at(INSIDE, SHOWN)
    # Its worker died before the step had ended: the next attempt finds the note by its mark and comes by here again.
    again = Discretion(api.db, first.execution, first.desk)
    await again.look_at(INSIDE, SHOWN)
    assert await counted(api) == (1, 1)
    for one in (first, again):
        assert one.words is not None
        assert one.words.startswith("ServiceDesk Plus showed the requester what was written as an internal note;")
        assert not one.may_note
        with pytest.raises(StoodBackError, match="No further note was written"):
            one.ensure_kept(INSIDE)
        one.ensure_kept(ANSWER)
    # And one whose journal has the write already only remembers it.
    third = Discretion(api.db, first.execution, first.desk)
    assert (third.saw(INSIDE, SHOWN), third.shown, await counted(api)) == (True, {"9001"}, (1, 1))


def test_where_a_trial_was_refused_not_even_an_answer_is_written() -> None:
    refused = Discretion(None, None, "Zendesk", refused="The trial was refused.")  # type: ignore[arg-type]
    for trace in (INSIDE, ANSWER, {"set": {}}):
        with pytest.raises(StoodBackError, match=r"^The trial was refused\. Nothing was written\.$"):
            refused.ensure_kept(trace)
    assert (is_inside(INSIDE), is_inside(ANSWER), is_inside({})) == (True, False, False)
