"""Undoing what runs wrote: a preview first, then an execution that is bound to exactly that preview.

The desks are read twice, for the preview and when it is confirmed, and a third time by the worker before it writes: a
ticket that moved in between is left as it is, and a new preview is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.approvals.differences import digest_of
from deskhand.audit.service import record
from deskhand.engine.births import NewRun, start_run
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database, database_now
from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import desk_for
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.service import TenantService
from deskhand.work.undo import repository
from deskhand.work.undo.arranging import NOTES, Write, arrange
from deskhand.work.undo.looking import Looker
from deskhand.work.undo.schemas import UNDO, Effect, Plan, PlannedItem, UndoPreview

MOST_WRITES = 200
"""Writes of one undo; a person reads its preview whole, and each ticket of it costs requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRun:
    """What one run wrote, or one write of it."""

    execution_id: UUID
    step_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVersion:
    """What all runs of one version of an agent wrote since a time."""

    agent_id: UUID
    number: int
    since: datetime


Wanted = OfRun | OfVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writes:
    """What is to be undone, as the journals have it.

    Attributes:
        tool_type: The desk of the run's ticket.
        ticket_ref: The run's ticket; None where several are concerned.
    """

    agent_id: UUID
    agent_name: str
    version_id: UUID
    tool_type: str | None
    ticket_ref: str | None
    found: Sequence[Write]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Previews and starts undos in one tenant.

    Attributes:
        db: Sessions; no transaction is open while a desk is asked.
        secrets: Decrypts the tenant's connections.
        plugins: Registered desks.
        http: The one door out.
        principal: Who asks.
    """

    db: Database
    secrets: SecretBox
    plugins: PluginManager
    http: HttpClientFactory
    principal: Principal

    async def preview(self, wanted: Wanted) -> UndoPreview:
        """What undoing would do now.

        Raises:
            ConflictError: A run that is meant has not ended.
            NotFoundError: There is no such run, write, agent or version.
        """
        _, items = await self._look(wanted)
        return UndoPreview(
            digest=_digest(items),
            possible=any(item.effect is not Effect.NONE for item in items),
            items=[item.shown() for item in items],
        )

    async def start(self, wanted: Wanted, digest: str) -> UUID:
        """Undo exactly what was previewed.

        Returns:
            The execution that does it.

        Raises:
            ConflictError: What would be done is not what was previewed, nothing can be done, or it is being done.
            NotFoundError: There is no such run, write, agent or version.
        """
        async with self.db.tenant_session(self._tenant) as session:
            began = await database_now(session)
        writes, items = await self._look(wanted)
        if _digest(items) != digest:
            raise ConflictError("The tickets are not as they were previewed any more; look at a new preview.")
        if all(item.effect is Effect.NONE for item in items):
            raise ConflictError("Nothing of this can be put back; there is nothing to do.")
        async with self.db.tenant_session(self._tenant) as session:
            return await self._start(session, wanted, writes, items, digest=digest, began=began)

    @property
    def _tenant(self) -> str:
        assert self.principal.tenant_id is not None  # the guard asked for a role in a tenant
        return self.principal.tenant_id

    # -- looking -----------------------------------------------------------------------------

    async def _look(self, wanted: Wanted) -> tuple[_Writes, list[PlannedItem]]:
        async with self.db.tenant_session(self._tenant) as session:
            writes = await _read(session, wanted)
            tenants = TenantService(session, secrets=self.secrets, plugins=self.plugins)
            tenant = await tenants.get_tenant(self._tenant)
        # The transaction ends before a desk is asked: a slow vendor must not hold a database connection.
        items = arrange(writes.found, desks=self.plugins.tool_types)
        by_key = {write.key.key: write for write in writes.found}
        looked: list[PlannedItem] = [item for item in items if item.effect is Effect.NONE]
        of_desk: dict[str, list[PlannedItem]] = defaultdict(list)
        for item in items:
            if item.effect is not Effect.NONE:
                of_desk[item.tool_type].append(item)
        async with AsyncExitStack() as stack:
            for tool_type, there in of_desk.items():
                looked += await self._look_at(stack, tenant, tool_type, there, by_key=by_key)
        order = {key: place for place, key in enumerate(by_key)}
        return writes, sorted(looked, key=lambda item: min(order[one.key] for one in item.writes))

    async def _look_at(
        self,
        stack: AsyncExitStack,
        tenant: TenantConfig,
        tool_type: str,
        items: Sequence[PlannedItem],
        *,
        by_key: dict[str, Write],
    ) -> list[PlannedItem]:
        try:
            desk = desk_for(tenant, tool_type, secrets=self.secrets, plugins=self.plugins, http=self.http)
        except (InvalidInputError, PluginNotFoundError) as error:
            why = f"The desk cannot be reached: {error.detail}"
            return [item.model_copy(update={"effect": Effect.NONE, "why": why, "changes": []}) for item in items]
        stack.push_async_callback(desk.aclose)
        looker, looked = Looker(desk, by_key), []
        on_ticket: dict[str, list[PlannedItem]] = defaultdict(list)
        for item in items:
            on_ticket[item.ticket_id or ""].append(item)
        for ticket_id, there in on_ticket.items():
            looked += await looker.look(ticket_id, there)
        return looked

    # -- starting ----------------------------------------------------------------------------

    async def _start(
        self,
        session: AsyncSession,
        wanted: Wanted,
        writes: _Writes,
        items: Sequence[PlannedItem],
        *,
        digest: str,
        began: datetime,
    ) -> UUID:
        await repository.lock_agent(session, writes.agent_id)
        keys = [write.key.key for write in writes.found]
        for other in await repository.undos_of(session, writes.agent_id, keys):
            # What was done after we began to look may have been done after our look, too.
            if not ExecutionStatus(other.status).is_final or other.queued_at >= began:
                raise ConflictError(f"Execution {other.id} undoes this already; look at what it does.")
        await _ensure_ended(session, wanted, writes)
        plan = Plan(
            undoes=keys,
            what=_named(wanted),
            digest=digest,
            requested_by=self.principal.actor,
            agent_name=writes.agent_name,
            items=list(items),
        )
        run = await start_run(
            session,
            NewRun(
                tenant_id=self._tenant,
                agent_id=writes.agent_id,
                trigger_id=None,
                agent_version_id=writes.version_id,
                tool_type=writes.tool_type,
                ticket_ref=writes.ticket_ref,
                mode=UNDO,
                input_payload=plan.model_dump(mode="json"),
            ),
        )
        await record(
            session,
            tenant_id=self._tenant,
            actor=self.principal.actor,
            operation="execution.undo",
            resource_type="execution",
            resource_id=run.id,
            after={"status": str(run.status)},
            details={**plan.what, "digest": digest, "writes": len(keys)},
        )
        return run.id


async def _read(session: AsyncSession, wanted: Wanted) -> _Writes:
    if isinstance(wanted, OfVersion):
        writes = await _of_version(session, wanted)
    else:
        writes = await _of_run(session, wanted)
    notes = [write.key.key for write in writes.found if write.operation in NOTES]
    undos = await repository.undos_of(session, writes.agent_id, notes) if notes else ()
    withdrawn = await repository.withdrawn_notes(session, [one.id for one in undos]) if undos else set()
    return replace(writes, found=[replace(one, withdrawn=one.key.key in withdrawn) for one in writes.found])


async def _of_run(session: AsyncSession, wanted: OfRun) -> _Writes:
    run = await repository.get_run(session, wanted.execution_id)
    if run is None:
        raise NotFoundError(f"There is no execution {wanted.execution_id}.")
    if not ExecutionStatus(run.status).is_final:
        raise ConflictError(
            f"The execution is {run.status} and may still write; cancel it or let it end, then undo what it did."
        )
    found = await repository.writes_of_run(session, run.id, wanted.step_key)
    if wanted.step_key is not None and not found:
        raise NotFoundError(f"Execution {run.id} has no write '{wanted.step_key}'.")
    _ensure_few(found)
    name = await repository.name_of(session, run.agent_id)
    return _Writes(
        agent_id=run.agent_id,
        agent_name=name or "an agent",
        version_id=run.agent_version_id,
        tool_type=run.tool_type,
        ticket_ref=run.ticket_ref,
        found=found,
    )


async def _of_version(session: AsyncSession, wanted: OfVersion) -> _Writes:
    name = await repository.name_of(session, wanted.agent_id)
    if name is None:
        raise NotFoundError(f"There is no agent {wanted.agent_id}.")
    version_id = await repository.version_of(session, wanted.agent_id, wanted.number)
    if version_id is None:
        raise NotFoundError(f"Agent {wanted.agent_id} has no version {wanted.number}.")
    running = await repository.count_unfinished(session, version_id)
    if running:
        raise ConflictError(
            f"{running} run{'s' if running > 1 else ''} of version {wanted.number} may still write; suspend the agent"
            " or cancel them, then undo what they did."
        )
    found = await repository.writes_of_version(session, version_id, wanted.since, MOST_WRITES + 1)
    _ensure_few(found)
    return _Writes(
        agent_id=wanted.agent_id,
        agent_name=name,
        version_id=version_id,
        tool_type=None,
        ticket_ref=None,
        found=found,
    )


def _ensure_few(found: Sequence[Write]) -> None:
    if len(found) > MOST_WRITES:
        raise ConflictError(
            f"There are more than {MOST_WRITES} writes, which is more than one preview shows; undo run by run, or since"
            " a later time, the newest first."
        )


async def _ensure_ended(session: AsyncSession, wanted: Wanted, writes: _Writes) -> None:
    """Once more under the lock: a run may have been retried since it was looked at."""
    if isinstance(wanted, OfVersion):
        if await repository.count_unfinished(session, writes.version_id):
            raise ConflictError("A run of this version has begun meanwhile; look at a new preview.")
        return
    run = await repository.get_run(session, wanted.execution_id)
    if run is None or not ExecutionStatus(run.status).is_final:
        raise ConflictError("The execution goes on again; let it end first.")


def _named(wanted: Wanted) -> dict[str, str | int | None]:
    if isinstance(wanted, OfVersion):
        return {"agent_id": str(wanted.agent_id), "version": wanted.number, "since": wanted.since.isoformat()}
    return {"execution_id": str(wanted.execution_id), "step_key": wanted.step_key}


def _digest(items: Sequence[PlannedItem]) -> str:
    return digest_of([item.model_dump(mode="json") for item in items])
