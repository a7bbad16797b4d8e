"""Whatever changes something is on record: each changing route of the application.

The routes are read from the application, so that a new one fails here until somebody has said what it records.
``SILENT`` are those that record nothing, with the reason. Commands stand in ``test_commands``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx2
import pytest
from pyotp import TOTP
from sqlalchemy import select
from tests.access.test_permissions import routes_of
from tests.conftest import DatabaseUrls
from tests.support import decisions
from tests.support.agent_forms import AGENT_FORMS
from tests.support.api import AGENT, Api, running_api
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.corrections import CORRECTION_CALLS
from tests.support.desk_pages import NEW_TENANT
from tests.support.factors import phone_of, session_of, show
from tests.support.gateways import CONNECTION_STEPS
from tests.support.identity import body as provider_body
from tests.support.identity import register
from tests.support.lab_rows import agent_with_test, kept_by_api, standing_lab, ticket_of
from tests.support.mcp_sources import acceptance, changed_source, made_source, unread_source
from tests.support.notices import mailed_link
from tests.support.pauses import new_pause, standing_pause
from tests.support.people import PASSWORD, account, browser, platform_person, token_of
from tests.support.preferences import SETTINGS_FORMS
from tests.support.second_desk import DESK_FORMS, NOTE_TRIALS, answering_desk
from tests.support.sent import passwords
from tests.support.shelf import solved_ticket, written_article
from tests.support.told import NOTIFICATION_CALLS
from tests.support.verdicts import judged_note

from deskhand.access.models import User
from deskhand.access.people import administration
from deskhand.access.principal import Principal
from deskhand.agents.models import Agent
from deskhand.audit.models import AuditLog
from deskhand.connectors.models import ToolSource
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.upkeep.models import KnowledgeJob
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

PROGRAM = "an-auditor/1.0"
SILENT = {
    "POST /login/sso/{provider_id}": "begins a sign-in; how it ends is recorded (tests/access/sso, test_refusals.py)",
    "POST /api/v1/schedules/preview": "computes times and stores nothing",
    "POST /agents/{agent_id}/preview": "shows a prompt with an example and stores nothing",
    "POST /deliveries/try-filter": "compares a filter with what came in and stores nothing",
    "POST /api/v1/deliveries/try-filter": "compares a filter with what came in and stores nothing",
    "POST /api/v1/tenants/{tenant_id}/connections/{tool_type}/test": "asks the desk and stores nothing",
    "POST /tenants/{tenant_id}/desks/{tool_type}/test": "asks the desk and stores nothing",
    "POST /api/v1/executions/{execution_id}/undo/preview": "asks the desk and stores nothing",
    "POST /api/v1/agents/{agent_id}/versions/{number}/undo/preview": "asks the desk and stores nothing",
    "POST /agents/{agent_id}/webhook": "deliveries are a log of their own (webhook_deliveries)",
    "POST /webhooks/{tenant_id}/{tool_type}": "deliveries are a log of their own (webhook_deliveries)",
}
UNDO = {
    f"POST {prefix}/{what}/undo"
    for prefix, what in (
        ("/api/v1", "executions/{execution_id}"),
        ("/api/v1", "agents/{agent_id}/versions/{number}"),
        ("", "executions/{execution_id}"),
        ("", "agents/{agent_id}/versions/{number}"),
    )
}
"""What needs a desk with something on it, and is not called here; tests/flows/test_undo.py reads its entries."""
NO_STATE = ("console.", "person.password_", "person.second_factor", "person.recovery_code", "agent.try_webhook")
"""What has nothing before or after: somebody came in, tried something, or set what nobody may read."""


@dataclass
class World:
    """Two tenants, somebody of each kind who acts, and things to act on."""

    api: Api
    console: Console
    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    tickets: Any = field(default_factory=lambda: count(2000))
    agent: Agent | None = None
    servers: ExitStack = field(default_factory=ExitStack)

    async def entries(self, after: int = 0) -> list[AuditLog]:
        async with self.api.db.platform_session() as session:
            query = select(AuditLog).where(AuditLog.sequence > after).order_by(AuditLog.sequence)
            return list(await session.scalars(query))

    async def run(self, status: str = "failed") -> dict[str, str]:
        assert self.agent is not None
        ticket = str(next(self.tickets))
        run = await self.console.execution(self.agent, status=status, ticket=ticket)
        return {"execution_id": str(run), "ticket": ticket}

    async def run_that_read(self) -> dict[str, str]:
        assert self.agent is not None
        ids = {**await self.run("completed"), "agent_id": str(self.agent.id)}
        read = ticket_of("servicedesk_plus", ids["ticket"])
        await self.console.step("acme", UUID(ids["execution_id"]), "get_ticket", kind="tool", output=read)
        return ids

    async def new_agent(self, *steps: str) -> dict[str, str]:
        made = await self.api.agent(self.clients["key"])
        for step in steps:
            answer = await self.clients["key"].post(f"/api/v1/agents/{made['id']}/{step}")
            assert answer.status_code == 200, answer.text
        shown = {"revision": await self.revision(made["id"]), "trigger_id": made["triggers"][0]["id"]}
        return {"agent_id": made["id"], "number": "1", **shown}

    async def revision(self, agent_id: str) -> str:
        """What a form of the agent's page says it was shown."""
        return (await self.clients["key"].get(f"/api/v1/agents/{agent_id}")).headers["etag"].strip('"')

    async def key(self) -> dict[str, str]:
        made = await self.clients["key"].post("/api/v1/tenants/acme/api-keys", json={"name": "spare", "role": "viewer"})
        return {"key_id": made.json()["id"]}

    async def member(self) -> dict[str, str]:
        person = await account(self.api, f"m{next(self.tickets)}@example.com", acme="viewer")
        return {"person_id": str(person.id), "email": person.email}

    async def budget(self) -> dict[str, str]:
        """One of the present agent alone, since a tenant has one of each scope and period."""
        made = await self.api.agent(self.clients["key"])
        of_agent = {"scope": "agent", "agent_id": made["id"], "period": "day", "amount_usd": "1"}
        answer = await self.clients["key"].post("/api/v1/budgets", json=of_agent)
        return {"budget_id": answer.json()["id"]}

    async def source(self) -> dict[str, str]:
        slug = f"s{next(self.tickets)}"
        async with self.api.db.tenant_session("acme") as session:
            session.add(ToolSource(tenant_id="acme", slug=slug, kind="openapi", name="Shop"))
        return {"source": slug}

    async def link(self) -> dict[str, str]:
        person = await self.member()
        operator = Principal(kind="api_key", tenant_id="acme", role="tenant_admin", actor="test")
        async with self.api.db.platform_session() as session:
            link = await administration.password_link(
                session,
                tenant_id="acme",
                user_id=person["person_id"],  # type: ignore[arg-type]  # a UUID's text does
                principal=operator,
                now=self.api.state.clock(),
            )
        return {"token": link.token}

    async def member_signed_in(self) -> dict[str, str]:
        person = await self.member()
        self.clients["person"] = await browser(self.api, person["email"], "acme")
        return person

    async def with_app(self) -> dict[str, str]:
        person = await self.member_signed_in()
        async with self.api.db.platform_session() as session:
            user = await session.get_one(User, UUID(person["person_id"]))
        phone = await phone_of(self.api, user)
        await show(self.clients["person"], phone.code(steps=-1))
        return person | {"code": phone.code()}

    async def half_signed_in(self) -> dict[str, str]:
        ids = await self.with_app()
        self.clients["person"] = await browser(self.api, ids["email"], "acme")  # which has not shown the code
        return ids

    async def at_the_page_of_the_app(self) -> dict[str, str]:
        person = await self.member_signed_in()
        html = (await self.clients["person"].get("/second-factor")).text
        secret = html.split('id="secret">')[1].split("<")[0].replace(" ", "")
        token = html.split('name="token" value="')[1].split('"')[0]
        return person | {"token": token, "code": TOTP(secret).now(), "password": PASSWORD}

    async def provider(self, tenant_id: str | None = "acme") -> dict[str, str]:
        rule = {"group": "Service desk", "role": "viewer", **({} if tenant_id else {"tenant_id": "acme"})}
        made = await register(self.api, "https://login.example.com", tenant_id, role_rules=[rule])
        return {"provider_id": made, "installation_provider_id": made}

    async def invitation(self) -> dict[str, str]:
        guest = await account(self.api, f"m{next(self.tickets)}@example.com", globex="viewer")
        self.clients["person"] = await browser(self.api, guest.email, "globex")
        asked = {"email": guest.email, "role": "viewer"}
        made = (await self.clients["key"].post("/api/v1/tenants/acme/people", json=asked)).json()
        return {"invitation_id": made["id"], "token": token_of(made["link"]["url"]), "person_id": str(guest.id)}

    async def job(self) -> dict[str, str]:
        async with self.api.db.tenant_session("acme") as session:
            job = KnowledgeJob(tenant_id="acme", kind="history", tool_type=f"desk{next(self.tickets)}")
            session.add(job)
            await session.flush()
            return {"job_id": str(job.id)}

    async def paused_job(self) -> dict[str, str]:
        ids = await self.job()
        async with self.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            (await session.get_one(KnowledgeJob, UUID(ids["job_id"]))).state = "paused"
        return ids

    async def key_signed_in(self) -> dict[str, str]:
        self.clients["session"] = await self.api.client(Accept="text/html")
        answer = await self.clients["session"].post("/login", data={"api_key": await self.console.key()})
        assert answer.status_code == 303
        return {}

    async def in_doubt(self) -> dict[str, str]:
        assert self.agent is not None
        run = await decisions.in_doubt(self.console, self.agent, ticket=str(next(self.tickets)))
        return {"execution_id": str(run)}

    async def question(self) -> dict[str, str]:
        assert self.agent is not None
        ticket = str(next(self.tickets))
        run = await self.console.execution(
            self.agent, status="waiting", attempt=1, error_code="approval-needed", ticket=ticket
        )
        return {"approval_id": str(await waiting_approval(self.api.db, "acme", run)), "ticket": ticket}

    async def mailed_question(self) -> dict[str, str]:
        asked = await self.question()
        email = f"told-{next(self.tickets)}@acme.example"
        await account(self.api, email, acme="operator")
        return {**asked, "token": await mailed_link(self.api.db, "acme", asked["approval_id"], email)}

    async def changed_agent(self) -> dict[str, str]:
        ids = await self.new_agent()
        await self.clients["key"].patch(
            f"/api/v1/agents/{ids['agent_id']}", json={"system_prompt": "Be brief, please."}
        )
        return ids | {"revision": await self.revision(ids["agent_id"])}


