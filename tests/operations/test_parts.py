"""The parts of operations and pauses one by one: shapes without a database, queries as they are called."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select
from tests.support.api import Api

from deskhand.errors import ConflictError, ForbiddenError, NotFoundError
from deskhand.operations import repository as stands
from deskhand.operations.schemas import Clock, Operations, Parked, TenantQueue, WorkerView
from deskhand.operations.service import how_it_stands
from deskhand.pauses import repository
from deskhand.pauses.models import InstallationPause, Pause
from deskhand.pauses.schemas import NewPause
from deskhand.pauses.service import begin_pause, end_pause, list_pauses, pause_of_everything

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_what_waits_is_what_is_ready_and_what_is_parked() -> None:
    parked = [Parked(reason="paused", runs=3, oldest_at=NOW), Parked(reason="limit", runs=1, oldest_at=NOW)]
    queue = TenantQueue(tenant_id="acme", running=7, ready=2, parked=parked)
    assert (queue.held, queue.waiting) == (4, 6)
    assert (TenantQueue(tenant_id="acme").held, TenantQueue(tenant_id="acme").waiting) == (0, 0)


def test_slots_are_those_of_workers_that_live() -> None:
    workers = [
        WorkerView(worker_id=None, slots=slots, running=0, started_at=NOW, seen_at=NOW, is_alive=alive)
        for slots, alive in ((20, True), (10, False), (5, True))
    ]
    now = Operations(
        pauses=[], queues=[], more_tenants=0, waiting=0, running=0, oldest_at=None, workers=workers, failing=[],
        clock=Clock(next_at=None, last_at=None), failures=[],
    )  # fmt: skip
    assert (now.alive, now.slots) == (2, 25)


@pytest.mark.parametrize("reason", ["", " \t ", "x" * 301, "a\x00b", None])
def test_a_pause_has_a_reason_that_can_be_stored_and_read(reason: str | None) -> None:
    with pytest.raises(ValidationError):
        NewPause.model_validate({"reason": reason})


def test_blanks_around_a_reason_are_nobodys_words() -> None:
    assert NewPause(reason="  The desk moves.\n").reason == "The desk moves."


@pytest.mark.parametrize("tenant_id", ["", "Acme", "a b", "x" * 101])
def test_a_tenant_is_named_as_tenants_are(tenant_id: str) -> None:
    with pytest.raises(ValidationError):
        NewPause(reason="r", tenant_id=tenant_id)


async def test_of_two_that_begin_or_end_the_same_pause_one_does(api: Api) -> None:
    """The rows decide: the second to come finds that it is stored, or gone, already."""
    await api.tenant()
    values = {"tenant_id": "acme", "agent_id": None, "by_platform": False, "reason": "r", "paused_by": "tests"}
    async with api.db.tenant_session("acme") as session:
        assert [await repository.add_pause(session, {**values, "id": uuid4()}) for _ in range(2)] == [True, False]
        pause_id = (await session.scalars(select(Pause.id))).one()
        assert repr(await session.get_one(Pause, pause_id)).startswith(f"<Pause(id={pause_id}")
        assert [await repository.delete_pause(session, pause_id) for _ in range(2)] == [True, False]
    async with api.db.platform_session() as session:
        whole = {"id": uuid4(), "reason": "r", "paused_by": "tests"}
        assert [await repository.add_installation_pause(session, whole) for _ in range(2)] == [True, False]
        assert await session.scalar(select(func.count()).select_from(InstallationPause)) == 1
        stored = await repository.find_installation_pause(session)
        assert repr(stored).startswith(f"<InstallationPause(id={whole['id']}")
        ends = [await repository.delete_installation_pause(session, whole["id"]) for _ in range(2)]
        assert ends == [True, False]


async def test_a_pause_begins_lasts_and_ends(api: Api) -> None:
    await api.tenant()
    wanted = NewPause(reason="The desk moves.")
    async with api.db.tenant_session("acme") as session:
        begun = await begin_pause(session, wanted, tenant_id="acme", actor="user:ann@example.com")
        with pytest.raises(ConflictError, match="The tenant is paused already"):
            await begin_pause(session, wanted, tenant_id="acme", actor="user:bob@example.com")
        assert [one.paused_by for one in await list_pauses(session, tenant_id="acme")] == ["user:ann@example.com"]
        assert await pause_of_everything(session) == []
        with pytest.raises(NotFoundError, match="may have ended already"):
            await end_pause(session, uuid4(), tenant_id="acme", actor="user:ann@example.com")
        await end_pause(session, begun.id, tenant_id="acme", actor="user:ann@example.com")
        assert await list_pauses(session, tenant_id="acme") == []


async def test_a_pause_of_the_platform_is_not_the_tenants_to_end(api: Api) -> None:
    await api.tenant()
    async with api.db.platform_session() as session:
        begun = await begin_pause(
            session, NewPause(reason="Unpaid.", tenant_id="acme"), tenant_id=None, actor="user:root@example.com"
        )
    async with api.db.tenant_session("acme") as session:
        with pytest.raises(ForbiddenError):
            await end_pause(session, begun.id, tenant_id="acme", actor="user:ann@example.com")
        assert [one.paused_by for one in await list_pauses(session, tenant_id="acme")] == ["the platform"]


async def test_a_tenants_session_reads_no_workers_name(api: Api) -> None:
    await api.tenant()
    async with api.db.tenant_session("acme") as session:
        assert await stands.list_workers(session, names=False) == []
        assert (await how_it_stands(session, tenant_id="acme")).workers == []
    with pytest.raises(Exception, match="permission denied"):
        async with api.db.tenant_session("acme") as session:
            await stands.list_workers(session, names=True)
