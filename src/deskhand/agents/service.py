"""Agents: create, change, versions, lifecycle, secrets. Everything in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents import changes, repository
from deskhand.agents.activation import Override, ensure_proven, ensure_ready
from deskhand.agents.known_models import ensure_known, known_models
from deskhand.agents.lifecycle import ensure_changeable, ensure_transition
from deskhand.agents.models import Agent, AgentTrigger, AgentVersion
from deskhand.agents.readiness import AgentModels
from deskhand.agents.repository import AgentFilter
from deskhand.agents.schemas import NEVER_DRAFT_AGAIN, AgentCreate, AgentStatus, AgentUpdate
from deskhand.agents.versions import VersionDiff, compare, facts, snapshot
from deskhand.agents.webhook_secrets import RotateSecret, rotate
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError, PreconditionFailedError
from deskhand.kit.clock import Clock, utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.service import TenantService
from deskhand.tools.sources import source_providers
from deskhand.tools.values import Grants, read_grants

Made = dict[UUID, str]
"""Webhook secrets that a change made, by trigger id; the only time they can be shown."""


class AgentService:
    """What can be done with the agents of one tenant.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        actor: Who acts, for the audit log.
        secrets: Encrypts webhook secrets.
        plugins: The registered desks.
        listed_models: What the configured gateway lists; agents may use these besides the known models.
        clock: Current time, for secrets that run out.
    """

    def __init__(
        self,
        session: AsyncSession,
        *,
        tenant_id: str,
        actor: str,
        secrets: SecretBox,
        plugins: PluginManager,
        listed_models: Collection[str] = (),
        clock: Clock = utc_now,
    ) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._actor = actor
        self._secrets = secrets
        self._plugins = plugins
        self._listed_models = listed_models
        self._clock = clock
        self._before: dict[str, Any] | None = None

    async def create_agent(self, data: AgentCreate) -> tuple[Agent, Made]:
        """Create an agent with its triggers and tools, and its first version.

        Raises:
            InvalidInputError: The model or a tool is unknown, or a tool cannot do what is granted.
            AgentNotReadyError: It shall be active at once and lacks something.
        """
        ensure_known(data.llm_config, await self._models())
        agent = Agent(
            id=uuid4(),
            tenant_id=self._tenant_id,
            name=data.name,
            description=data.description,
            status=data.status.value,
            system_prompt=data.system_prompt,
            llm_config=data.llm_config.as_stored(),
            outcome=data.outcome.as_stored(),
            revision=1,
            current_version=1,
            created_by=self._actor,
            triggers=[],
            tools=[],
        )
        made = changes.set_triggers(agent, data.triggers, secrets=self._secrets)
        changes.set_tools(agent, await self._grants(agent, data))
        changes.ensure_outcome(agent)
        await self._ensure_ready(agent, 1)
        # By the database's clock, which decides when schedulers find it due.
        changes.plan_schedules(agent, now=await database_now(self._session))
        self._session.add(agent)
        await self._session.flush()
        stored = await self._get(agent.id)
        await self._add_version(stored)
        await self._audit("agent.create", stored, {"version": 1})
        return stored, made

    async def get_agent(self, agent_id: UUID) -> Agent:
        """One agent, with triggers and tools.

        Raises:
            NotFoundError: The tenant has no such agent.
        """
        return await self._get(agent_id)

    async def list_agents(
        self, wanted: AgentFilter | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Agent]:
        """Agents of the tenant, newest first; inactive ones only if asked for."""
        return await repository.list_agents(self._session, wanted or AgentFilter(), limit=limit, cursor=cursor)

    async def update_agent(
        self, agent_id: UUID, data: AgentUpdate, *, if_match: str | None = None
    ) -> tuple[Agent, Made]:
        """Change what the request names; a new version if that alters what the agent does.

        Args:
            agent_id: Which agent.
            data: The changes.
            if_match: The request's ``If-Match`` header; refused if the agent has changed since.

        Raises:
            NotFoundError: The tenant has no such agent.
            PreconditionFailedError: Somebody else changed it first.
            InvalidTransitionError: ``status`` names a state it cannot go to.
            AgentNotReadyError: It is or becomes active, and would lack something.
        """
        agent = await self._get_for_change(agent_id, if_match)
        if data.status == AgentStatus.DRAFT and agent.status != AgentStatus.DRAFT:
            raise InvalidInputError(NEVER_DRAFT_AGAIN, errors=[FieldProblem("/status", NEVER_DRAFT_AGAIN)])
        if data.status is None or data.status == agent.status:
            ensure_changeable(agent)
        else:
            ensure_transition(agent.status, data.status)
        before, shown, old_status = snapshot(agent), (agent.name, agent.description), agent.status
        made = await self._apply(agent, data)
        if data.status is not None and data.status != agent.status:
            agent.status = data.status.value
        after = snapshot(agent)
        changed = [name for name in after if after[name] != before[name]]
        changed += [
            name for name, old in zip(("name", "description"), shown, strict=True) if getattr(agent, name) != old
        ]
        changed += ["status"] if agent.status != old_status else []
        # Secrets are not part of a version, so a change of them shows in no snapshot.
        secrets_replaced = any(trigger.hmac_secret is not None for trigger in data.triggers or ())
        if not changed and not secrets_replaced:
            return agent, made
        return await self._save(agent, "agent.update", changed, new_version=before != after), made

    async def activate_agent(
        self, agent_id: UUID, *, if_match: str | None = None, override: Override | None = None
    ) -> Agent:
        """Let an agent run, from draft or suspended; below the tenant's bar where a person says why.

        Raises:
            BelowBarError: It has not reached that bar in the replay lab, and nobody says why it is activated.
            InvalidTransitionError: It is active or inactive.
            AgentNotReadyError: It lacks something; ``errors`` names everything at once.
        """
        return await self._transition(agent_id, AgentStatus.ACTIVE, "agent.activate", if_match, override)

    async def suspend_agent(self, agent_id: UUID, *, if_match: str | None = None) -> Agent:
        """Pause an active agent: its triggers are ignored until it is resumed.

        Raises:
            InvalidTransitionError: It is not active.
        """
        return await self._transition(agent_id, AgentStatus.SUSPENDED, "agent.suspend", if_match)

    async def resume_agent(self, agent_id: UUID, *, if_match: str | None = None) -> Agent:
        """Let a suspended agent run again.

        Raises:
            InvalidTransitionError: It is active or inactive.
            ConflictError: It is a draft, which is activated and not resumed.
            AgentNotReadyError: It lacks something by now.
        """
        agent = await self._get_for_change(agent_id, if_match)
        if agent.status == AgentStatus.DRAFT:
            raise ConflictError("Only a 'suspended' agent is resumed to 'active'; this one is a 'draft': activate it.")
        return await self._transition(agent_id, AgentStatus.ACTIVE, "agent.resume", if_match)

    async def delete_agent(self, agent_id: UUID, *, if_match: str | None = None) -> Agent:
        """Delete an agent softly: it becomes inactive for good, and stays readable by its id.

        Raises:
            InvalidTransitionError: It is a draft or inactive already.
        """
        return await self._transition(agent_id, AgentStatus.INACTIVE, "agent.delete", if_match)

    async def list_versions(self, agent_id: UUID, *, limit: int = 50, cursor: str | None = None) -> Page[AgentVersion]:
        """Versions of an agent, newest first."""
        await self._get(agent_id)
        return await repository.list_versions(self._session, agent_id, limit=limit, cursor=cursor)

    async def get_version(self, agent_id: UUID, number: int) -> AgentVersion:
        """One version of an agent, by its number.

        Raises:
            NotFoundError: There is none of that number.
        """
        version = await repository.get_version_by_number(self._session, agent_id, number)
        if version is None:
            raise NotFoundError(f"Agent {agent_id} has no version {number}.")
        return version

    async def compare_versions(self, agent_id: UUID, first: int, second: int) -> VersionDiff:
        """What changed from one version to another."""
        return compare(await self.get_version(agent_id, first), await self.get_version(agent_id, second))

    async def roll_back(self, agent_id: UUID, number: int, *, if_match: str | None = None) -> tuple[Agent, Made]:
        """Make the agent what it was in a version; this is a new version, history stays.

        Raises:
            NotFoundError: There is no version of that number.
            ConflictError: The agent is inactive.
            AgentNotReadyError: It is active and would lack something.
        """
        agent = await self._get_for_change(agent_id, if_match)
        ensure_changeable(agent)
        version = await self.get_version(agent_id, number)
        before = snapshot(agent)
        agent.system_prompt = version.system_prompt
        agent.llm_config = dict(version.llm_config)
        agent.outcome = dict(version.outcome)
        made = changes.restore_triggers(agent, version.triggers, secrets=self._secrets)
        changes.set_tools(agent, {tool["tool_id"]: read_grants(tool["operations"]) for tool in version.tools})
        if snapshot(agent) == before:
            return agent, made
        saved = await self._save(agent, "agent.rollback", [f"version {number}"], new_version=True)
        return saved, made

    async def rotate_secret(
        self, agent_id: UUID, request: RotateSecret, *, if_match: str | None = None
    ) -> tuple[AgentTrigger, str]:
        """Replace a webhook secret; the old one stays valid for the grace period.

        Returns:
            The trigger and its new secret, which cannot be shown again.

        Raises:
            ConflictError: The agent is inactive or has no webhook trigger.
            InvalidInputError: It is not clear which trigger is meant.
        """
        agent = await self._get_for_change(agent_id, if_match)
        ensure_changeable(agent)
        trigger, secret = rotate(agent, request, secrets=self._secrets, clock=self._clock)
        ident = trigger.id
        stored = await self._save(agent, "agent.rotate_secret", [f"trigger {ident}"], new_version=False)
        return next(trigger for trigger in stored.triggers if trigger.id == ident), secret

    async def _grants(self, agent: Agent, data: AgentCreate | AgentUpdate) -> dict[str, Grants]:
        own = await source_providers(self._session)
        return changes.grants(agent, data.tool_ids, data.tool_operations, plugins=self._plugins, sources=own)

    async def _apply(self, agent: Agent, data: AgentUpdate) -> Made:
        agent.name = agent.name if data.name is None else data.name
        if "description" in data.model_fields_set:
            agent.description = data.description
        agent.system_prompt = agent.system_prompt if data.system_prompt is None else data.system_prompt
        if data.llm_config is not None:
            ensure_known(data.llm_config, await self._models())
            agent.llm_config = data.llm_config.as_stored()
        if data.tool_ids is not None or data.tool_operations is not None:
            changes.set_tools(agent, await self._grants(agent, data))
        if data.outcome is not None:
            agent.outcome = data.outcome.as_stored()
        if not {"outcome", "tool_ids", "tool_operations"}.isdisjoint(data.model_fields_set):
            changes.ensure_outcome(agent)
        if data.triggers is None:
            return {}
        if not data.triggers and agent.status != AgentStatus.DRAFT:
            fault = FieldProblem("/triggers", "At least one trigger is required for an agent that is not a draft")
            raise InvalidInputError(fault.detail, errors=[fault])
        return changes.set_triggers(agent, data.triggers, secrets=self._secrets)

    async def _transition(
        self, agent_id: UUID, to: AgentStatus, operation: str, if_match: str | None, override: Override | None = None
    ) -> Agent:
        agent = await self._get_for_change(agent_id, if_match)
        ensure_transition(agent.status, to)
        agent.status = to.value
        return await self._save(agent, operation, ["status"], new_version=False, override=override)

    async def _save(
        self,
        agent: Agent,
        operation: str,
        changed: Iterable[str],
        *,
        new_version: bool,
        override: Override | None = None,
    ) -> Agent:
        more = await self._ensure_ready(agent, agent.current_version + int(new_version), override)
        changes.plan_schedules(agent, now=await database_now(self._session))
        # The revision counts every change and is the ETag; accept_event() refuses an event by it whose trigger was
        # cached.
        agent.revision += 1
        # A version counts only what alters what the agent does: pausing it makes none.
        agent.current_version += int(new_version)
        await self._session.flush()
        stored = await self._get(agent.id)
        if new_version:
            await self._add_version(stored)
        details = {"changed": sorted(changed), "version": stored.current_version, **more}
        await self._audit(operation, stored, details)
        return stored

    async def _ensure_ready(self, agent: Agent, version: int, override: Override | None = None) -> dict[str, Any]:
        """What the audit log says besides, of one that becomes active although it is below its tenant's bar."""
        if agent.status != AgentStatus.ACTIVE:
            return {}
        tenants = TenantService(self._session, secrets=self._secrets, plugins=self._plugins)
        tenant = await tenants.get_tenant(self._tenant_id)
        # A change of an agent that is on already is told by its next run, in the lab or not, and not held back.
        is_new = self._before is None or self._before["status"] != AgentStatus.ACTIVE
        models = await self._models()
        ensure_ready(agent, tenant, secrets=self._secrets, plugins=self._plugins, models=models, is_new=is_new)
        return {} if not is_new else await ensure_proven(self._session, agent.id, version, tenant, override)

    async def _models(self) -> AgentModels:
        return await known_models(self._session, self._tenant_id, self._listed_models)

    async def _get(self, agent_id: UUID, *, for_update: bool = False) -> Agent:
        if agent := await repository.get_agent(self._session, agent_id, for_update=for_update):
            return agent
        raise NotFoundError(f"There is no agent {agent_id}.")

    async def _get_for_change(self, agent_id: UUID, if_match: str | None) -> Agent:
        agent = await self._get(agent_id, for_update=True)
        self._before = facts(agent)
        if if_match is not None and if_match.strip() != "*" and etag(agent) not in map(str.strip, if_match.split(",")):
            raise PreconditionFailedError(
                f"The agent was changed meanwhile: it is at revision {agent.revision}. Read it again, then repeat."
            )
        return agent

    async def _add_version(self, agent: Agent) -> None:
        number = agent.current_version
        content = snapshot(agent)
        self._session.add(
            AgentVersion(
                tenant_id=agent.tenant_id,
                agent_id=agent.id,
                version_number=number,
                created_by=self._actor,
                **content,
            )
        )
        await self._session.flush()

    async def _audit(self, operation: str, agent: Agent, details: dict[str, Any]) -> None:
        await audit.record(
            self._session,
            tenant_id=self._tenant_id,
            actor=self._actor,
            operation=operation,
            resource_type="agent",
            resource_id=agent.id,
            before=self._before,
            after=facts(agent),
            details=details,
        )


def etag(agent: Agent) -> str:
    """The entity tag of an agent's present revision (RFC 9110, section 8.8.3)."""
    return f'"{agent.revision}"'


async def get_version(session: AsyncSession, version_id: UUID) -> AgentVersion:
    """The version an execution is pinned to.

    Raises:
        NotFoundError: There is none of that id for this session.
    """
    version = await repository.get_version_by_id(session, version_id)
    if version is None:
        raise NotFoundError(f"There is no agent version {version_id}.")
    return version


async def current_version_id(session: AsyncSession, agent_id: UUID) -> UUID:
    """Id of the version that an execution starting now is pinned to.

    Raises:
        NotFoundError: There is no such agent for this session.
    """
    version_id = await repository.current_version_id(session, agent_id)
    if version_id is None:
        raise NotFoundError(f"There is no agent {agent_id}.")
    return version_id
