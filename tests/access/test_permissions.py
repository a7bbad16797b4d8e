"""Every route × every role × own and foreign, on the application as it is served.

``ANSWERS`` says of each route who may call it. It is compared with what the routes declare and with how they answer, so
a new route fails here until somebody has said who may call it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from sqlalchemy import select
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.figures import FIGURES
from tests.support.gateways import CONNECTION_ANSWERS, connect_two
from tests.support.identity import register
from tests.support.lab_rows import kept_ticket, lab_rows
from tests.support.people import account, browser
from tests.support.sent import FORMS, JSON_BODIES, QUERIES
from tests.support.storms import blown
from tests.support.told import NOTIFYING, unsent

from deskhand.access import guards
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.api import ApiConfig, create_app
from deskhand.connectors.models import ToolSource
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.models import JobKind
from deskhand.tenants.service import record_enhancement
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

# What each may do, said here once more and on purpose: a change of it is a decision.
MAY = {
    "viewer": {"anybody", "viewer"},
    "editor": {"anybody", "viewer", "editor"},
    "operator": {"anybody", "viewer", "operator", "caretaker"},
    "tenant_admin": {"anybody", "viewer", "editor", "operator"}
    | {"caretaker", "steward", "tenant_admin", "administrator"},
    "platform_admin": {"anybody", "platform_admin", "administrator", "caretaker", "steward"},
}

ANSWERS = """
public          GET /openapi.json
public          GET /docs
public          GET /healthz
public          GET /readyz
public          GET /metrics
public          GET /static
public          GET /login
public          POST /login
public          POST /logout
public          POST /login/sso/{provider_id}
public          GET /login/sso/{provider_id}/callback
public          GET /set-password
public          POST /set-password
public          GET /approvals/link
public          POST /approvals/link
public          GET /feedback/link
public          POST /feedback/link
public          POST /agents/{agent_id}/webhook
public          POST /webhooks/{tenant_id}/{tool_type}
anybody         GET /
anybody         GET /api/v1/plugins
anybody         GET /api/v1/plugins/{tool_type}
arriving person GET /second-factor
arriving person POST /second-factor
arriving person POST /second-factor/app
person          GET /join
person          POST /join
person          GET /account
person          POST /account/second-factor/remove
person          POST /account/recovery-codes
person          POST /account/password
person          POST /account/tenant
platform_admin  POST /api/v1/tenants
platform_admin  GET /api/v1/tenants
platform_admin  POST /api/v1/tenants/{tenant_id}/deactivate
platform_admin  POST /api/v1/tenants/{tenant_id}/reactivate
platform_admin  GET /tenants
platform_admin  GET /tenants/new
platform_admin  POST /tenants/new
administrator   GET /api/v1/tenants/{tenant_id}
administrator   PATCH /api/v1/tenants/{tenant_id}
administrator   GET /api/v1/tenants/{tenant_id}/connections
administrator   POST /api/v1/tenants/{tenant_id}/connections/{tool_type}/test
administrator   GET /api/v1/tenants/{tenant_id}/connections/{tool_type}/note-trial
administrator   POST /api/v1/tenants/{tenant_id}/connections/{tool_type}/note-trial
administrator   POST /api/v1/tenants/{tenant_id}/api-keys
administrator   GET /api/v1/tenants/{tenant_id}/api-keys
administrator   DELETE /api/v1/tenants/{tenant_id}/api-keys/{key_id}
administrator   POST /api/v1/tenants/{tenant_id}/api-keys/{key_id}/rotate
administrator   POST /api/v1/tenants/{tenant_id}/sign-in-tokens
administrator   GET /api/v1/tenants/{tenant_id}/people
administrator   POST /api/v1/tenants/{tenant_id}/people
administrator   PATCH /api/v1/tenants/{tenant_id}/people/{person_id}
administrator   DELETE /api/v1/tenants/{tenant_id}/people/{person_id}
administrator   POST /api/v1/tenants/{tenant_id}/people/{person_id}/password-links
administrator   DELETE /api/v1/tenants/{tenant_id}/people/{person_id}/second-factor
administrator   GET /api/v1/tenants/{tenant_id}/invitations
administrator   DELETE /api/v1/tenants/{tenant_id}/invitations/{invitation_id}
administrator   GET /api/v1/tenants/{tenant_id}/identity-providers
administrator   POST /api/v1/tenants/{tenant_id}/identity-providers
administrator   PATCH /api/v1/tenants/{tenant_id}/identity-providers/{provider_id}
administrator   DELETE /api/v1/tenants/{tenant_id}/identity-providers/{provider_id}
viewer          GET /api/v1/budgets
tenant_admin    POST /api/v1/budgets
viewer          GET /api/v1/budgets/spending
viewer          GET /api/v1/cost-corrections
tenant_admin    POST /api/v1/cost-corrections
viewer          GET /api/v1/budgets/{budget_id}
tenant_admin    PATCH /api/v1/budgets/{budget_id}
tenant_admin    DELETE /api/v1/budgets/{budget_id}
viewer          GET /api/v1/tool-sources
tenant_admin    POST /api/v1/tool-sources/mcp
viewer          GET /api/v1/tool-sources/{source}
tenant_admin    POST /api/v1/tool-sources/{source}/refresh
viewer          GET /api/v1/tool-sources/{source}/changes
tenant_admin    POST /api/v1/tool-sources/{source}/changes
tenant_admin    PATCH /api/v1/tool-sources/{source}
tenant_admin    POST /api/v1/tool-sources/openapi
tenant_admin    POST /api/v1/tool-sources/{source}/document
tenant_admin    DELETE /api/v1/tool-sources/{source}
platform_admin  GET /api/v1/identity-providers
platform_admin  POST /api/v1/identity-providers
platform_admin  PATCH /api/v1/identity-providers/{installation_provider_id}
platform_admin  DELETE /api/v1/identity-providers/{installation_provider_id}
tenant_admin    GET /settings
tenant_admin    POST /settings/{section}
tenant_admin    GET /settings/rules/{rule_kind}/{place}
tenant_admin    POST /settings/rules/{rule_kind}/{place}
tenant_admin    POST /settings/rules/{rule_kind}/{place}/remove
administrator   GET /tenants/{tenant_id}/desks
administrator   GET /tenants/{tenant_id}/desks/{tool_type}
administrator   POST /tenants/{tenant_id}/desks/{tool_type}
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/test
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/note-trial
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/default
administrator   GET /tenants/{tenant_id}/desks/{tool_type}/disconnect
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/disconnect
administrator   GET /tenants/{tenant_id}/desks/{tool_type}/setup
administrator   GET /tenants/{tenant_id}/desks/{tool_type}/heard
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/secret
administrator   POST /tenants/{tenant_id}/desks/{tool_type}/store-secret
administrator   GET /tenants/{tenant_id}/api-keys
administrator   POST /tenants/{tenant_id}/api-keys
administrator   POST /tenants/{tenant_id}/api-keys/{key_id}/rotate
administrator   POST /tenants/{tenant_id}/api-keys/{key_id}/revoke
administrator   GET /tenants/{tenant_id}/people
administrator   POST /tenants/{tenant_id}/people/{person_id}/second-factor/reset
administrator   POST /tenants/{tenant_id}/people
administrator   POST /tenants/{tenant_id}/invitations/{invitation_id}/withdraw
administrator   POST /tenants/{tenant_id}/people/{person_id}/role
administrator   GET /tenants/{tenant_id}/people/{person_id}/companies
administrator   POST /tenants/{tenant_id}/people/{person_id}/companies
administrator   POST /tenants/{tenant_id}/people/{person_id}/remove
administrator   POST /tenants/{tenant_id}/people/{person_id}/password-link
tenant_admin    GET /audit
tenant_admin    GET /api/v1/audit
tenant_admin    GET /api/v1/audit/export
platform_admin  GET /api/v1/platform-audit
platform_admin  GET /api/v1/platform-audit/export
viewer          GET /api/v1/tools
viewer          GET /api/v1/agent-templates
viewer          GET /api/v1/agent-templates/{slug}
editor          POST /api/v1/agents
viewer          GET /api/v1/agents
viewer          GET /api/v1/models
viewer          GET /api/v1/agents/{agent_id}
editor          PATCH /api/v1/agents/{agent_id}
operator        DELETE /api/v1/agents/{agent_id}
operator        POST /api/v1/agents/{agent_id}/activate
operator        POST /api/v1/agents/{agent_id}/suspend
operator        POST /api/v1/agents/{agent_id}/resume
operator        POST /api/v1/agents/{agent_id}/try
viewer          GET /api/v1/agents/{agent_id}/lab-runs
operator        POST /api/v1/agents/{agent_id}/lab-runs
viewer          GET /api/v1/lab-runs/{lab_run_id}
viewer          GET /api/v1/lab-runs/{lab_run_id}/cases
operator        POST /api/v1/lab-runs/{lab_run_id}/cancel
viewer          GET /api/v1/agents/{agent_id}/test-cases
operator        POST /api/v1/agents/{agent_id}/test-cases
operator        DELETE /api/v1/test-cases/{test_case_id}
viewer          GET /api/v1/agents/{agent_id}/versions
viewer          GET /api/v1/agents/{agent_id}/versions/{number}
viewer          GET /api/v1/agents/{agent_id}/diff
editor          POST /api/v1/agents/{agent_id}/versions/{number}/rollback
editor          POST /api/v1/agents/{agent_id}/rotate-secret
viewer          GET /api/v1/executions
viewer          GET /api/v1/executions/counts
viewer          GET /api/v1/executions/failures
viewer          GET /api/v1/executions/events
operator        POST /api/v1/executions/retry
operator        POST /api/v1/executions/dismiss
viewer          GET /api/v1/executions/{execution_id}
viewer          GET /api/v1/executions/{execution_id}/steps
viewer          GET /api/v1/executions/{execution_id}/feedback
operator        POST /api/v1/executions/{execution_id}/feedback
viewer          GET /api/v1/feedback
operator        POST /api/v1/executions/{execution_id}/cancel
operator        POST /api/v1/executions/{execution_id}/retry
operator        POST /api/v1/executions/{execution_id}/dismiss
operator        POST /api/v1/executions/{execution_id}/replay
operator        POST /api/v1/executions/{execution_id}/retry-with
operator        POST /api/v1/executions/{execution_id}/answer
operator        POST /api/v1/executions/{execution_id}/undo/preview
operator        POST /api/v1/executions/{execution_id}/undo
operator        POST /api/v1/agents/{agent_id}/versions/{number}/undo/preview
operator        POST /api/v1/agents/{agent_id}/versions/{number}/undo
viewer          GET /api/v1/approvals
operator        POST /api/v1/approvals/approve
viewer          GET /api/v1/approvals/{approval_id}
operator        POST /api/v1/approvals/{approval_id}/approve
operator        POST /api/v1/approvals/{approval_id}/decline
operator        POST /api/v1/approvals/{approval_id}/change
viewer          GET /api/v1/tickets
viewer          GET /api/v1/tickets/{tool_type}/{ticket_ref}
viewer          GET /api/v1/deliveries
viewer          POST /api/v1/deliveries/try-filter
operator        POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/test
viewer          GET /api/v1/knowledge/jobs
operator        POST /api/v1/knowledge/jobs
viewer          GET /api/v1/knowledge/jobs/{job_id}
operator        POST /api/v1/knowledge/jobs/{job_id}/pause
operator        POST /api/v1/knowledge/jobs/{job_id}/resume
viewer          GET /api/v1/knowledge/articles
editor          POST /api/v1/knowledge/articles
viewer          GET /api/v1/knowledge/articles/{article_id}
editor          PATCH /api/v1/knowledge/articles/{article_id}
editor          DELETE /api/v1/knowledge/articles/{article_id}
viewer          GET /api/v1/knowledge/history
viewer          GET /api/v1/knowledge/history/{solved_id}
editor          DELETE /api/v1/knowledge/history/{solved_id}
viewer          GET /api/v1/knowledge/search
viewer          POST /api/v1/schedules/preview
viewer          GET /api/v1/schedules
viewer          GET /api/v1/storms
viewer          GET /api/v1/storms/{storm_id}
viewer          GET /api/v1/agents/{agent_id}/triggers/{trigger_id}/next
viewer          GET /api/v1/agents/{agent_id}/triggers/{trigger_id}/fires
operator        POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/run
operator        POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/pause
operator        POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/resume
viewer          GET /home
viewer          GET /executions
viewer          GET /executions/{execution_id}
operator        GET /executions/bulk
operator        POST /executions/bulk
operator        GET /executions/{execution_id}/replay
operator        POST /executions/{execution_id}/replay
operator        GET /executions/{execution_id}/retry-with
operator        POST /executions/{execution_id}/retry-with
operator        POST /executions/{execution_id}/answer
operator        POST /executions/{execution_id}/cancel
operator        POST /executions/{execution_id}/retry
operator        POST /executions/{execution_id}/dismiss
operator        POST /executions/{execution_id}/feedback
operator        GET /executions/{execution_id}/undo
operator        POST /executions/{execution_id}/undo
viewer          GET /agents
editor          GET /agents/new
editor          POST /agents/new
editor          GET /agents/{agent_id}/edit
editor          POST /agents/{agent_id}/edit
editor          POST /agents/{agent_id}/preview
editor          GET /agents/models
editor          GET /agents/models/facts
editor          GET /agents/{agent_id}/tools
editor          POST /agents/{agent_id}/tools
editor          GET /agents/{agent_id}/triggers/new
editor          POST /agents/{agent_id}/triggers/new
editor          GET /agents/{agent_id}/triggers/{trigger_id}
editor          POST /agents/{agent_id}/triggers/{trigger_id}
editor          POST /agents/{agent_id}/triggers/{trigger_id}/remove
editor          POST /agents/{agent_id}/triggers/{trigger_id}/rotate
viewer          GET /agents/{agent_id}/file
operator        GET /agents/{agent_id}/try
operator        POST /agents/{agent_id}/try
viewer          GET /agents/{agent_id}/lab
operator        POST /agents/{agent_id}/lab
viewer          GET /lab/{lab_run_id}
operator        POST /lab/{lab_run_id}/cancel
operator        GET /executions/{execution_id}/keep
operator        POST /executions/{execution_id}/keep
operator        POST /test-cases/{test_case_id}/remove
viewer          GET /agents/{agent_id}/try/compare
viewer          GET /agents/{agent_id}
operator        POST /agents/{agent_id}/activate
operator        POST /agents/{agent_id}/suspend
operator        POST /agents/{agent_id}/resume
operator        POST /agents/{agent_id}/delete
viewer          GET /agents/{agent_id}/versions
editor          POST /agents/{agent_id}/versions/{number}/rollback
operator        GET /agents/{agent_id}/versions/{number}/undo
operator        POST /agents/{agent_id}/versions/{number}/undo
anybody         GET /approvals
operator        POST /approvals/{tenant_id}/batch
operator        GET /approvals/{tenant_id}/{approval_id}
operator        POST /approvals/{tenant_id}/{approval_id}/approve
operator        POST /approvals/{tenant_id}/{approval_id}/decline
operator        POST /approvals/{tenant_id}/{approval_id}/change
viewer          GET /knowledge
viewer          GET /knowledge/articles
editor          GET /knowledge/articles/new
editor          POST /knowledge/articles
viewer          GET /knowledge/articles/{article_id}
editor          GET /knowledge/articles/{article_id}/edit
editor          POST /knowledge/articles/{article_id}/edit
editor          POST /knowledge/articles/{article_id}/remove
viewer          GET /knowledge/history
viewer          GET /knowledge/history/{solved_id}
editor          POST /knowledge/history/{solved_id}/remove
viewer          GET /knowledge/imports
operator        POST /knowledge/imports
operator        POST /knowledge/imports/{job_id}/pause
operator        POST /knowledge/imports/{job_id}/resume
viewer          GET /tickets
viewer          GET /tickets/{tool_type}/{ticket_ref}
viewer          GET /deliveries
viewer          GET /deliveries/try-filter
viewer          POST /deliveries/try-filter
operator        POST /agents/{agent_id}/triggers/{trigger_id}/test
viewer          GET /schedules
viewer          GET /storms
viewer          GET /storms/{storm_id}
viewer          GET /schedules/preview
operator        POST /schedules/{agent_id}/{trigger_id}/run
operator        POST /schedules/{agent_id}/{trigger_id}/pause
operator        POST /schedules/{agent_id}/{trigger_id}/resume
caretaker       GET /api/v1/operations
caretaker       GET /api/v1/pauses
caretaker       POST /api/v1/pauses
caretaker       DELETE /api/v1/pauses/{pause_id}
caretaker       GET /operations
caretaker       GET /operations/pause
caretaker       POST /operations/pauses
caretaker       POST /operations/pauses/{pause_id}/end
"""
NEEDED = {
    line[16:]: line[:16].strip() for line in (ANSWERS + CONNECTION_ANSWERS + FIGURES + NOTIFYING).split("\n") if line
}

PLATFORM = [{"group": "Admins", "role": "platform_admin"}]
SHARED = {"tool_type", "number", "slug", "section", "rule_kind", "place"}
"""Path parameters that name nothing of a tenant."""


@dataclass(frozen=True)
class Route:
    """One method of one route."""

    method: str
    path: str
    guards: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> set[str]:
        return set(re.findall(r"{(\w+)", self.path))

    @property
    def is_page(self) -> bool:
        return not self.path.startswith("/api/")

    def body(self) -> dict[str, Any]:
        if self.method in ("GET", "DELETE"):
            return {"params": next((query for key, query in QUERIES.items() if self.path.endswith(key)), {})}
        bodies: dict[str, dict[str, Any]] = FORMS if self.is_page else JSON_BODIES
        fitting = [body for key, body in bodies.items() if key == self.name or self.path.endswith(key)]
        return {"data" if self.is_page else "json": fitting[0] if fitting else {}}


def routes_of(app: FastAPI) -> Iterator[Route]:
    """Every route and method the application serves."""
    for context in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(context, "dependant", None)
        declared = {guards.PERMISSIONS[call] for call in _calls(dependant) if call in guards.PERMISSIONS}
        for method in (context.methods or {"GET"}) - {"HEAD"}:
            yield Route(method, re.sub(r":\w+}", "}", str(context.path)), frozenset(declared))


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    for one in dependant.dependencies if dependant else ():
        yield one.call
        yield from _calls(one)


def test_every_route_has_an_answer_and_declares_it() -> None:
    declared = {}
    config = ApiConfig(
        database_url="postgresql://nobody@localhost/none",
        encryption_keys=(Fernet.generate_key().decode(),),
        public_url="http://deskhand.example.com",
    )
    for route in routes_of(create_app(config)):
        strongest = route.guards - {"anybody"} or route.guards or {"public"}
        declared[route.name] = " and ".join(sorted(strongest))
    assert declared == NEEDED


@dataclass
class World:
    """Two tenants with one of everything, and the application."""

    api: Api
    console: Console
    routes: list[Route]
    own: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)


@pytest.fixture
async def world(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[World]:
    async with running_api(database_urls.app_url) as api:
        world = World(api, Console(api.url, api.db, api.app), list(routes_of(api.app)))
        world.own, world.foreign = await one_of_everything(world, "acme"), await one_of_everything(world, "globex")
        yield world


async def one_of_everything(world: World, tenant: str) -> dict[str, str]:
    """A tenant with an id for every parameter of a path."""
    api = world.api
    admin = await api.tenant(tenant, servicedesk_url="https://127.0.0.1:9")
    schedule = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}
    rule = {"machines": [{"name": "Nagios", "requester": ["nagios@example.com"]}]}
    await admin.patch(f"/api/v1/tenants/{tenant}", json={"enhancement_preferences": rule})
    made = await api.agent(admin, triggers=[{"trigger_type": "webhook"}, schedule])
    key = await admin.post(f"/api/v1/tenants/{tenant}/api-keys", json={"name": "spare", "role": "viewer"})
    async with api.db.tenant_session(tenant) as session:
        agent = await session.get_one(Agent, made["id"])
        trigger = await session.scalar(select(AgentTrigger.id).where(AgentTrigger.trigger_type == "schedule"))
    # A number of its own: both tenants have the usual one.
    run = await world.console.execution(agent, ticket=f"of-{tenant}", status="failed")
    approval = await waiting_approval(api.db, tenant, run)
    person = await account(api, f"member@{tenant}.example", **{tenant: "viewer"})
    provider = await register(api, "https://login.example.com", tenant)
    async with api.db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        await record_enhancement(
            session, run_id=run, tenant_id=tenant, ticket_id="1042", context={}, note="Reboot.", took_ms=1
        )
        session.add(ToolSource(tenant_id=tenant, slug=f"shop-{tenant}", kind="openapi", name="Shop"))
    async with api.db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        article = KnowledgeArticle(tenant_id=tenant, article_id="KB-1", title="Printers", body="Open the lid.")
        solved = TicketHistory(tenant_id=tenant, ticket_id="1", description="It jams.")
        other_article = KnowledgeArticle(tenant_id=tenant, article_id="KB-2", title="Scanners", body="Close the lid.")
        other_solved = TicketHistory(tenant_id=tenant, ticket_id="2", description="It scans nothing.")
        session.add_all([article, solved, other_article, other_solved])
        job = await jobs.start(session, tenant, JobKind.RECONCILE, tool_type="jira", actor="tests")
    other = await account(api, f"other@{tenant}.example", **{tenant: "viewer"})
    budget = await admin.post("/api/v1/budgets", json={"scope": "tenant", "period": "month", "amount_usd": "1"})
    # A whole tenant's, which the platform may end too; and one of an agent, which it is not told of.
    whole, of_agent = [
        (await admin.post("/api/v1/pauses", json={"reason": "The desk moves.", **more})).json()["id"]
        for more in ({}, {"agent_id": made["id"]})
    ]
    invitations = []
    for name in ("guest", "other-guest"):
        guest = {"email": f"{name}@{tenant}.example", "role": "viewer"}
        await account(api, guest["email"], platform_admin=True)
        invitations.append((await admin.post(f"/api/v1/tenants/{tenant}/people", json=guest)).json()["id"])
    return {
        "tenant_id": tenant,
        **{"agent_id": str(agent.id), "trigger_id": str(trigger), "execution_id": str(run)},
        **{"approval_id": str(approval), "job_id": str(job.id), "storm_id": await blown(api.db, tenant)},
        **{"article_id": str(article.id), "solved_id": str(solved.id)},
        **{"other_article": str(other_article.id), "other_solved": str(other_solved.id)},
        "key_id": key.json()["id"],
        **{"budget_id": budget.json()["id"], **await unsent(api, tenant)},
        "pause_id": whole if tenant == "acme" else of_agent,
        "other_pause": of_agent,
        "lab_run_id": await lab_rows(api.db, tenant, made["id"], {"category": "wrong"}),
        "test_case_id": await kept_ticket(api.db, tenant, made["id"]),
        "other_test_case": await kept_ticket(api.db, tenant, made["id"]),
        "provider_id": provider,
        "installation_provider_id": await register(api, "https://login.example.com", None, role_rules=PLATFORM)
        if tenant == "acme"
        else provider,
        **{"person_id": str(person.id), "other_person": str(other.id)},
        **{"invitation_id": invitations[0], "other_invitation": invitations[1]},
        **{"number": "1", "place": "0", "slug": "triage", "section": "notes", "rule_kind": "machines"},
        **{"tool_type": "servicedesk_plus", "ticket_ref": f"of-{tenant}", "source": f"shop-{tenant}"},
        "connection": await connect_two(admin, await api.platform(), tenant),
    }


async def caller(world: World, role: str, way: str) -> httpx2.AsyncClient:
    """A client of somebody with this role in acme."""
    if way == "key":
        return await (world.api.platform() if role == "platform_admin" else world.api.member("acme", role))
    is_platform = role == "platform_admin"
    roles = {"acme": "viewer" if is_platform else role}
    await account(world.api, "caller@example.com", platform_admin=is_platform, **roles)
    return await browser(world.api, "caller@example.com", None if is_platform else "acme")


async def call(client: httpx2.AsyncClient, route: Route, values: dict[str, str]) -> int:
    """How a route answers; a stream is asked for its head alone."""
    body = route.body()
    cookie = client.cookies.get(SESSION_COOKIE)
    if "data" in body and cookie:
        body = {"data": {**body["data"], "csrf": csrf_token_of(cookie)}}
    method = "HEAD" if route.path.endswith("/events") else route.method
    return (await client.request(method, route.path.format(**values), **body)).status_code


def in_order(routes: list[Route]) -> list[Route]:
    """What takes a thing away comes after what needs it; leaving the tenant is last."""

    def last(route: Route) -> tuple[bool, bool, bool, str]:
        removes = route.path.endswith("/remove") or (
            route.method == "DELETE" and not route.path.endswith("/second-factor")  # of a person who is still there
        )
        return route.path == "/account/tenant", removes, "/agents" in route.path, route.name

    return sorted(routes, key=last)


CALLERS = [(role, "key") for role in MAY] + [("tenant_admin", "person"), ("platform_admin", "person")]


@pytest.mark.parametrize(("role", "way"), CALLERS, ids=[f"{role}-{way}" for role, way in CALLERS])
async def test_each_route_answers_as_it_says(world: World, role: str, way: str) -> None:
    client = await caller(world, role, way)
    may = MAY[role] | ({"person", "arriving person"} if way == "person" else set())
    wrong = []
    for route in in_order([route for route in world.routes if NEEDED.get(route.name) != "public"]):
        needed = NEEDED.get(route.name, "nobody knows")
        for kind, values, right in expectations(world, route, role, allowed=needed in may):
            status = await call(client, route, values)
            if status not in right:
                wrong.append(f"{route.name} on {kind}: {status}")
    assert not wrong, "\n".join(wrong)


GRANTED = frozenset({200, 201, 202, 204, 303, 400, 409, 412, 422, 428, 502, 503})
"""The caller was let through to the thing itself, whatever came of it there."""
BATCHES = frozenset({"POST /api/v1/approvals/approve", "POST /approvals/{tenant_id}/batch", "GET /join", "POST /join",
                     "GET /agents/{agent_id}/try/compare", "POST /operations/pauses/{pause_id}/end"})  # fmt: skip
"""Names what is not there, in its body or query alone, or as an agent's pause is not there to the platform: 404."""


