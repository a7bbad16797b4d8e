"""A running API and console over loopback, and rows of real tables to show in it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import secrets as random_secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
from fastapi import APIRouter, FastAPI
from sqlalchemy import func, select
from starlette.routing import BaseRoute
from tests.support.lent import LENDER
from tests.support.logins import KEY, PROVER

from deskhand.access import endpoints as access_endpoints
from deskhand.access import pages as access_pages
from deskhand.access import trail
from deskhand.access.console import keys as key_pages
from deskhand.access.console import log as audit_pages
from deskhand.access.models import ApiKey
from deskhand.access.people import endpoints as people_endpoints
from deskhand.access.people import pages as people_pages
from deskhand.access.people.factor import pages as factor_pages
from deskhand.access.people.invitations import pages as invitation_pages
from deskhand.agents.models import Agent, AgentTrigger, AgentVersion
from deskhand.approvals import endpoints as approval_endpoints
from deskhand.approvals import link_pages
from deskhand.approvals import pages as approval_pages
from deskhand.appstate import AppState
from deskhand.budgets.corrections import endpoints as correction_endpoints
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.executions import endpoints as execution_endpoints
from deskhand.executions.console import pages as execution_pages
from deskhand.executions.tickets import endpoints as ticket_endpoints
from deskhand.executions.tickets import pages as ticket_pages
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.problem import install_problem_handlers
from deskhand.kit.sections import Section
from deskhand.knowledge.console import jobs as knowledge_job_pages
from deskhand.knowledge.console import pages as knowledge_pages
from deskhand.knowledge.verdicts import endpoints as verdict_endpoints
from deskhand.knowledge.verdicts import link_pages as verdict_links
from deskhand.knowledge.verdicts import pages as verdict_pages
from deskhand.notifications import link_pages as notification_links
from deskhand.notifications import pages as notification_pages
from deskhand.operations import endpoints as operations_endpoints
from deskhand.operations import pages as operations_pages
from deskhand.plugins.registry import PluginManager
from deskhand.reports import endpoints as report_endpoints
from deskhand.reports.calls import endpoints as call_endpoints
from deskhand.reports.chargeback import endpoints as chargeback_endpoints
from deskhand.reports.chargeback import pages as chargeback_pages
from deskhand.reports.console import pages as report_pages
from deskhand.reports.worth import endpoints as worth_endpoints
from deskhand.reports.worth import pages as worth_pages
from deskhand.schedules import endpoints, pages
from deskhand.simulators.base.server import run_in_process
from deskhand.tenants import pages as tenant_pages
from deskhand.ui.static_files import mount_static
from deskhand.work.undo import pages as undo_pages

MODULES = (
    access_endpoints,
    access_pages,
    people_endpoints,
    factor_pages,
    people_pages,
    invitation_pages,
    key_pages,
    audit_pages,
    trail,
    tenant_pages,
    execution_endpoints,
    execution_pages,
    ticket_endpoints,
    ticket_pages,
    verdict_endpoints,
    verdict_pages,
    verdict_links,
    approval_endpoints,
    approval_pages,
    link_pages,
    endpoints,
    pages,
    report_endpoints,
    report_pages,
    worth_endpoints,
    worth_pages,
    chargeback_endpoints,
    chargeback_pages,
    call_endpoints,
    correction_endpoints,
    undo_pages,
    knowledge_pages,
    knowledge_job_pages,
    operations_endpoints,
    operations_pages,
    notification_links,
    notification_pages,
)


@functools.cache
def _routes() -> tuple[BaseRoute, ...]:
    """The pages' routes, and what they call; FastAPI reads each once per process, and each test has a server."""
    everything = APIRouter()
    for module in MODULES:
        everything.include_router(Section(module.router))
    everything.include_router(Section(access_pages.provider_router))
    return tuple(everything.routes)


def console_app(db: Database, pool: asyncpg.Pool) -> FastAPI:
    """The parts of the API under test, put together as the entry point does it."""
    app = FastAPI()
    app.state.deskhand = AppState(
        db=db,
        pool=pool,
        secrets=SecretBox([KEY]),
        http=HttpClientFactory(allow_private=True),
        plugins=PluginManager(),
        public_url="http://deskhand.example.com",
    )
    app.router.routes.extend(_routes())
    mount_static(app)
    install_problem_handlers(app, login_path="/login")
    return app