Prepare = Callable[[World], Awaitable[dict[str, str]]]


@dataclass(frozen=True)
class Step:
    """A call of a changing route that goes well, and what it records."""

    operations: tuple[str, ...]
    body: Callable[[dict[str, str]], dict[str, Any]] = lambda _: {}
    who: str = "key"
    prepare: Prepare | None = None


def _ticket(ids: dict[str, str]) -> dict[str, Any]:
    return {"ticket_ref": ids["ticket"]}


def _bulk(ids: dict[str, str]) -> dict[str, Any]:
    return {"verb": "dismiss", "ticket": ids["ticket"], "number": "1"}


def _shown_revision(ids: dict[str, str]) -> dict[str, Any]:
    return {"revision": ids["revision"]}


SHOWN = {"digest": "0" * 64}


def _one_of_a_batch(ids: dict[str, str]) -> dict[str, Any]:
    return {"items": [{"id": ids["approval_id"], **SHOWN}]}


DESK = {"servicedesk_url": "https://desk.example.com", "servicedesk_api_key": "k" * 30}
DOUBT = {"step_key": "add_note:note", "done": "false"}
NEWER = {"document": '{"openapi": "3.1.0", "paths": {"/orders": {"get": {"operationId": "listOrders"}}}}'}
SHOP = {**NEWER, "name": "New", "server": "https://shop.example.com"}
STEPS = {
    "POST /api/v1/tenants": Step(
        ("tenant.create",), lambda _: {"tenant_id": "initech", "name": "Initech", **DESK}, "platform"
    ),
    "PATCH /api/v1/tenants/{tenant_id}": Step(
        ("tenant.update",), lambda _: {"name": "Other", "servicedesk_api_key": "n" * 30}
    ),
    "POST /api/v1/tenants/{tenant_id}/deactivate": Step(("tenant.deactivate",), who="platform"),
    "POST /api/v1/tenants/{tenant_id}/reactivate": Step(("tenant.reactivate",), who="platform"),
    "POST /api/v1/tenants/{tenant_id}/api-keys": Step(("api_key.create",), lambda _: {"name": "n", "role": "viewer"}),
    "POST /api/v1/tenants/{tenant_id}/api-keys/{key_id}/rotate": Step(("api_key.rotate",), prepare=World.key),
    "DELETE /api/v1/tenants/{tenant_id}/api-keys/{key_id}": Step(("api_key.revoke",), prepare=World.key),
    "POST /api/v1/tenants/{tenant_id}/sign-in-tokens": Step(("sign_in_token.create",)),
    "POST /api/v1/tenants/{tenant_id}/people": Step(
        ("person.invite",), lambda _: {"email": "new@example.com", "role": "viewer"}
    ),
    "PATCH /api/v1/tenants/{tenant_id}/people/{person_id}": Step(
        ("person.role",), lambda _: {"role": "editor"}, prepare=World.member
    ),
    "POST /api/v1/tenants/{tenant_id}/people/{person_id}/password-links": Step(
        ("person.password_link",), prepare=World.member
    ),
    "DELETE /api/v1/tenants/{tenant_id}/people/{person_id}": Step(("person.remove",), prepare=World.member),
    "DELETE /api/v1/tenants/{tenant_id}/invitations/{invitation_id}": Step(
        ("person.invite_withdraw",), prepare=World.invitation
    ),
    "POST /knowledge/articles": Step(
        ("article.create",), lambda _: {"article_id": "KB-2", "title": "Scanners", "body": "Close the lid."}
    ),
    "POST /knowledge/articles/{article_id}/edit": Step(
        ("article.update",), lambda _: {"title": "Printers jam", "body": "Open it."}, prepare=written_article
    ),
    "POST /knowledge/articles/{article_id}/remove": Step(("article.delete",), prepare=written_article),
    "POST /knowledge/history/{solved_id}/remove": Step(("solved_ticket.delete",), prepare=solved_ticket),
    "POST /knowledge/imports": Step(("knowledge_job.start",), lambda _: {"kind": "reconcile"}),
    "POST /knowledge/imports/{job_id}/pause": Step(("knowledge_job.pause",), prepare=World.job),
    "POST /knowledge/imports/{job_id}/resume": Step(("knowledge_job.resume",), prepare=World.paused_job),
    "POST /api/v1/knowledge/articles": Step(
        ("article.create",), lambda _: {"article_id": "KB-1", "title": "Printers", "body": "Open the lid."}
    ),
    "PATCH /api/v1/knowledge/articles/{article_id}": Step(
        ("article.update",), lambda _: {"title": "Other"}, prepare=written_article
    ),
    "DELETE /api/v1/knowledge/articles/{article_id}": Step(("article.delete",), prepare=written_article),
    "DELETE /api/v1/knowledge/history/{solved_id}": Step(("solved_ticket.delete",), prepare=solved_ticket),
    "POST /api/v1/knowledge/jobs": Step(("knowledge_job.start",)),
    "POST /api/v1/knowledge/jobs/{job_id}/pause": Step(("knowledge_job.pause",), prepare=World.job),
    "POST /api/v1/knowledge/jobs/{job_id}/resume": Step(("knowledge_job.resume",), prepare=World.paused_job),
    **{name: Step(*about) for name, about in CONNECTION_STEPS.items()},
    "POST /api/v1/pauses": Step(("pause.begin",), new_pause, prepare=World.new_agent),
    "DELETE /api/v1/pauses/{pause_id}": Step(("pause.end",), prepare=standing_pause),
    "POST /operations/pauses": Step(("pause.begin",), new_pause, "ann", World.new_agent),
    "POST /operations/pauses/{pause_id}/end": Step(("pause.end",), who="ann", prepare=standing_pause),
    **{path: Step(*how) for path, *how in (*NOTIFICATION_CALLS, *CORRECTION_CALLS)},
    "POST /api/v1/budgets": Step(
        ("budget.create",),
        lambda ids: {"scope": "agent", "agent_id": ids["agent_id"], "period": "month", "amount_usd": "1"},
        prepare=World.new_agent,
    ),
    "PATCH /api/v1/budgets/{budget_id}": Step(("budget.update",), lambda _: {"amount_usd": "2"}, prepare=World.budget),
    "DELETE /api/v1/budgets/{budget_id}": Step(("budget.delete",), prepare=World.budget),
    "PATCH /api/v1/tool-sources/{source}": Step(("tool_source.update",), lambda _: {"name": "S"}, prepare=World.source),
    "POST /api/v1/tool-sources/openapi": Step(("tool_source.create",), lambda _: {"slug": "new", "name": "N", **SHOP}),
    "POST /api/v1/tool-sources/{source}/document": Step(("tool_source.renew",), lambda _: NEWER, prepare=World.source),
    "POST /api/v1/tool-sources/mcp": Step(("tool_source.create",), made_source, prepare=unread_source),
    "POST /api/v1/tool-sources/{source}/refresh": Step(("tool_source.refresh",), prepare=unread_source),
    "POST /api/v1/tool-sources/{source}/changes": Step(("tool_source.accept",), acceptance, prepare=changed_source),
    "DELETE /api/v1/tool-sources/{source}": Step(("tool_source.delete",), prepare=World.source),
    "POST /api/v1/agents": Step(("agent.create",), lambda _: AGENT),
    "PATCH /api/v1/agents/{agent_id}": Step(("agent.update",), lambda _: {"name": "Renamed"}, prepare=World.new_agent),
    "POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/test": Step(
        ("agent.try_webhook",), lambda _: {"ticket_id": "7"}, prepare=World.new_agent
    ),
    "POST /api/v1/agents/{agent_id}/activate": Step(("agent.activate",), prepare=World.new_agent),
    "POST /api/v1/agents/{agent_id}/suspend": Step(("agent.suspend",), prepare=lambda w: w.new_agent("activate")),
    "POST /api/v1/agents/{agent_id}/resume": Step(
        ("agent.resume",), prepare=lambda w: w.new_agent("activate", "suspend")
    ),
    "DELETE /api/v1/agents/{agent_id}": Step(("agent.delete",), prepare=lambda w: w.new_agent("activate")),
    "POST /api/v1/agents/{agent_id}/versions/{number}/rollback": Step(("agent.rollback",), prepare=World.changed_agent),
    "POST /api/v1/agents/{agent_id}/rotate-secret": Step(("agent.rotate_secret",), prepare=World.new_agent),
    "POST /agents/new": Step(("agent.create",), lambda _: {"template": "triage"}, "ann"),
    **{
        name: Step(
            (operation,), lambda ids, form=form: form | ids, "ann", lambda w, before=before: w.new_agent(*before)
        )
        for name, (operation, form, before) in AGENT_FORMS.items()
    },
    "POST /agents/{agent_id}/versions/{number}/rollback": Step(
        ("agent.rollback",), _shown_revision, "ann", World.changed_agent
    ),
    "POST /api/v1/executions/retry": Step(("execution.retry",), _ticket, prepare=World.run),
    "POST /api/v1/executions/dismiss": Step(("execution.dismiss",), _ticket, prepare=World.run),
    "POST /api/v1/executions/{execution_id}/cancel": Step(("execution.cancel",), prepare=lambda w: w.run("queued")),
    "POST /api/v1/executions/{execution_id}/retry": Step(("execution.retry",), prepare=World.run),
    "POST /api/v1/executions/{execution_id}/dismiss": Step(("execution.dismiss",), prepare=World.run),
    "POST /api/v1/agents/{agent_id}/lab-runs": Step(("lab.start",), lambda _: {"tickets": 0}, prepare=agent_with_test),
    "POST /agents/{agent_id}/lab": Step(
        ("lab.start",), lambda _: {"tickets": "0", "test_cases": "true"}, "ann", agent_with_test
    ),
    "POST /api/v1/lab-runs/{lab_run_id}/cancel": Step(("lab.cancel",), prepare=standing_lab),
    "POST /lab/{lab_run_id}/cancel": Step(("lab.cancel",), who="ann", prepare=standing_lab),
    "POST /api/v1/agents/{agent_id}/test-cases": Step(("test_case.create",), kept_by_api, prepare=World.run_that_read),
    "POST /executions/{execution_id}/keep": Step(
        ("test_case.create",), lambda _: {"name": "VPN", "category": "Network"}, "ann", World.run_that_read
    ),
    "DELETE /api/v1/test-cases/{test_case_id}": Step(("test_case.delete",), prepare=agent_with_test),
    "POST /test-cases/{test_case_id}/remove": Step(("test_case.delete",), who="ann", prepare=agent_with_test),
    "POST /api/v1/agents/{agent_id}/try": Step(("execution.try",), decisions.event, prepare=World.new_agent),
    "POST /agents/{agent_id}/try": Step(("execution.try",), decisions.pasted, "ann", World.new_agent),
    "POST /api/v1/executions/{execution_id}/replay": Step(("execution.replay",), prepare=World.run),
    "POST /api/v1/executions/{execution_id}/feedback": Step(
        ("feedback.give",), lambda _: {"feedback_type": "thumbs_up"}, prepare=judged_note
    ),
    "POST /feedback/link": Step(
        ("feedback.give",), lambda ids: {"token": ids["token"], "verdict": "thumbs_up"}, "nobody", judged_note
    ),
    "POST /executions/{execution_id}/feedback": Step(
        ("feedback.give",), lambda _: {"verdict": "thumbs_up"}, "ann", judged_note
    ),
    "POST /api/v1/executions/{execution_id}/retry-with": Step(
        ("execution.retry_with", "execution.dismiss"), lambda _: {"ticket_ref": "77"}, prepare=World.run
    ),
    "POST /api/v1/executions/{execution_id}/answer": Step(
        ("execution.answer",), lambda _: {"step_key": "add_note:note", "done": False}, prepare=World.in_doubt
    ),
    "POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/run": Step(("schedule.run",)),
    "POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/pause": Step(("schedule.pause",)),
    "POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/resume": Step(("schedule.resume",)),
    "POST /schedules/{agent_id}/{trigger_id}/run": Step(("schedule.run",), who="ann"),
    "POST /schedules/{agent_id}/{trigger_id}/pause": Step(("schedule.pause",), who="ann"),
    "POST /schedules/{agent_id}/{trigger_id}/resume": Step(("schedule.resume",), who="ann"),
    "POST /executions/bulk": Step(("execution.dismiss",), _bulk, "ann", World.run),
    "POST /executions/{execution_id}/cancel": Step(("execution.cancel",), who="ann", prepare=lambda w: w.run("queued")),
    "POST /executions/{execution_id}/retry": Step(("execution.retry",), who="ann", prepare=World.run),
    "POST /executions/{execution_id}/dismiss": Step(("execution.dismiss",), who="ann", prepare=World.run),
    "POST /executions/{execution_id}/replay": Step(("execution.replay",), decisions.first, "ann", World.run),
    "POST /executions/{execution_id}/retry-with": Step(
        ("execution.retry_with", "execution.dismiss"),
        lambda _: {"ticket_ref": "78", "tool_type": "servicedesk_plus", "input": "{}"},
        "ann",
        World.run,
    ),
    "POST /executions/{execution_id}/answer": Step(("execution.answer",), lambda _: DOUBT, "ann", World.in_doubt),
    "POST /api/v1/approvals/approve": Step(("approval.approve",), _one_of_a_batch, prepare=World.question),
    "POST /api/v1/approvals/{approval_id}/approve": Step(
        ("approval.approve",), lambda _: SHOWN, prepare=World.question
    ),
    "POST /api/v1/approvals/{approval_id}/decline": Step(
        ("approval.decline",), lambda _: {**SHOWN, "reason": "Not now."}, prepare=World.question
    ),
    "POST /api/v1/approvals/{approval_id}/change": Step(
        ("approval.change",), lambda _: {**SHOWN, "arguments": {"priority": "medium"}}, prepare=World.question
    ),
    "POST /approvals/{tenant_id}/batch": Step(
        ("approval.approve",), lambda ids: {"id": ids["approval_id"], **SHOWN}, "ann", World.question
    ),
    "POST /approvals/{tenant_id}/{approval_id}/approve": Step(
        ("approval.approve",), lambda _: SHOWN, "ann", World.question
    ),
    "POST /approvals/{tenant_id}/{approval_id}/decline": Step(
        ("approval.decline",), lambda _: {**SHOWN, "reason": "Not now."}, "ann", World.question
    ),
    "POST /approvals/{tenant_id}/{approval_id}/change": Step(
        ("approval.change",), lambda _: {**SHOWN, "arguments": '{"priority": "medium"}'}, "ann", World.question
    ),
    "POST /approvals/link": Step(
        ("approval.approve",), lambda ids: {"token": ids["token"], "verb": "approve"}, "nobody", World.mailed_question
    ),
    "POST /tenants/new": Step(("tenant.create", "person.invite"), lambda _: NEW_TENANT, "root"),
    "POST /tenants/{tenant_id}/people": Step(
        ("person.invite",), lambda _: {"email": "newer@example.com", "role": "viewer"}, "ann"
    ),
    "POST /tenants/{tenant_id}/people/{person_id}/role": Step(
        ("person.role",), lambda _: {"role": "editor"}, "ann", World.member
    ),
    "POST /tenants/{tenant_id}/people/{person_id}/companies": Step(("person.role",), lambda _: {}, "ann", World.member),
    "POST /tenants/{tenant_id}/people/{person_id}/password-link": Step(
        ("person.password_link",), who="ann", prepare=World.member
    ),
    "POST /tenants/{tenant_id}/people/{person_id}/remove": Step(("person.remove",), who="ann", prepare=World.member),
    "POST /tenants/{tenant_id}/invitations/{invitation_id}/withdraw": Step(
        ("person.invite_withdraw",), who="ann", prepare=World.invitation
    ),
    # Whatever a tenant's administrator changes of it in the console is one operation.
    **{path: Step(("tenant.update",), typed, "ann", ready) for path, typed, ready in (*SETTINGS_FORMS, *DESK_FORMS)},
    **{path: Step(told, lambda ids: {"ticket": ids["ticket"]}, who, answering_desk) for path, told, who in NOTE_TRIALS},
    "POST /tenants/{tenant_id}/api-keys": Step(
        ("api_key.create",), lambda _: {"name": "n", "role": "viewer", "days": "30"}, "ann"
    ),
    "POST /tenants/{tenant_id}/api-keys/{key_id}/rotate": Step(("api_key.rotate",), who="ann", prepare=World.key),
    "POST /tenants/{tenant_id}/api-keys/{key_id}/revoke": Step(("api_key.revoke",), who="ann", prepare=World.key),
    "POST /join": Step(("person.join",), lambda ids: {"token": ids["token"]}, "person", World.invitation),
    "POST /set-password": Step(("person.password_set",), passwords, "nobody", World.link),
    "POST /account/password": Step(
        ("person.password_change",),
        lambda ids: {"current": PASSWORD, "new": passwords(ids)["password"], **passwords(ids)},
        "person",
        World.member_signed_in,
    ),
    "POST /account/tenant": Step(("console.enter",), lambda _: {"tenant_id": "globex"}, "ann"),
    "POST /login": Step(
        ("console.sign_in",), lambda ids: {"email": ids["email"], "password": PASSWORD}, "nobody", World.member
    ),
    "POST /logout": Step(("console.sign_out",), who="session", prepare=World.key_signed_in),
}


