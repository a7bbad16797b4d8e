"""Pausing an agent, a tenant or everything: what comes in is kept and runs afterwards. How, is in ``engine.sql``."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import ConflictError, ForbiddenError, NotFoundError
from deskhand.kit.clock import utc_now
from deskhand.pauses import repository
from deskhand.pauses.schemas import NewPause, PauseView

THE_PLATFORM = "the platform"


async def list_pauses(session: AsyncSession, *, tenant_id: str | None) -> list[PauseView]:
    """The pauses that last: of everything, of tenants, then of agents, which the platform is not told of.

    Args:
        session: A tenant session; of the platform where there is no tenant.
        tenant_id: Who looks; members of a tenant are not told who of the platform it was. None: the platform.
    """
    rows = await repository.list_pauses(session, whole_tenants=tenant_id is None)
    return _as_seen([*await _of_everything(session), *map(_view, rows)], tenant_id)


async def pause_of_everything(session: AsyncSession) -> list[PauseView]:
    """The pause of everything alone, if it lasts; any session will do."""
    return await _of_everything(session)


async def begin_pause(session: AsyncSession, wanted: NewPause, *, tenant_id: str | None, actor: str) -> PauseView:
    """Start no more runs of an agent, a tenant or everything; those at work go on to their end.

    Args:
        session: A tenant session; of the platform where there is no tenant.
        wanted: What, and why.
        tenant_id: Whose administrator or operator asks; None: the platform's.
        actor: Who asks, for the audit log.

    Raises:
        NotFoundError: There is no such agent or tenant.
        ConflictError: It is paused already.
        ForbiddenError: The platform names an agent.
    """
    pause = await _wanted(session, wanted, tenant_id, actor)
    whole = pause.scope == "everything"
    values = pause.model_dump(include={"id", "reason", "paused_by"})
    if not whole:
        values |= pause.model_dump(include={"tenant_id", "agent_id", "by_platform"})
    stored = await (repository.add_installation_pause if whole else repository.add_pause)(session, values)
    if not stored:
        raise ConflictError(f"{_subject(pause)} is paused already. End that pause first to give another reason.")
    pause = await _get(session, pause.id, tenant_id)
    await _record(session, pause, "pause.begin", actor, after=_facts(pause))
    return pause


async def end_pause(session: AsyncSession, pause_id: UUID, *, tenant_id: str | None, actor: str) -> None:
    """Let runs start again; what waited is handed over within a second, the oldest first.

    Raises:
        NotFoundError: There is no such pause, or it has ended.
        ForbiddenError: The platform began it, and somebody of the tenant asks.
    """
    pause = await _get(session, pause_id, tenant_id)
    if pause.by_platform and tenant_id is not None:
        raise ForbiddenError("The platform's administrators began this pause; they alone can end it.")
    whole = pause.scope == "everything"
    if not await (repository.delete_installation_pause if whole else repository.delete_pause)(session, pause_id):
        raise _no_such(pause_id)
    await _record(session, pause, "pause.end", actor, before=_facts(pause))


async def _wanted(session: AsyncSession, wanted: NewPause, tenant_id: str | None, actor: str) -> PauseView:
    if tenant_id is None and wanted.agent_id is not None:
        # Not wrongly said, but not theirs to ask: the same body is right from somebody of the tenant.
        raise ForbiddenError("An agent is paused by somebody of its tenant; the platform pauses the tenant.")
    if tenant_id is not None and wanted.tenant_id not in (None, tenant_id):
        raise NotFoundError(f"There is no tenant '{wanted.tenant_id}'.")
    target = tenant_id or wanted.tenant_id
    if wanted.agent_id is not None and not await repository.has_agent(session, wanted.agent_id):
        raise NotFoundError(f"There is no agent {wanted.agent_id}.")
    if target is not None and not await repository.has_tenant(session, target):
        raise NotFoundError(f"There is no tenant '{target}'.")
    # Read again once it is stored, where the database has said when it began.
    return PauseView(
        id=uuid4(),
        scope="agent" if wanted.agent_id else "tenant" if target else "everything",
        tenant_id=target,
        agent_id=wanted.agent_id,
        by_platform=tenant_id is None,
        reason=wanted.reason,
        paused_by=actor[:255],
        paused_at=utc_now(),
    )


async def _of_everything(session: AsyncSession) -> list[PauseView]:
    row = await repository.find_installation_pause(session)
    if row is None:
        return []
    return [
        PauseView(
            id=row.id,
            scope="everything",
            tenant_id=None,
            by_platform=True,
            reason=row.reason,
            paused_by=row.paused_by,
            paused_at=row.paused_at,
        )
    ]


async def _get(session: AsyncSession, pause_id: UUID, tenant_id: str | None) -> PauseView:
    rows = await repository.list_pauses(session, whole_tenants=tenant_id is None, pause_id=pause_id)
    found = [one for one in (*await _of_everything(session), *map(_view, rows)) if one.id == pause_id]
    if not found:
        raise _no_such(pause_id)
    return _as_seen(found, tenant_id)[0]


def _view(row: RowMapping) -> PauseView:
    return PauseView(scope="tenant" if row["agent_id"] is None else "agent", **row)


def _as_seen(pauses: list[PauseView], tenant_id: str | None) -> list[PauseView]:
    if tenant_id is None:
        return pauses
    return [one.model_copy(update={"paused_by": THE_PLATFORM}) if one.by_platform else one for one in pauses]


def _no_such(pause_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no pause {pause_id}; it may have ended already.")


def _subject(pause: PauseView) -> str:
    return {"everything": "Everything", "tenant": "The tenant", "agent": "The agent"}[pause.scope]


def _facts(pause: PauseView) -> dict[str, Any]:
    return {"paused": True, "reason": pause.reason, "by_platform": pause.by_platform}


async def _record(
    session: AsyncSession,
    pause: PauseView,
    operation: str,
    actor: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    await audit.record(
        session,
        tenant_id=pause.tenant_id or audit.PLATFORM,
        actor=actor,
        operation=operation,
        resource_type="installation" if pause.scope == "everything" else pause.scope,
        resource_id=pause.agent_id or pause.tenant_id,
        before=before if before is not None else {"paused": False},
        after=after if after is not None else {"paused": False},
        details={"pause_id": str(pause.id)},
    )
