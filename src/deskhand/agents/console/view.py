"""The page of one agent, put together: by whoever looks at it, and by each form that answers with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Form, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.guards import Editor, Operator, Viewer
from deskhand.access.principal import Principal
from deskhand.agents.console import words
from deskhand.agents.console.sample import sample_prompt
from deskhand.agents.endpoints import agents_of
from deskhand.agents.model_endpoints import listed_models
from deskhand.agents.models import Agent
from deskhand.agents.outcomes import read_outcome
from deskhand.agents.schemas import in_order
from deskhand.agents.service import AgentService
from deskhand.appstate import App, AppState
from deskhand.errors import DeskhandError
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import find_provider
from deskhand.tools.sources import source_providers
from deskhand.tools.values import Kind, Provider, read_grants
from deskhand.ui.render import render

Revision = Annotated[int, Form(ge=1, le=2**31 - 1)]
"""The revision that the page showed: what was changed meanwhile is not overwritten unseen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page says of what was just done.

    Attributes:
        done: A verb of ``words.DONE``.
        error: Why it was refused.
        warnings: What will fail when it runs.
        secrets: Webhook secrets that were made, by trigger id: this page is the only one that shows them.
    """

    done: str = ""
    error: DeskhandError | None = None
    warnings: Sequence[str] = ()
    secrets: Mapping[UUID, str] = field(default_factory=dict, repr=False)

    @property
    def status_code(self) -> int:
        return 200 if self.error is None else self.error.status


@dataclass(frozen=True, slots=True)
class Looking:
    """Somebody at a page of the tenant's agents."""

    request: Request
    app: AppState
    viewer: Principal

    @property
    def tenant_id(self) -> str:
        """The tenant that the person is in."""
        assert self.viewer.tenant_id is not None  # the guard asks for a role that only a tenant's own have
        return self.viewer.tenant_id

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A transaction of the tenant that ends with the block: a form that was refused leaves nothing behind."""
        async with self.app.db.tenant_session(self.tenant_id, companies=EVERY_COMPANY) as session:
            yield session

    async def listed_models(self) -> frozenset[str]:
        """What the gateways list that the tenant may use."""
        return await listed_models(self.app, self.tenant_id)

    def agents(self, session: AsyncSession) -> AgentService:
        """What can be done with the tenant's agents."""
        return agents_of(self.viewer, session, self.app, self.app.plugins)

    def render(self, template: str, told: Told | None = None, **context: Any) -> Response:
        """A page; with ``told``, it says what was done or why it was not."""
        told = told or Told()
        context |= {
            "may_edit": self.viewer.may("editor"),
            "may_operate": self.viewer.may("operator"),
            "told": told,
            "done_words": words.DONE,
            "now": self.app.clock(),
        }
        return render(
            self.request,
            f"agents/console/{template}",
            status_code=told.status_code,
            viewer=self.viewer,
            badges=words.STATUS_BADGES,
            **context,
        )

    async def show(self, agent_id: UUID, told: Told | None = None) -> Response:
        """The page of one agent."""
        async with self.session() as session:
            agent = await self.agents(session).get_agent(agent_id)
            context = await agent_context(session, agent, self.app)
        return self.render("agent.html", told, **context)


async def looking(request: Request, app: App, viewer: Viewer) -> Looking:
    """Somebody who may see the tenant's agents."""
    return Looking(request, app, viewer)


async def editing(request: Request, app: App, editor: Editor) -> Looking:
    """Somebody who may change what the tenant's agents are."""
    return Looking(request, app, editor)


async def operating(request: Request, app: App, operator: Operator) -> Looking:
    """Somebody who may decide when they run."""
    return Looking(request, app, operator)


AtPage = Annotated[Looking, Depends(looking)]
EditorAt = Annotated[Looking, Depends(editing)]
OperatorAt = Annotated[Looking, Depends(operating)]


async def agent_context(session: AsyncSession, agent: Agent, app: AppState) -> Mapping[str, Any]:
    """Everything that the page of an agent shows."""
    providers = await tool_providers(session, agent, app.plugins)
    config = agent.llm_config or {}
    model = str(config.get("model") or "")
    now = app.clock()
    return {
        "agent": agent,
        "buttons": words.BUTTONS[agent.status],
        "status_words": words.STATUS_WORDS[agent.status],
        "outcome": read_outcome(agent.outcome),
        "outcome_words": words.OUTCOME_WORDS,
        "model": model,
        "config": {name: value for name, value in config.items() if name not in ("provider", "model")},
        "price": words.price_words(model),
        "window": words.window_words(model, embedded=config.get("provider") == "embedded"),
        "tools": [
            words.granted_tool(tool.tool_id, read_grants(tool.operations), providers.get(tool.tool_id))
            for tool in sorted(agent.tools, key=lambda tool: tool.tool_id)
        ],
        "desks": [(one.tool_id, one.name) for one in providers.values() if one.kind is Kind.DESK],
        "triggers": [(trigger, words.when(trigger, now=now)) for trigger in in_order(agent.triggers)],
        "sample": sample_prompt(agent.system_prompt, agent_name=agent.name, tenant_name=agent.tenant_id, today=now),
        "public_url": app.public_url,
    }


async def tool_providers(session: AsyncSession, agent: Agent, plugins: PluginManager) -> dict[str, Provider]:
    """The tools of an agent that there still are: a desk's plugin or a tenant's source may be gone."""
    sources = await source_providers(session)
    found = {}
    for tool in agent.tools:
        try:
            found[tool.tool_id] = find_provider(tool.tool_id, plugins, sources)
        except PluginNotFoundError:  # the page says so beside the tool
            continue
    return found