def _password(_: dict[str, str]) -> dict[str, Any]:
    return {"password": PASSWORD}


def _only(*names: str) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda ids: {name: ids[name] for name in names}


async def _of_installation(world: World) -> dict[str, str]:
    return await world.provider(None)


STEPS = {
    "POST /second-factor": Step(("console.sign_in",), _only("code"), "person", World.half_signed_in),
    "POST /second-factor/app": Step(
        ("person.second_factor",), _only("token", "code", "password"), "person", World.at_the_page_of_the_app
    ),
    "POST /account/recovery-codes": Step(("person.recovery_codes",), _password, "person", World.with_app),
    "POST /account/second-factor/remove": Step(("person.second_factor_remove",), _password, "person", World.with_app),
    "POST /tenants/{tenant_id}/people/{person_id}/second-factor/reset": Step(
        ("person.second_factor_reset",), who="ann", prepare=World.with_app
    ),
    "DELETE /api/v1/tenants/{tenant_id}/people/{person_id}/second-factor": Step(
        ("person.second_factor_reset",), prepare=World.with_app
    ),
    "POST /api/v1/tenants/{tenant_id}/identity-providers": Step(
        ("identity_provider.create",), lambda _: provider_body("https://login.example.com")
    ),
    "PATCH /api/v1/tenants/{tenant_id}/identity-providers/{provider_id}": Step(
        ("identity_provider.update",), lambda _: {"name": "Other"}, prepare=World.provider
    ),
    "DELETE /api/v1/tenants/{tenant_id}/identity-providers/{provider_id}": Step(
        ("identity_provider.delete",), prepare=World.provider
    ),
    "POST /api/v1/identity-providers": Step(
        ("identity_provider.create",),
        lambda _: provider_body(
            "https://login.example.com", role_rules=[{"group": "Desk", "role": "viewer", "tenant_id": "acme"}]
        ),
        "platform",
    ),
    "PATCH /api/v1/identity-providers/{installation_provider_id}": Step(
        ("identity_provider.update",), lambda _: {"is_active": False}, "platform", _of_installation
    ),
    "DELETE /api/v1/identity-providers/{installation_provider_id}": Step(
        ("identity_provider.delete",), who="platform", prepare=_of_installation
    ),
} | STEPS  # before what takes somebody to another tenant


