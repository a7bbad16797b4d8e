"""What files say of a tenant: what applying them would do, doing it, and writing down what there is.

Everything goes through the services that the API uses, in the caller's one transaction, so a file can do nothing that
a request cannot, and a folder is applied whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from pydantic import SecretStr, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.documents import AgentDocument, TriggerDocument, content_of, trigger_content
from deskhand.agents.lifecycle import ensure_transition
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.schemas import (
    WEBHOOK_STATE,
    AgentCreate,
    AgentStatus,
    AgentTriggerCreate,
    AgentTriggerUpdate,
    AgentUpdate,
)
from deskhand.agents.service import AgentService, Made
from deskhand.agents.versions import VersionChange, differences, prompt_diff
from deskhand.configuration.articles import Articles
from deskhand.configuration.drift import Log
from deskhand.configuration.folder import Environment, article_files, files_of, secret_of
from deskhand.configuration.places import fault_at, in_file, refused
from deskhand.configuration.rules import Rules
from deskhand.configuration.tools import Tools
from deskhand.configuration.values import Action, AgentFile, Drift, Export, Folder, NewSecret, Plan, Step
from deskhand.errors import DeskhandError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.pointer import fault_sentence
from deskhand.kit.yaml import write_yaml
from deskhand.schedules.service import set_paused

Sent = TypeVar("Sent", bound=AgentTriggerCreate)
_BREAKS_ALONE = ("(the prompt's line breaks alone)",)
_PAGE = 200
TENANT_FILE = "tenant.rules.yaml"
"""With a dot, which no agent's file name has."""
_TRIGGER_FIELDS = (
    *("trigger_type", "schedule_cron", "schedule_timezone", "misfire_policy", "misfire_max_age_seconds"),
    *WEBHOOK_STATE,
)