def expectations(
    world: World, route: Route, role: str, *, allowed: bool
) -> Iterator[tuple[str, dict[str, str], frozenset[int]]]:
    """What is called with which ids, and the statuses that are right."""
    others = {f"{kind}_id": world.own[f"other_{kind}"] for kind in ("person", "article", "solved")}
    others["connection"] = world.own["connection"].replace("models", "other-models")
    own = {**world.own, **others} if route.path.endswith("/remove") else world.own
    own = {**own, "invitation_id": own["other_invitation"]} if route.path.endswith("/withdraw") else own
    own = {**own, "test_case_id": own["other_test_case"]} if route.path.endswith("/remove") else own
    own = {**own, "pause_id": own["other_pause"]} if route.path.endswith("/end") else own
    foreign = {name: world.foreign[name] for name in route.parameters - SHARED}
    everywhere = role == "platform_admin"
    # Whose role is not enough is refused before any name is looked at, so one foreign call shows what each would.
    for name, value in foreign.items() if allowed else ():
        if everywhere and name == "tenant_id":
            continue  # every tenant is a platform administrator's
        hidden = frozenset({404}) if allowed else frozenset({403, 404})
        yield f"a foreign {name}", {**own, name: value}, hidden
    if len(foreign) > allowed and not everywhere:
        yield "what is all foreign", {**own, **foreign}, frozenset({404}) if allowed else frozenset({403, 404})
    granted = GRANTED | ({404} if route.name in BATCHES else set())
    yield "one's own", own, granted if allowed else frozenset({403})


async def test_a_stranger_gets_nowhere(world: World) -> None:
    client = await world.api.client()
    wrong = []
    for route in world.routes:
        if NEEDED.get(route.name) == "public":
            continue
        for values in (world.own, {**world.own, **dict.fromkeys(route.parameters & {"tenant_id"}, "0" * 8)}):
            answer = await client.request(route.method, route.path.format(**values), **route.body())
            sent_to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/login")
            if answer.status_code != 401 and not (route.is_page and sent_to_sign_in):
                wrong.append(f"{route.name}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