@pytest.fixture
async def world(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[World]:
    async with running_api(database_urls.app_url) as api:
        world = World(api, Console(api.url, api.db, api.app))
        world.clients = {"key": await api.tenant(), "platform": await api.platform(), "nobody": await api.client()}
        await api.tenant("globex")
        await account(api, "ann@example.com", acme="tenant_admin", globex="viewer")
        world.clients |= {"ann": await browser(api, "ann@example.com", "acme"), "root": await platform_person(api)}
        triggers = [{"trigger_type": "webhook"}, {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}]
        made = await api.agent(world.clients["key"], triggers=triggers)
        assert (await world.clients["key"].post(f"/api/v1/agents/{made['id']}/activate")).status_code == 200
        async with api.db.tenant_session("acme") as session:
            world.agent = await session.get_one(Agent, made["id"])
        trigger = next(one["id"] for one in made["triggers"] if one["trigger_type"] == "schedule")
        world.ids = {"tenant_id": "acme", "agent_id": made["id"], "trigger_id": trigger}
        with world.servers:
            yield world


async def call(world: World, route: str, step: Step, ids: dict[str, str]) -> httpx2.Response:
    """Send what the step says, as its caller does."""
    method, path = route.split(" ", 1)
    client = world.clients[step.who]
    body = step.body(ids)
    cookie = session_of(client) if SESSION_COOKIE in client.cookies else None
    if not path.startswith("/api/"):
        body = {"data": {**body, **({"csrf": csrf_token_of(cookie)} if cookie else {})}}
    else:
        body = {"json": body} if method != "DELETE" else {}
    headers = {"X-Request-ID": f"audit-{route.replace(' ', '')[:40].translate(str.maketrans('/{}', '...'))}"}
    return await client.request(method, path.format(**ids), headers={**headers, "User-Agent": PROGRAM}, **body)


async def test_every_changing_route_records_who_what_and_from_where(world: World) -> None:
    routes = {route.name for route in routes_of(world.api.app) if route.method != "GET"}
    assert routes - SILENT.keys() - UNDO == STEPS.keys(), "say here what a new route records"
    wrong = []
    for route, step in STEPS.items():
        prepared = await step.prepare(world) if step.prepare else {}
        newest = (await world.entries())[-1].sequence
        answer = await call(world, route, step, {**world.ids, **prepared})
        entries = await world.entries(newest)
        if not answer.is_success and answer.status_code != 303:
            wrong.append(f"{route}: {answer.status_code} {answer.text[:200]}")
        elif tuple(entry.operation for entry in entries) != step.operations:
            wrong.append(f"{route}: recorded {[entry.operation for entry in entries]}")
        for entry in entries:
            state = {"before", "after"} & entry.details.keys() or entry.operation.startswith(NO_STATE)
            sent = answer.request.headers["x-request-id"]
            source = (entry.address, entry.user_agent, entry.request_id) == ("127.0.0.1", PROGRAM, sent)
            if not (state and source and entry.actor.partition(":")[0] in ACTORS[step.who]):
                wrong.append(f"{route}: {entry.operation} {entry.actor} {entry.details} {entry.request_id}")
    assert not wrong, "\n".join(wrong)


ACTORS = {
    "key": ("api-key",),
    "platform": ("platform-key",),
    **dict.fromkeys(("ann", "person", "root"), ("user",)),
    "session": ("session",),
    "nobody": ("user", "link"),
}
