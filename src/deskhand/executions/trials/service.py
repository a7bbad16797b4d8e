"""Trying an agent: any version of it, a draft too, does a dry run on a past ticket or on an event that was pasted.

A try is a dry run that replays nothing. Nothing of it reaches a desk, so it needs no lane and no agent that is active;
it is paid for and counted against budgets and caps as every run. The ticket is looked up before the run is made: a
number that was mistyped is said in the form, and not by a run that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.agents.models import Agent, AgentVersion
from deskhand.agents.schemas import TriggerType
from deskhand.agents.service import AgentService
from deskhand.engine.births import DRY_RUN, NewRun, find_why_not_startable, start_run
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.executions.records import read_summary, record_change
from deskhand.executions.schemas import ExecutionSummary
from deskhand.executions.trials.events import invalid, ticket_of_event
from deskhand.executions.trials.schemas import TryRequest
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database, database_now
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.payloads.holding import check_schema
from deskhand.plugins.contract import Ticket
from deskhand.plugins.errors import DeskNotFoundError, DeskUnavailableError, PluginNotFoundError
from deskhand.plugins.registry import PluginManager, is_beside_desks
from deskhand.tenants.boundaries import Boundaries, read_boundaries
from deskhand.tenants.connections import connected_tools, desk_config, desk_for
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.service import TenantService

LOOK_SECONDS = 15.0
"""For the look at the ticket; whoever tries an agent waits for it."""
_SUBJECT_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is tried, as it was when it was asked for.

    Attributes:
        desks: Tools of the version that are desks.
        connected: Those of the tenant's desks that can be used.
    """

    agent: Agent
    version: AgentVersion
    tenant: TenantConfig
    boundaries: Boundaries
    desks: Sequence[str]
    connected: frozenset[str]

    @property
    def usual_desk(self) -> str | None:
        """The desk that is meant where none is named."""
        ready = [desk for desk in self.desks if desk in self.connected]
        return next((desk for desk in (self.tenant.tool_type, *ready, *self.desks) if desk in self.desks), None)

    @property
    def schedule(self) -> Mapping[str, Any] | None:
        """The version's first schedule."""
        return next((one for one in self.version.triggers if one["trigger_type"] == TriggerType.SCHEDULE), None)

    @property
    def payload_schema(self) -> dict[str, Any] | None:
        """What its webhook wants of an event; None where one of them takes any."""
        hooks = [one for one in self.version.triggers if one["trigger_type"] == TriggerType.WEBHOOK]
        schemas = [one.get("payload_schema") for one in hooks]
        return schemas[0] if schemas and None not in schemas else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What the run is made with."""

    payload: dict[str, Any]
    tool_type: str | None = None
    ticket_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Starts tries in one tenant.

    Attributes:
        db: Sessions.
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

    async def start(
        self, agent_id: UUID, wanted: TryRequest, *, within: AsyncSession | None = None
    ) -> ExecutionSummary:
        """Start a dry run of an agent on what is wanted.

        Args:
            agent_id: Which agent.
            wanted: What it is tried on, and in which version.
            within: The transaction of a request whose answer is kept with what it did; it stays open while the desk is
                asked. None: no transaction is open then.

        Raises:
            NotFoundError: There is no such agent.
            ConflictError: The agent is suspended or deleted, its tenant is not active, or a rule of the tenant keeps
                agents away from the ticket.
            InvalidInputError: There is no such version or ticket, the desk is not connected, or the event is none that
                would start the agent; ``errors`` names the field.
            DeskError: The desk did not answer, or not as it should.
        """
        async with self._session(within) as session:
            subject = await self.subject(session, agent_id, wanted.agent_version)
            if why := await find_why_not_startable(session, agent_id, mode=DRY_RUN):
                raise ConflictError(f"{why} Nothing was started.")
            now = await database_now(session)
        about = await self._about(subject, wanted, now)
        async with self._session(within) as session:
            return await self._start(session, subject, about)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction of the tenant that ends with the block."""
        async with self.db.tenant_session(self._tenant, companies=EVERY_COMPANY) as session:
            yield session

    @asynccontextmanager
    async def _session(self, within: AsyncSession | None) -> AsyncIterator[AsyncSession]:
        if within is not None:
            yield within
            return
        async with self.session() as session:
            yield session

    async def subject(self, session: AsyncSession, agent_id: UUID, number: int | None = None) -> Subject:
        """What would be tried: an agent in one of its versions.

        Raises:
            NotFoundError: There is no such agent.
            InvalidInputError: It has no such version.
        """
        agent = await self.agents(session).get_agent(agent_id)
        try:
            version = await self.agents(session).get_version(agent_id, number or agent.current_version)
        except NotFoundError as error:
            now = f"it is at {agent.current_version}"
            raise invalid("/agent_version", f"the agent has no version {number}; {now}") from error
        tenant = await TenantService(session, secrets=self.secrets, plugins=self.plugins).get_tenant(self._tenant)
        tools = sorted(str(tool["tool_id"]) for tool in version.tools)
        return Subject(
            agent=agent,
            version=version,
            tenant=tenant,
            boundaries=await read_boundaries(session, tenant.enhancement_preferences),
            desks=[tool for tool in tools if not is_beside_desks(tool)],
            connected=connected_tools(tenant, secrets=self.secrets, plugins=self.plugins),
        )

    def agents(self, session: AsyncSession) -> AgentService:
        """The tenant's agents."""
        tenant_id, actor = self._tenant, self.principal.actor
        return AgentService(session, tenant_id=tenant_id, actor=actor, secrets=self.secrets, plugins=self.plugins)

    @property
    def _tenant(self) -> str:
        assert self.principal.tenant_id is not None  # the guard asked for a role in a tenant
        return self.principal.tenant_id

    # -- what the run is about ---------------------------------------------------------------

    async def _about(self, subject: Subject, wanted: TryRequest, now: datetime) -> _About:
        if wanted.payload is not None:
            return await self._of_event(subject, wanted.payload, wanted.tool_type)
        if wanted.ticket_ref is not None:
            return await self._of_ticket(subject, wanted.ticket_ref, wanted.tool_type)
        if subject.desks and subject.schedule is None:
            raise invalid("/ticket_ref", "say which ticket is meant: nothing starts this agent by the clock")
        return _About(payload=self._occasion(subject, now))

    async def _of_ticket(self, subject: Subject, ref: str, tool_type: str | None) -> _About:
        desk = self._ready_desk(subject, tool_type)
        ticket = await self._look(subject, desk, ref)
        _ensure_allowed(subject.boundaries.why_silent(subject.boundaries.of_ticket(ticket)))
        about = {"ticket": ticket.display_id, "subject": ticket.subject[:_SUBJECT_CHARACTERS]}
        return _About(payload={"trial": {**about, **self._asked}}, tool_type=desk, ticket_ref=ticket.id)

    async def _look(self, subject: Subject, tool_type: str, ref: str) -> Ticket:
        name = self.plugins.names[tool_type]
        desk = desk_for(subject.tenant, tool_type, secrets=self.secrets, plugins=self.plugins, http=self.http)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await desk.get_ticket(ref, with_notes=False)
        except DeskNotFoundError as error:
            raise invalid("/ticket_ref", f"{name} shows no ticket {ref} to the account that is connected") from error
        except TimeoutError as error:
            raise DeskUnavailableError(f"{name} did not answer within {LOOK_SECONDS:g} s.") from error
        finally:
            await desk.aclose()

    async def _of_event(self, subject: Subject, payload: dict[str, Any], tool_type: str | None) -> _About:
        schema = subject.payload_schema
        await check_schema(payload, schema, at="/payload")
        if not subject.desks and tool_type is None:
            return _About(payload=payload)
        usual = self._ready_desk(subject, tool_type)
        readers = [tool_type] if tool_type else [desk for desk in subject.desks if desk in self.plugins.tool_types]
        ticket = ticket_of_event(payload, readers, self.plugins, plain=None if schema is None else usual)
        desk = self._ready_desk(subject, ticket.tool_type)
        company = self.plugins.get_plugin(desk).company_field(self._config(subject, desk))
        _ensure_allowed(subject.boundaries.why_silent(subject.boundaries.of_event(ticket, company), openly=True))
        return _About(payload=payload, tool_type=desk, ticket_ref=ticket.ticket_id)

    def _occasion(self, subject: Subject, now: datetime) -> dict[str, Any]:
        schedule = subject.schedule
        if schedule is None:
            return {"trial": self._asked}
        # As a schedule's time writes it, so that the agent is told the same.
        told = {"cron": schedule["schedule_cron"], "timezone": schedule["schedule_timezone"]}
        return {"schedule": {**told, "fire_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **self._asked}}

    @property
    def _asked(self) -> dict[str, str]:
        return {"requested_by": self.principal.actor}

    def _ready_desk(self, subject: Subject, tool_type: str | None) -> str:
        """The desk that is meant, if the version has it and it is connected."""
        desk = tool_type or subject.usual_desk
        if desk is None:
            raise invalid("/ticket_ref", "this version of the agent has no desk among its tools, so it reads no ticket")
        if desk not in subject.desks:
            has = ", ".join(subject.desks) or "none"
            raise invalid("/tool_type", f"this version of the agent has no desk '{desk}'; it has {has}")
        if desk not in subject.connected:
            raise invalid("/tool_type", self._why_not_connected(subject, desk))
        return desk

    def _why_not_connected(self, subject: Subject, desk: str) -> str:
        try:
            self._config(subject, desk)
        except (InvalidInputError, PluginNotFoundError) as error:
            return error.detail
        return f"'{desk}' is not connected"

    def _config(self, subject: Subject, desk: str) -> Any:
        return desk_config(subject.tenant, desk, secrets=self.secrets, plugins=self.plugins)

    # -- the run -----------------------------------------------------------------------------

    async def _start(self, session: AsyncSession, subject: Subject, about: _About) -> ExecutionSummary:
        run = NewRun(
            tenant_id=self._tenant,
            agent_id=subject.agent.id,
            # No trigger: neither its filter nor its word decides, since a person has decided.
            trigger_id=None,
            agent_version_id=subject.version.id,
            tool_type=about.tool_type,
            ticket_ref=about.ticket_ref,
            mode=DRY_RUN,
            input_payload=about.payload,
        )
        execution = await start_run(session, run)
        details = {"agent_version": subject.version.version_number, "ticket_ref": about.ticket_ref}
        after = {"status": str(execution.status)}
        await record_change(session, "execution.try", execution, self.principal, details, after=after)
        return await read_summary(session, execution.id)


def _ensure_allowed(why_silent: str | None) -> None:
    if why_silent is not None:
        raise ConflictError(why_silent.replace("nothing was done", "nothing was started"))