class Configuration:
    """Agents, tools and articles of one tenant and the files that say them.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        actor: Who acts, for the audit log.
        agents: Does what is to be done with agents.
        tools: Does it with tools.
        articles: Does it with articles.
        rules: Does it with the tenant's rules.
        secrets: Reads the stored webhook secrets, to see whether a file brings another one.
        environment: Variables that references of files name.
    """

    def __init__(
        self,
        session: AsyncSession,
        *,
        tenant_id: str,
        actor: str,
        agents: AgentService,
        tools: Tools,
        articles: Articles,
        rules: Rules,
        secrets: SecretBox,
        environment: Environment,
    ) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._actor = actor
        self._log = Log(session, tenant_id, actor)
        self._tools = tools
        self._articles = articles
        self._rules = rules
        self._agents = agents
        self._secrets = secrets
        self._environment = environment

    async def apply(self, folder: Folder, *, prune: bool = False) -> Plan:
        """Make the tenant's articles, tools and agents what the files say.

        Args:
            folder: The files.
            prune: Delete what no file says, of the kinds that the folder holds.

        Returns:
            What was done, with the webhook secrets that it made.

        Raises:
            InvalidInputError: A file says what cannot be; names it, the line and the key. Nothing is to be kept then.
            ConflictError: Two agents have one name.
        """
        # Two people who apply at once would each find an agent missing and make it.
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('deskhand.configuration/' || :tenant_id, 0))"),
            {"tenant_id": self._tenant_id},
        )
        # First, because agents are granted them; and removed last, when no file's agent is granted them any more.
        steps = [
            *[await self._rules.apply(file) for file in folder.tenants],
            *await self._articles.apply(folder.articles, prune=prune),
            *await self._tools.apply(folder.tools),
        ]
        agent_steps, made = await self._apply_agents(folder.agents, prune=prune)
        steps += [*agent_steps, *await self._tools.without_file(folder.tools, prune=prune)]
        return Plan(steps=tuple(steps), secrets=tuple(made))

    async def export(self) -> Export:
        """Every tool, every agent that is not deleted, and the articles of files; without secrets.

        Raises:
            ConflictError: Two agents have one name.
        """
        files = files_of([content_of(agent) for agent in await self._all()])
        tools, without_credential = await self._tools.export()
        articles = article_files(await self._articles.export())
        rules = await self._rules.export()
        files |= {TENANT_FILE: write_yaml(rules)} if rules else {}
        return Export(files=files | tools | articles, without_credential=without_credential)

    async def _apply_agents(self, sources: Sequence[AgentFile], *, prune: bool) -> tuple[list[Step], list[NewSecret]]:
        steps: list[Step] = []
        made: list[NewSecret] = []
        # Who keeps only tools in files has said nothing of agents, not even that there are to be none.
        if not sources:
            return steps, made
        present = await self._present()
        for source in sources:
            agent = present.pop(source.document.name, None)
            step, secrets = await (self._create(source) if agent is None else self._change(source, agent))
            steps.append(step)
            made.extend(secrets)
        steps.extend([await self._without_file(agent, prune=prune) for _, agent in sorted(present.items())])
        return steps, made

    async def active(self, names: Collection[str]) -> list[Agent]:
        """The agents of these names that may run."""
        return [one for one in await self._all() if one.name in names and one.status == AgentStatus.ACTIVE]

    async def _all(self) -> list[Agent]:
        agents: list[Agent] = []
        cursor = None
        while True:
            page = await self._agents.list_agents(limit=_PAGE, cursor=cursor)
            agents.extend(page.items)
            cursor = page.next_cursor
            if cursor is None:
                return agents

    async def _present(self) -> dict[str, Agent]:
        agents = await self._all()
        files_of([content_of(agent) for agent in agents])  # refuses two of one name
        return {agent.name: agent for agent in agents}

    async def _create(self, source: AgentFile) -> tuple[Step, list[NewSecret]]:
        document = source.document
        data = AgentCreate(
            name=document.name,
            description=document.description,
            system_prompt=document.system_prompt,
            llm_config=document.llm_config,
            status=document.status,
            triggers=_triggers(AgentTriggerCreate, source, self._secrets_of_file(source)),
            tool_ids=list(document.tools),
            tool_operations=document.tools,
            outcome=document.outcome,
        )
        try:
            agent, made = await self._agents.create_agent(data)
            agent = await self._set_pauses(agent, document)
        except DeskhandError as error:
            raise in_file(source, error) from error
        await self._note(agent, source)
        return Step(action=Action.CREATE, name=document.name, file=source.name), _shown(agent, made)

    async def _change(self, source: AgentFile, agent: Agent) -> tuple[Step, list[NewSecret]]:
        document = source.document
        pairs = pair(document.triggers, agent.triggers)
        secrets = self._new_secrets(source, pairs)
        changes = [*_differences(document, agent, pairs), *_secret_changes(secrets)]
        lines = prompt_diff(agent.system_prompt.splitlines(), document.system_prompt.splitlines(), ("now", source.name))
        if not changes and agent.system_prompt == document.system_prompt:
            return Step(action=Action.UNCHANGED, name=agent.name, file=source.name), []
        drift, shown_prompt = await self._drift(agent), agent.system_prompt
        data = _update(source, agent, pairs, secrets)
        try:
            if document.status != agent.status:
                ensure_transition(agent.status, document.status)
            changed, made = await self._agents.update_agent(agent.id, data)
            changed = await self._set_pauses(changed, document)
        except DeskhandError as error:
            raise in_file(source, error, place=("status",)) from error
        await self._note(changed, source)
        step = Step(
            action=Action.CHANGE,
            name=document.name,
            file=source.name,
            changes=tuple(changes),
            prompt_diff=tuple(lines) or _BREAKS_ALONE * (document.system_prompt != shown_prompt),
            drift=tuple(drift),
        )
        return step, _shown(changed, made)

    async def _without_file(self, agent: Agent, *, prune: bool) -> Step:
        if not prune:
            return Step(action=Action.LEFT, name=agent.name, note="no file says it; --prune deletes it")
        if agent.status == AgentStatus.DRAFT:
            # The lifecycle has no step from draft to deleted, for anybody.
            return Step(action=Action.LEFT, name=agent.name, note="no file says it; a draft cannot be deleted")
        drift = await self._drift(agent)
        await self._agents.delete_agent(agent.id)
        return Step(action=Action.DELETE, name=agent.name, drift=tuple(drift))

    async def _set_pauses(self, agent: Agent, document: AgentDocument) -> Agent:
        pairs = pair(document.triggers, agent.triggers)
        wanted = [
            (stored.id, trigger.is_paused)
            for trigger, stored in zip(document.triggers, pairs, strict=True)
            if stored is not None and stored.is_paused != trigger.is_paused
        ]
        for trigger_id, paused in wanted:
            await set_paused(self._session, agent.id, trigger_id, actor=self._actor, paused=paused)
        return await self._agents.get_agent(agent.id)

    def _secrets_of_file(self, source: AgentFile) -> list[SecretStr | None]:
        return [
            None
            if (trigger := one.hmac_secret) is None
            else secret_of(source, trigger, ("triggers", index, "hmac_secret"), self._environment)
            for index, one in enumerate(source.document.triggers)
        ]

    def _new_secrets(self, source: AgentFile, pairs: Sequence[AgentTrigger | None]) -> list[SecretStr | None]:
        """Secrets that the stored ones are to be replaced with; None where they are the same, or none is named."""
        return [
            None if secret is None or self._has(stored, secret) else secret
            for secret, stored in zip(self._secrets_of_file(source), pairs, strict=True)
        ]

    def _has(self, stored: AgentTrigger | None, secret: SecretStr) -> bool:
        if stored is None or stored.hmac_secret is None:
            return False
        return self._secrets.decrypt(stored.hmac_secret) == secret.get_secret_value()

    async def _note(self, agent: Agent, source: AgentFile) -> None:
        await self._log.note("agent", agent.id, {"file": source.name, "version": agent.current_version})

    async def _drift(self, agent: Agent) -> list[Drift]:
        return await self._log.drift(agent.id, [trigger.id for trigger in agent.triggers], ("agent.", "schedule."))


