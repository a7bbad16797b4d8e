"""Every page of the application, read from its routes, each with an address at which there is something to see.

A new route is visited as soon as it is there: what its path names is seeded, and who may see it stands in the matrix of
permissions. One that answers with no page and with nothing that is none (a file, a part of a page, figures) has no
address here yet, and ``every_page`` says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import httpx2
from tests.access.test_permissions import NEEDED, Route, World, one_of_everything, routes_of
from tests.support.api import Api
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.notices import mailed_link
from tests.support.people import account, browser
from tests.support.scene import RESULT, build_scene
from tests.support.sent import QUERIES
from tests.support.told import stop_token, told_of
from tests.support.verdicts import token_for, write_note

from deskhand.agents.models import Agent
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.ui.csrf import SESSION_COOKIE

ADA, ROOT, GUEST, FIRST = "ada@acme.example", "root@example.com", "guest@example.com", "first@newco.example"
NOBODY = "nobody"
OF_NOBODY = {"/login", "/set-password", "/approvals/link", "/feedback/link", "/notifications/stop", "/docs"}
NOT_ALONE = {
    "/login/sso/{provider_id}/callback": "an identity provider sends people there",
    "/": "goes to the home page",
}
"""Where nobody looks at a page, and why."""
LONG = "Passwords, accounts and everything else of the Donaudampfschifffahrtsgesellschaft’s headquarters, " * 2
RIGHT_TO_LEFT = "الطابعة في الطابق الثالث لا تعمل منذ الصباح 🖨️ מדפסת"
EMOJI = "🔥🔥 VPN drops again 🧑‍💻👩🏽‍🚒 ‼️"
UNBROKEN = "ERR_" + "0123456789abcdef" * 12


@dataclass(frozen=True)
class Visit:
    """A page that somebody looks at.

    Attributes:
        of: The route, or what else it shows.
        address: Path and query.
        who: Whose browser, or nobody's.
    """

    of: str
    address: str
    who: str


@dataclass
class Site:
    """A seeded installation: a tenant with one of everything, one that is empty, and people of each kind."""

    world: World
    clients: dict[str, httpx2.AsyncClient]
    queries: dict[str, dict[str, str]]
    run: str
    unseen: list[str] = field(default_factory=list)

    @property
    def cookies(self) -> dict[str, str]:
        """The session of each person."""
        return {who: one.cookies[SESSION_COOKIE] for who, one in self.clients.items() if who != NOBODY}

    def address(self, route: Route) -> str:
        """Where there is something to see of a route."""
        query = self.queries.get(route.path) or next(
            (values for key, values in QUERIES.items() if route.path.endswith(key)), {}
        )
        return route.path.format(**self.world.own) + (f"?{urlencode(query)}" if query else "")

    def who(self, route: Route) -> str:
        """Who looks at it: whoever has the role that it asks for."""
        if route.path in OF_NOBODY:
            return NOBODY
        if route.path == "/join":
            return GUEST
        return ROOT if NEEDED.get(route.name) == "platform_admin" else ADA


async def seeded_site(api: Api) -> Site:
    """Fill an installation."""
    world = World(api, Console(api.url, api.db, api.app), list(routes_of(api.app)))
    world.own = await one_of_everything(world, "acme")
    run = await build_scene(world.console)
    await _odd_and_many(world)
    await api.tenant("newco", servicedesk_url="https://127.0.0.1:9")
    await account(api, ADA, acme="tenant_admin")
    await account(api, FIRST, newco="tenant_admin")
    await account(api, ROOT, platform_admin=True)
    await account(api, GUEST, newco="viewer")
    clients = {
        NOBODY: await api.client(Accept="text/html"),
        ADA: await browser(api, ADA, "acme"),
        FIRST: await browser(api, FIRST, "newco"),
        ROOT: await browser(api, ROOT),
        GUEST: await browser(api, GUEST, "newco"),
    }
    return Site(world, clients, await _links(world), str(run))


async def _odd_and_many(world: World) -> None:
    """Names that are long, without a gap, from right to left or pictures; and more runs than a page has."""
    agent = await world.console.agent(name=LONG[:180])
    async with world.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        for id_, title in (("KB-3", RIGHT_TO_LEFT), ("KB-4", LONG[:200]), ("KB-5", UNBROKEN)):
            session.add(KnowledgeArticle(tenant_id="acme", article_id=id_, title=title, body=f"# {title}\n\n{title}"))
    now = await world.console.now()
    for number in range(50):
        subject = (LONG, RIGHT_TO_LEFT, EMOJI, UNBROKEN, "Monitor stays black")[number % 5]
        ago, failed = 9000 + 60 * number, number % 7 == 0
        await world.console.execution(
            agent,
            ticket=str(2000 + number),
            ago=ago,
            attempt=1,
            status="failed" if failed else "completed",
            error_message=UNBROKEN if failed else None,
            started_at=now - timedelta(seconds=ago),
            completed_at=now - timedelta(seconds=ago - 7 - number / 5),
            cost_usd=Decimal("0.0021") + Decimal(number) / 10_000,
            input_payload={"event": "request_created", "request": {"id": str(2000 + number), "subject": subject}},
        )


async def _links(world: World) -> dict[str, dict[str, str]]:
    """What pages are told by their address: the links that are sent to people, and what a question is about."""
    people = "/api/v1/tenants/acme/people"
    platform = await world.api.platform()
    invited = await platform.post(people, json={"email": GUEST, "role": "viewer"})
    password = await platform.post(f"{people}/{world.own['person_id']}/password-links")
    agent = await world.console.agent(name="Night watch")
    asking = await world.console.execution(agent, status="waiting", attempt=1, error_code="approval-needed")
    asked = await waiting_approval(world.api.db, "acme", asking)
    note = await write_note(world.console, agent, ticket="1064")
    tokens = {
        "/join": _token(invited.json()["link"]["url"]),
        "/set-password": _token(password.json()["url"]),
        "/approvals/link": await mailed_link(world.api.db, "acme", str(asked), ADA),
        "/feedback/link": token_for(world.api.app, note),
        "/notifications/stop": await stop_token(world.api, ADA),
    }
    await told_of(world.api, f"mail:{ADA}")
    asked_in_words = {"/executions/bulk": {"verb": "retry"}, "/agents/{agent_id}/try/compare": await _tried(world)}
    return {path: {"token": token} for path, token in tokens.items()} | asked_in_words


async def _tried(world: World) -> dict[str, str]:
    """Two dry runs of one agent, beside each other."""
    async with world.api.db.tenant_session("acme") as session:
        agent = await session.get_one(Agent, UUID(world.own["agent_id"]))
    given = {"body": f"# {LONG}\n\n- {UNBROKEN}\n- {RIGHT_TO_LEFT}", "public": True}
    tried = {"mode": "dry_run", "status": "completed", "attempt": 1, "output_result": RESULT}
    runs = [str(await world.console.execution(agent, ticket="1042", **tried)) for _ in range(2)]
    await world.console.step("acme", UUID(runs[0]), "reply", kind="compute", input=given, output={"intent": "reply"})
    return {"left": runs[0], "right": runs[1]}


def _token(url: str) -> str:
    return urlsplit(url).query.partition("token=")[2]


async def every_page(site: Site) -> AsyncIterator[Visit]:
    """The pages, in the order of the routes, and then the other faces that some of them have.

    A route whose address shows nothing is put to the site's ``unseen``.
    """
    empty = []
    for route in site.world.routes:
        if route.method != "GET" or not route.is_page or route.path in NOT_ALONE or route.path == "/static":
            continue
        visit = Visit(route.path, site.address(route), site.who(route))
        answer = await site.clients[visit.who].get(visit.address)
        if answer.status_code != 200:
            site.unseen.append(f"{route.path} has no address with something to see: {answer.status_code}")
            continue
        if not answer.text.startswith("<!doctype html>"):
            continue  # a file, figures, or a part of a page that is seen there
        yield visit
        if visit.who == ADA and route.parameters <= {"tenant_id"}:
            empty.append(Visit(f"{route.path} of an empty tenant", visit.address.replace("acme", "newco"), FIRST))
    for visit in empty:
        yield visit
    yield Visit("a run to its note", f"/executions/{site.run}", ADA)
    yield Visit("a desk for a new tenant", "/tenants/new?desk=zendesk", ROOT)
    yield Visit("failed runs", "/executions?status=attention", ADA)
    yield Visit("a month with tickets", f"/worth?month={await site.world.console.now():%Y-%m}", ADA)
    yield Visit("a month to charge", f"/chargeback?month={await site.world.console.now():%Y-%m}", ADA)
    yield Visit("nothing fits", "/executions?ticket=0", ADA)
    yield Visit("a page that is not there", "/executions/00000000-0000-0000-0000-000000000000", ADA)
    yield Visit("sign in with a key", "/login?with=key", NOBODY)
