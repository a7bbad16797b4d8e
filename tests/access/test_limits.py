"""Members and keys that are limited to client companies: what they see, what is closed to them, who may be named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import select
from tests.support.api import Api
from tests.support.people import account, browser, form, sign_in, token_of

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.access import guards
from deskhand.access.limits import is_open_to_limited
from deskhand.access.models import Invitation, Membership, User
from deskhand.agents.models import AgentVersion
from deskhand.engine.models import AgentExecution
from deskhand.kit.db.base import Base
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.limited import LIMIT_CONDITIONS, OF_RUNS
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.tenants.companies import note_companies, note_run_company

NORDWIND, SUEDWERK = "servicedesk_plus:10", "servicedesk_plus:20"
NAMES = {NORDWIND: "Nordwind", SUEDWERK: "Suedwerk"}
KEYS, PEOPLE = "/api/v1/tenants/acme/api-keys", "/api/v1/tenants/acme/people"
PEOPLE_PAGE, KEYS_PAGE = "/tenants/acme/people", "/tenants/acme/api-keys"


@dataclass
class Two:
    """A tenant whose desk serves two companies, with a run, a past ticket and an article of each, and of neither."""

    api: Api
    admin: httpx2.AsyncClient
    runs: dict[str, UUID]
    known: dict[str, tuple[UUID, UUID]]

    async def key(self, *companies: str, role: str = "viewer") -> httpx2.AsyncClient:
        """A client whose key is limited to these."""
        made = await self.admin.post(KEYS, json={"name": "portal", "role": role, "companies": list(companies)})
        assert made.status_code == 201, made.text
        return await self.api.client(made.json()["api_key"])


async def a_run(api: Api, agent: dict[str, Any], ticket: str, subject: str) -> UUID:
    async with api.db.tenant_session("acme") as session:
        version = await session.scalar(select(AgentVersion.id).where(AgentVersion.agent_id == UUID(agent["id"])))
        row = AgentExecution(
            **{"id": uuid4(), "tenant_id": "acme", "agent_id": UUID(agent["id"]), "agent_version_id": version},
            **{"tool_type": "servicedesk_plus", "ticket_ref": ticket},
            input_payload={"event": "request_created", "request": {"id": ticket, "subject": subject}},
        )
        session.add(row)
        await session.flush()
        return row.id


async def keep(api: Api, name: str, company: str | None, *, shared: bool = False) -> tuple[UUID, UUID]:
    whose = {"company_id": company, "company_name": name, "shared": shared, "tool_type": "servicedesk_plus"}
    solved = TicketHistory(
        tenant_id="acme", ticket_id=f"OLD-{name}", subject=f"VPN of {name}", description="-", **whose
    )
    article = KnowledgeArticle(tenant_id="acme", article_id=f"KB-{name}", title=f"VPN of {name}", body="Dial.", **whose)
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        session.add_all([solved, article])
        await session.flush()
        return solved.id, article.id


@pytest.fixture
async def two(api: Api) -> Two:
    admin = await api.tenant()
    agent = await api.agent(admin)
    runs, known = {}, {}
    for number, (key, name) in enumerate(NAMES.items()):
        company = key.partition(":")[2]
        runs[name] = await a_run(api, agent, f"{number}", f"Secret of {name}")
        async with api.db.tenant_session("acme") as session:
            await note_companies(session, "acme", [("servicedesk_plus", company, name)])
            await note_run_company(session, "acme", runs[name], tool_type="servicedesk_plus", company_id=company)
        known[name] = await keep(api, name, company)
    runs["nobody"] = await a_run(api, agent, "99", "Secret of nobody")
    known["shared"] = await keep(api, "shared", None, shared=True)
    return Two(api, admin, runs, known)


# -- what is seen ----------------------------------------------------------------------------------------------------

LISTS = (
    "/api/v1/executions",
    "/api/v1/tickets",
    "/api/v1/knowledge/history",
    "/api/v1/knowledge/articles",
    "/api/v1/knowledge/search?q=VPN",
    "/executions",
    "/tickets",
    "/knowledge?q=VPN",
    "/knowledge/articles",
    "/knowledge/history",
)


async def test_a_list_shows_whom_the_key_is_limited_to_and_what_is_shared(two: Two) -> None:
    key = await two.key(NORDWIND)
    for path in LISTS:
        everything, limited = (await two.admin.get(path)).text, await key.get(path)
        assert limited.status_code == 200, limited.text
        assert "Suedwerk" in everything, path
        assert "Nordwind" in limited.text, path
        assert "Suedwerk" not in limited.text, path
        assert "of nobody" not in limited.text, path
        assert ("of shared" in limited.text) == ("knowledge" in path), path
    counts = "/api/v1/executions/counts"
    assert (await two.admin.get(counts)).json()["queued"] == 3
    assert (await key.get(counts)).json()["queued"] == 1


async def test_what_is_another_companys_is_not_there(two: Two) -> None:
    key = await two.key(NORDWIND)
    for name, (solved, article) in two.known.items():
        right = 404 if name == "Suedwerk" else 200
        for path in (f"/api/v1/knowledge/history/{solved}", f"/knowledge/articles/{article}"):
            assert (await key.get(path)).status_code == right, path
    for name, run in two.runs.items():
        right = 200 if name == "Nordwind" else 404
        ticket = {"Nordwind": "0", "Suedwerk": "1", "nobody": "99"}[name]
        for path in (
            *(f"/api/v1/executions/{run}", f"/api/v1/executions/{run}/steps", f"/executions/{run}"),
            *(f"/api/v1/tickets/servicedesk_plus/{ticket}", f"/tickets/servicedesk_plus/{ticket}"),
        ):
            assert (await key.get(path)).status_code == right, path


async def test_a_limit_may_name_several_and_one_that_names_none_shows_what_is_shared(two: Two) -> None:
    both, none = await two.key(NORDWIND, SUEDWERK), await two.key()
    seen = {run["id"] for run in (await both.get("/api/v1/executions")).json()["items"]}
    assert seen == {str(two.runs["Nordwind"]), str(two.runs["Suedwerk"])}
    assert (await none.get("/api/v1/executions")).json()["items"] == []
    assert [one["ticket_id"] for one in (await none.get("/api/v1/knowledge/history")).json()["items"]] == ["OLD-shared"]


async def test_a_run_whose_ticket_went_to_another_company_is_neithers(two: Two) -> None:
    run = two.runs["Nordwind"]
    async with two.api.db.tenant_session("acme") as session:
        await note_run_company(session, "acme", run, tool_type="servicedesk_plus", company_id="10")
    assert (await (await two.key(NORDWIND)).get(f"/api/v1/executions/{run}")).status_code == 200
    async with two.api.db.tenant_session("acme") as session:
        await note_run_company(session, "acme", run, tool_type="servicedesk_plus", company_id="20")
    for key in (await two.key(NORDWIND), await two.key(SUEDWERK), await two.key(NORDWIND, SUEDWERK)):
        assert (await key.get(f"/api/v1/executions/{run}")).status_code == 404
    assert (await two.admin.get(f"/api/v1/executions/{run}")).status_code == 200


async def test_a_company_that_is_renamed_is_the_same(two: Two) -> None:
    key = await two.key(NORDWIND)
    async with two.api.db.tenant_session("acme") as session:
        await note_companies(session, "acme", [("servicedesk_plus", "10", "Suedwerk")])
        await note_companies(session, "acme", [("servicedesk_plus", "20", "Nordwind")])
    assert [run["id"] for run in (await key.get("/api/v1/executions")).json()["items"]] == [str(two.runs["Nordwind"])]
    assert {one["ticket_id"] for one in (await key.get("/api/v1/knowledge/history")).json()["items"]} == {
        "OLD-Nordwind",
        "OLD-shared",
    }


# -- what is closed --------------------------------------------------------------------------------------------------


async def test_every_address_that_is_not_marked_is_closed(two: Two) -> None:
    key = await two.key(NORDWIND, role="tenant_admin")
    open_ones, wrong = 0, []
    for context in iter_route_contexts(two.api.app.routes):
        dependant = getattr(context, "dependant", None)
        if dependant is None or not asks_who_calls(dependant):
            continue
        endpoint = context.endpoint
        path = re.sub(r"{tenant_id}", "acme", re.sub(r":\w+}", "}", str(context.path)))
        path = re.sub(r"{\w+}", str(uuid4()), path)
        for method in (context.methods or {"GET"}) - {"HEAD"}:
            if is_open_to_limited(endpoint):
                open_ones += 1
                assert method == "GET" or path.startswith(("/account", "/join")), path
                continue
            answer = await key.request(method, path, **({"json": {}} if method != "GET" else {}))
            # A name in the path that cannot be one is told of first, and shows nothing.
            refused = answer.status_code == 403 and "limited" in answer.text
            if not refused and answer.status_code != 422:
                wrong.append(f"{method} {path}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert open_ones >= 20


def asks_who_calls(dependant: Any) -> bool:
    calls = [one.call for one in dependant.dependencies]
    return guards.authenticate in calls or any(asks_who_calls(one) for one in dependant.dependencies)


async def test_whatever_the_role_who_is_limited_only_reads(two: Two) -> None:
    key = await two.key(NORDWIND, role="tenant_admin")
    run = two.runs["Nordwind"]
    for path in (f"/api/v1/executions/{run}/cancel", KEYS, f"/executions/{run}/cancel"):
        answer = await key.post(path, json={"name": "x", "role": "tenant_admin"})
        assert answer.status_code == 403, path
        assert "limited" in answer.text
    assert (await two.admin.get(f"/api/v1/executions/{run}")).json()["status"] == "queued"


def test_every_table_of_runs_is_kept_from_who_is_limited() -> None:
    of_runs = {
        str(mapper.local_table)
        for mapper in Base.registry.mappers
        if {"execution_id", "tenant_id"} <= {column.name for column in mapper.local_table.columns}
    }
    assert of_runs - {"run_companies"} == set(OF_RUNS)
    assert {"agent_executions", "run_companies", *OF_RUNS} <= set(LIMIT_CONDITIONS)


# -- people ----------------------------------------------------------------------------------------------------------


async def test_a_person_is_let_in_limited_and_the_limit_is_changed_and_taken_away(two: Two) -> None:
    made = await two.admin.post(
        PEOPLE, json={"email": "ann@example.com", "role": "operator", "companies": [SUEDWERK, SUEDWERK]}
    )
    assert (made.status_code, made.json()["companies"]) == (201, [SUEDWERK])
    person = f"{PEOPLE}/{made.json()['id']}"
    password = "turnip lantern river comet"
    client = await two.api.client(Accept="text/html")
    set_up = {"token": token_of(made.json()["link"]["url"]), "password": password, "again": password}
    assert (await client.post("/set-password", data=set_up)).status_code == 303
    assert (await sign_in(client, "ann@example.com")).status_code == 303
    assert (await client.get("/")).headers["location"] == "/tickets"
    page = (await client.get("/tickets")).text
    assert "Secret of Suedwerk" in page
    assert "Nordwind" not in page
    assert 'href="/agents"' not in page
    refused = await client.get("/agents")
    assert refused.status_code == 403
    assert "limited" in refused.text
    assert ('href="/tickets"' in refused.text, 'href="/costs"' in refused.text) == (True, False)
    changed = await two.admin.patch(person, json={"companies": [NORDWIND]})
    assert changed.json()["companies"] == [NORDWIND]
    page = (await client.get("/tickets")).text
    assert "Secret of Nordwind" in page
    assert "Suedwerk" not in page
    # What a change does not name stays.
    assert (await two.admin.patch(person, json={"role": "viewer"})).json()["companies"] == [NORDWIND]
    assert (await two.admin.patch(person, json={"companies": None})).json()["companies"] is None
    assert (await client.get("/agents")).status_code == 200


async def test_somebody_with_an_account_is_asked_with_the_limit_and_joins_with_it(two: Two) -> None:
    await two.api.tenant("other")
    await account(two.api, "bob@example.com", other="operator")
    asked = await two.admin.post(PEOPLE, json={"email": "bob@example.com", "role": "editor", "companies": [NORDWIND]})
    assert (asked.status_code, asked.json()["companies"]) == (202, [NORDWIND])
    client = await browser(two.api, "bob@example.com", "other")
    token = token_of(asked.json()["link"]["url"])
    assert (await form(client, f"/join?token={token}", "/join", token=token)).status_code == 303
    async with two.api.db.platform_session() as session:
        held = (await session.scalars(select(Membership).where(Membership.tenant_id == "acme"))).one()
        assert (held.role, held.companies) == ("editor", [NORDWIND])
        assert (await session.scalars(select(Invitation))).all() == []
    assert "Suedwerk" not in (await client.get("/executions")).text
    assert (await client.get("/home")).status_code == 403


async def test_the_page_lets_in_and_limits_and_takes_the_limit_away(two: Two) -> None:
    await account(two.api, "root@example.com", acme="tenant_admin")
    client = await browser(two.api, "root@example.com", "acme")
    async with two.api.db.tenant_session("acme") as session:
        # An import has named it too, without the desk's id.
        await note_companies(session, "acme", [("servicedesk_plus", "=nordwind", "NordWind")])
    assert (await client.get(PEOPLE_PAGE)).text.count('name="companies"') == 2
    page = await form(
        client, PEOPLE_PAGE, PEOPLE_PAGE, email="eve@example.com", name="Eve", role="viewer", companies=NORDWIND
    )
    assert ">1 company</a>" in page.text
    async with two.api.db.platform_session() as session:
        eve = (await session.scalars(select(User.id).where(User.email == "eve@example.com"))).one()
    address = f"/tenants/acme/people/{eve}/companies"
    shown = (await client.get(address)).text
    assert re.search(rf'value="{NORDWIND}" checked', shown)
    assert not re.search(rf'value="{SUEDWERK}" checked', shown)
    assert (await form(client, address, address)).status_code == 303
    async with two.api.db.platform_session() as session:
        assert (await session.scalar(select(Membership.companies).where(Membership.user_id == eve))) is None
    assert ">1 company</a>" not in (await client.get(PEOPLE_PAGE)).text


async def test_a_key_is_made_limited_on_the_page_too_and_its_successor_has_the_limit(two: Two) -> None:
    await account(two.api, "root@example.com", acme="tenant_admin")
    client = await browser(two.api, "root@example.com", "acme")
    page = await form(client, KEYS_PAGE, KEYS_PAGE, name="portal", role="viewer", days="30", companies=SUEDWERK)
    key = await two.api.client(re.search(r'<code id="key">(\S+)</code>', page.text)[1])  # type: ignore[index]
    assert "Nordwind" not in (await key.get("/api/v1/tickets")).text
    [made] = [one for one in (await two.admin.get(KEYS)).json()["items"] if one["name"] == "portal"]
    assert made["companies"] == [SUEDWERK]
    successor = (await two.admin.post(f"{KEYS}/{made['id']}/rotate")).json()
    assert successor["companies"] == [SUEDWERK]
    # A console session that such a key opened is limited as the key is.
    session = await two.api.client(Accept="text/html")
    assert (await session.post("/login", data={"api_key": successor["api_key"]})).status_code == 303
    assert "Secret of Suedwerk" in (await session.get("/tickets")).text
    assert "Nordwind" not in (await session.get("/tickets")).text
    assert (await session.get("/home")).status_code == 403


@pytest.mark.parametrize("companies", [["servicedesk_plus:30"], [NORDWIND, "jira:10"]])
async def test_a_company_that_no_desk_has_named_is_refused_by_its_place(two: Two, companies: list[str]) -> None:
    place = len(companies) - 1
    for path, body in (
        (KEYS, {"name": "portal", "role": "viewer"}),
        (PEOPLE, {"email": "zoe@example.com", "role": "viewer"}),
    ):
        answer = await two.admin.post(path, json={**body, "companies": companies})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/companies/{place}"
    malformed = await two.admin.post(KEYS, json={"name": "portal", "role": "viewer", "companies": ["nordwind"]})
    assert malformed.status_code == 422


async def test_who_comes_to_be_limited_has_no_keys_nor_invitations_of_before(two: Two) -> None:
    user = await account(two.api, "adm@example.com", acme="tenant_admin")
    client = await browser(two.api, "adm@example.com", "acme")
    made = await client.post("/api/v1/tenants/acme/sign-in-tokens", headers={"Sec-Fetch-Site": "same-origin"})
    assert made.status_code == 201, made.text
    changed = await two.admin.patch(f"{PEOPLE}/{user.id}", json={"companies": [NORDWIND]})
    assert changed.status_code == 200
    used = await (await two.api.client()).post("/login", data={"token": made.json()["token"]})
    assert used.status_code == 401