def pair(documents: Sequence[TriggerDocument], stored: Iterable[AgentTrigger]) -> list[AgentTrigger | None]:
    """For each trigger of a file the stored one it stands for: one that says the same, else one of its kind.

    A file knows no ids, and a stored trigger keeps its secret and its next time as long as it stays the same one.
    """
    free = list(stored)
    pairs: list[AgentTrigger | None] = [None] * len(documents)

    def take(index: int, fits: list[AgentTrigger]) -> None:
        if pairs[index] is None and fits:
            pairs[index] = fits[0]
            free.remove(fits[0])

    for index, document in enumerate(documents):
        take(index, [one for one in free if trigger_content(one) == document.content()])
    for index, document in enumerate(documents):
        alike = [one for one in free if one.trigger_type == document.trigger_type.value]
        # Of two schedules the one with the same times is meant, not the one that happens to come first.
        take(index, sorted(alike, key=lambda one: one.schedule_cron != document.schedule_cron))
    return pairs


def _differences(document: AgentDocument, agent: Agent, pairs: Sequence[AgentTrigger | None]) -> list[VersionChange]:
    before, after = content_of(agent), document.content()
    for content in (before, after):
        del content["system_prompt"]  # shown by lines
    before["triggers"] = {
        str(index): trigger_content(stored) for index, stored in enumerate(pairs) if stored is not None
    }
    kept = [stored for stored in pairs if stored is not None]
    gone = [stored for stored in agent.triggers if stored not in kept]
    before["triggers"] |= {str(len(pairs) + number): trigger_content(stored) for number, stored in enumerate(gone)}
    after["triggers"] = {str(index): trigger.content() for index, trigger in enumerate(document.triggers)}
    return differences(before, after)


def _secret_changes(secrets: Sequence[SecretStr | None]) -> list[VersionChange]:
    return [
        VersionChange(pointer=f"/triggers/{index}/hmac_secret", before="(stored)", after="(another)")
        for index, secret in enumerate(secrets)
        if secret is not None
    ]


def _triggers(
    kind: type[Sent],
    source: AgentFile,
    secrets: Sequence[SecretStr | None],
    stored: Sequence[AgentTrigger | None] = (),
) -> list[Sent]:
    """Triggers as the API takes them, each naming every field, so that what a file leaves out is as the API has it.

    Raises:
        InvalidInputError: A secret is one that the API would refuse.
    """
    triggers: list[Sent] = []
    for index, (trigger, secret) in enumerate(zip(source.document.triggers, secrets, strict=True)):
        fields: dict[str, object] = {name: getattr(trigger, name) for name in _TRIGGER_FIELDS}
        fields |= {} if secret is None else {"hmac_secret": secret}
        same = stored[index] if stored else None
        fields |= {} if same is None else {"id": same.id}
        try:
            triggers.append(kind.model_validate(fields))
        except ValidationError as error:
            raise refused(
                fault_at(source.name, source.yaml, ("triggers", index, *fault["loc"]), fault_sentence(fault))
                for fault in error.errors(include_url=False, include_input=False)
            ) from None
    return triggers


def _update(
    source: AgentFile,
    agent: Agent,
    pairs: Sequence[AgentTrigger | None],
    secrets: Sequence[SecretStr | None],
) -> AgentUpdate:
    document = source.document
    return AgentUpdate(
        name=document.name,
        description=document.description,
        system_prompt=document.system_prompt,
        llm_config=document.llm_config,
        status=None if document.status == agent.status else document.status,
        triggers=_triggers(AgentTriggerUpdate, source, secrets, pairs),
        tool_ids=list(document.tools),
        tool_operations=document.tools,
        outcome=document.outcome,
    )


def _shown(agent: Agent, made: Made) -> list[NewSecret]:
    urls = {trigger.id: trigger.webhook_url or "" for trigger in agent.triggers}
    return [NewSecret(agent=agent.name, webhook_url=urls[ident], secret=secret) for ident, secret in made.items()]
