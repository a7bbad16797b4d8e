"""The page that tries an agent, without a browser's scripts: what it offers, to whom, and what it refuses."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import update
from tests.support.api import Api
from tests.support.console import Console
from tests.support.people import account, browser, form

from deskhand.agents.models import Agent
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import TicketHistory

EVENT = '{"event": "request.created", "request_id": "1042", "subject": "VPN drops"}'
SCHEDULE = {"trigger_type": "schedule", "schedule_cron": "0 9 * * 1", "schedule_timezone": "Europe/Berlin"}


async def person(api: Api, role: str = "tenant_admin") -> httpx2.AsyncClient:
    """A browser of somebody in acme."""
    await account(api, f"{role}@acme.example", acme=role)
    return await browser(api, f"{role}@acme.example", "acme")


async def row(api: Api, made: dict[str, Any]) -> Agent:
    async with api.db.tenant_session("acme") as session:
        return await session.get_one(Agent, UUID(made["id"]))


def picks(page: str) -> list[str]:
    return re.findall(r'name="pick" value="([^"]+)"', page)


async def test_it_offers_each_ticket_once_the_latest_first_and_solved_ones_last(
    api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin)
    agent, console = await row(api, made), Console(api.url, api.db, api.app)
    for ticket, ago in (("7", 300), ("8", 200), ("7", 100)):
        await console.execution(agent, ticket=ticket, ago=ago)
    await console.execution(agent, ticket="OPS-1", tool_type="jira")
    async with api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        known = {"tenant_id": "acme", "description": "It jams."}
        session.add_all(
            [
                TicketHistory(ticket_id="1001", desk_id="55", subject="Printer jams", source="desk", **known),
                TicketHistory(ticket_id="8", subject="Known already", source="import", **known),
                TicketHistory(ticket_id="INV-1", subject="Invented", source="synthetic", **known),
            ]
        )
    page = (await (await person(api)).get(f"/agents/{made['id']}/try")).text
    assert picks(page) == ["servicedesk_plus/7", "servicedesk_plus/8", "servicedesk_plus/55"]
    assert '#1001</span> <span class="subject">Printer jams' in page, "the number that people know, not the desk's id"
    assert "Printer offline" in page, "as the run's event called it"
    assert "Invented" not in page
    assert 'name="desk"' not in page, "there is one desk alone"


async def test_it_says_what_stands_in_the_way(api: Api, admin: httpx2.AsyncClient) -> None:
    client = await person(api)
    fresh, other = await api.agent(admin), await api.agent(admin, tool_ids=["jira"])
    page = (await client.get(f"/agents/{fresh['id']}/try")).text
    assert "None is known yet" in page
    assert "It is a draft" in page
    assert "no connection that can be used" in (await client.get(f"/agents/{other['id']}/try")).text
    for status, words in (("suspended", "Resume it first"), ("inactive", "It is deleted for good")):
        async with api.db.tenant_session("acme") as session:
            change = update(Agent).where(Agent.id == UUID(fresh["id"])).values(status="active")
            if status == "suspended":
                await session.execute(change)
            await session.execute(change.values(status=status))
        page = (await client.get(f"/agents/{fresh['id']}/try")).text
        assert words in page
        assert "<textarea" not in page
        assert 'id="go-try"' not in (await client.get(f"/agents/{fresh['id']}")).text
    assert (await client.get(f"/agents/{uuid4()}/try")).status_code == 404


async def test_the_way_to_it_is_shown_to_whoever_may_go_it(api: Api, admin: httpx2.AsyncClient) -> None:
    made = await api.agent(admin)
    for role, may in (("editor", False), ("operator", True)):
        client = await person(api, role)
        assert ('id="go-try"' in (await client.get(f"/agents/{made['id']}")).text) is may
        page = await client.get(f"/agents/{made['id']}/try")
        assert page.status_code == (200 if may else 403)
    # An operator has no editor to go back to.
    assert "Back to the agent" in page.text


async def test_what_was_typed_stays_and_what_is_wrong_stands_beside_it(api: Api, admin: httpx2.AsyncClient) -> None:
    made = await api.agent(admin)
    client, url = await person(api), f"/agents/{made['id']}/try"
    for sent, field, words in (
        ({"on": "ticket"}, "ticket_ref", "enter the number of a ticket"),
        ({"on": "ticket", "ticket": "x" * 150}, "ticket_ref", "at most 100"),
        ({"on": "clock"}, "ticket_ref", "say which ticket"),
        ({"on": "payload", "payload": "nonsense"}, "payload", "it is not JSON"),
        ({"on": "payload", "payload": "[" * 5000}, "payload", "it is not JSON"),
        (
            {"on": "payload", "payload": EVENT, "version": "9999999999"},
            "agent_version",
            "is not the number of a version",
        ),
        ({"on": "payload", "payload": EVENT, "version": "3"}, "agent_version", "has no version 3"),
        ({"on": "payload", "payload": EVENT, "against": "7"}, "agent_version", "has no version 7"),
    ):
        answer = await form(client, url, url, **sent)
        assert answer.status_code == 422, sent
        fault = re.search(rf'id="fault-{field}">([^<]+)', answer.text)
        assert fault is not None, sent
        assert words in fault[1]
    away = await form(client, url, url, on="ticket", ticket="<1042>")
    assert away.status_code in (502, 503)
    assert 'value="&lt;1042&gt;"' in away.text
    console = (await admin.get("/api/v1/executions")).json()
    assert console["items"] == []


async def test_a_try_leads_to_its_run_and_two_to_the_comparison(api: Api, admin: httpx2.AsyncClient) -> None:
    made = await api.agent(admin, triggers=[{"trigger_type": "webhook"}, SCHEDULE])
    await admin.patch(f"/api/v1/agents/{made['id']}", json={"system_prompt": "Be short, exact and kind."})
    client, url = await person(api), f"/agents/{made['id']}/try"
    one = await form(client, url, url, on="payload", payload=EVENT)
    assert one.status_code == 303
    run = one.headers["location"]
    page = (await client.get(run)).text
    assert "Tried by hand" in page
    assert f'href="/agents/{made["id"]}/edit"' in page
    again = (await client.get(f"{url}?from={run.rpartition('/')[2]}")).text
    assert "&#34;request_id&#34;: &#34;1042&#34;" in again
    clock = await form(client, url, url, on="clock")
    assert clock.status_code == 303
    assert "0 9 * * 1" in (await client.get(clock.headers["location"])).text

    two = await form(client, url, url, on="payload", payload=EVENT, version="2", against="1")
    assert two.status_code == 303
    beside = two.headers["location"]
    shown = await client.get(beside)
    assert re.findall(r"<h2 id=\"side-\d\">(Version \d)", shown.text) == ["Version 1", "Version 2"]
    assert '<meta http-equiv="refresh"' in shown.text, "they are in the queue"
    [mark] = re.findall(r"seen=(\w+)", shown.text)
    assert (await client.get(f"{beside}&seen={mark}")).status_code == 204
    part = await client.get(beside, headers={"HX-Request": "true"})
    assert part.text.lstrip().startswith("<article")
    other = await api.agent(admin)
    assert (await client.get(beside.replace(made["id"], other["id"]))).status_code == 404
    listed = (await admin.get("/api/v1/executions", params={"mode": "dry_run"})).json()["items"]
    assert [one["agent_version"] for one in listed] == [2, 1, 2, 2]