@dataclass
class Console:
    """A running server and its database."""

    url: str
    db: Database
    app: FastAPI
    clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def key(self, tenant_id: str = "acme", role: str = "tenant_admin") -> str:
        """An API key of the tenant."""
        plain = f"dhk_{random_secrets.token_urlsafe(32)}"
        async with self.db.tenant_session(tenant_id) as session:
            digest = hashlib.sha256(plain.encode()).digest()
            session.add(ApiKey(tenant_id=tenant_id, name="test", prefix=plain[:12], key_hash=digest, role=role))
        return plain

    async def client(self, tenant_id: str = "acme", role: str = "tenant_admin") -> httpx2.AsyncClient:
        """An API client with a key of its own."""
        headers = {"Authorization": f"Bearer {await self.key(tenant_id, role)}"}
        return await self.clients.enter_async_context(
            httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30)
        )

    async def browser(self, tenant_id: str = "acme", role: str = "tenant_admin") -> httpx2.AsyncClient:
        """A signed-in client without scripts: cookies and forms only."""
        client = await self.clients.enter_async_context(
            httpx2.AsyncClient(base_url=self.url, headers={"Accept": "text/html"}, timeout=30)
        )
        answer = await client.post("/login", data={"api_key": await self.key(tenant_id, role), "next": "/"})
        assert answer.status_code == 303, answer.text
        return client

    async def now(self) -> datetime:
        """The database's clock."""
        async with self.db.anonymous_session() as session:
            return (await session.execute(select(func.now()))).scalar_one()

    async def agent(self, tenant_id: str = "acme", *, name: str = "Triage notes") -> Agent:
        """An active agent with a version and a webhook trigger."""
        async with self.db.tenant_session(tenant_id) as session:
            agent = Agent(tenant_id=tenant_id, name=name, status="active", system_prompt="Help.", llm_config={})
            session.add(agent)
            await session.flush()
            session.add(
                AgentVersion(
                    tenant_id=tenant_id, agent_id=agent.id, version_number=1, system_prompt="Help.", llm_config={}
                )
            )
            session.add(
                AgentTrigger(tenant_id=tenant_id, agent_id=agent.id, trigger_type="webhook", hmac_secret="not-shown")
            )
            await session.flush()
            await session.refresh(agent)
            return agent

    async def execution(self, agent: Agent, *, ticket: str | None = "1042", ago: float = 0.0, **columns: Any) -> UUID:
        """An execution of the agent's first version, received ``ago`` seconds ago."""
        now = await self.now()
        async with self.db.tenant_session(agent.tenant_id) as session:
            version = (
                await session.execute(
                    select(AgentVersion.id).where(AgentVersion.agent_id == agent.id, AgentVersion.version_number == 1)
                )
            ).scalar_one()
            trigger = (
                await session.execute(
                    select(AgentTrigger.id).where(
                        AgentTrigger.agent_id == agent.id, AgentTrigger.trigger_type == "webhook"
                    )
                )
            ).scalar_one()
            values: dict[str, Any] = {
                "id": uuid4(),
                "tool_type": "servicedesk_plus",
                "ticket_ref": ticket,
                "queued_at": now - timedelta(seconds=ago),
                "input_payload": {"event": "request_created", "request": {"id": ticket, "subject": "Printer offline"}},
                **columns,
            }
            row = AgentExecution(
                tenant_id=agent.tenant_id, agent_id=agent.id, agent_version_id=version, trigger_id=trigger, **values
            )
            session.add(row)
            await session.flush()
            return row.id

    async def schedule(self, agent: Agent, cron: str, zone: str = "UTC", **columns: Any) -> UUID:
        """A schedule of the agent."""
        values = {"schedule_cron": cron, "schedule_timezone": zone, **columns}
        async with self.db.tenant_session(agent.tenant_id) as session:
            row = AgentTrigger(tenant_id=agent.tenant_id, agent_id=agent.id, trigger_type="schedule", **values)
            session.add(row)
            await session.flush()
            return row.id

    async def step(self, tenant_id: str, execution_id: UUID, name: str, *, took: float = 0.4, **columns: Any) -> None:
        """A step of an execution, finished ``took`` seconds after it began unless told otherwise."""
        values: dict[str, Any] = {"kind": "tool", "state": "finished", "attempt": 1, **columns}
        values.setdefault("started_at", await self.now() - timedelta(seconds=took))
        if values["state"] != "started":
            values.setdefault("finished_at", values["started_at"] + timedelta(seconds=took))
        if values["kind"] == "model" and values["state"] == "finished":
            values = {"tokens_in": 1200, "tokens_out": 180, "cost_usd": Decimal("0.00042"), **values}
        async with self.db.tenant_session(tenant_id) as session:
            session.add(
                ExecutionStep(
                    tenant_id=tenant_id,
                    execution_id=execution_id,
                    step_key=values.pop("step_key", f"{name}#{uuid4().hex[:6]}"),
                    name=name,
                    **values,
                )
            )

    async def change(self, tenant_id: str, execution_id: UUID, **columns: Any) -> None:
        """Change an execution as its worker would."""
        async with self.db.tenant_session(tenant_id) as session:
            row = await session.get_one(AgentExecution, execution_id)
            for column, value in columns.items():
                setattr(row, column, value)


@contextlib.asynccontextmanager
async def running_console(db: Database, pool: asyncpg.Pool) -> AsyncIterator[Console]:
    """Serve the console on a free port of loopback."""
    app = console_app(db, pool)
    async with run_in_process(app) as server:
        console = Console(url=server.url, db=db, app=app)
        async with console.clients:
            yield console


@contextlib.asynccontextmanager
async def console_of_two(
    db: Database, app_url: str, make_tenant: Callable[[str], Awaitable[None]]
) -> AsyncIterator[Console]:
    """Serve the console of an installation with the tenants acme and globex."""
    await make_tenant("acme")
    await make_tenant("globex")
    pool = await LENDER.pool(app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
    async with running_console(db, pool) as running:
        yield running
    await pool.close()
