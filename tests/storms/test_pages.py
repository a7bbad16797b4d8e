"""Outages over the API and in the console: listed, read, kept to their tenant; what strangers wrote is text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
from tests.storms.conftest import VPN, report
from tests.support.api import Api

from deskhand.storms.service import see
from deskhand.tenants.storm_rules import StormRules

NAMED: dict[str, Any] = {"company": "c1", "company_name": "<b>Nordwind</b>", "tool_type": "servicedesk_plus"}


async def blow(api: Api, *, tickets: int = 10, text: str = VPN, first: int = 1) -> None:
    """An outage of acme's that goes on now."""
    now = api.state.clock()
    async with api.db.tenant_session("acme") as session:
        for number in range(first, first + tickets):
            at = now - timedelta(minutes=30) + timedelta(minutes=number % 20)
            await see(session, "acme", report(number, text, **NAMED, reported_at=at), StormRules(), now=now)


async def page(client: httpx2.AsyncClient, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.text


async def test_from_nothing_to_an_outage_with_its_tickets(api: Api, admin: httpx2.AsyncClient) -> None:
    assert "No outage yet" in await page(admin, "/storms")
    await blow(api)
    listed = (await admin.get("/api/v1/storms")).json()["items"]
    assert [(one["first_number"], one["tickets"], one["requesters"]) for one in listed] == [("IT-1", 10, 10)]
    (storm,) = listed
    detail = (await admin.get(f"/api/v1/storms/{storm['id']}")).json()
    assert [one["number"] for one in detail["members"]] == [f"IT-{number}" for number in range(1, 11)]
    html = await page(admin, "/storms")
    assert f'href="/storms/{storm["id"]}"' in html
    assert "Goes on" in html
    one = await page(admin, f"/storms/{storm['id']}")
    assert "10 tickets report the same" in one
    assert 'href="/tickets/servicedesk_plus/7"' in one
    assert f'href="/executions/{UUID(int=7)}"' in one
    for shown in (html, one):
        assert "&lt;b&gt;Nordwind&lt;/b&gt;" in shown
        assert "<b>Nordwind" not in shown


async def test_the_list_has_pages_and_says_where_it_ends(api: Api, admin: httpx2.AsyncClient) -> None:
    await blow(api)
    await blow(api, text="Mail server down", first=101)
    first = (await admin.get("/api/v1/storms", params={"limit": 1})).json()
    rest = (await admin.get("/api/v1/storms", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert {one["first_number"] for one in (*first["items"], *rest["items"])} == {"IT-1", "IT-101"}
    assert rest["next_cursor"] is None
    last = await page(admin, f"/storms?cursor={first['next_cursor']}")
    assert 'href="/storms">Newest' in last
    assert (await admin.get("/api/v1/storms", params={"cursor": "x"})).status_code == 404


async def test_another_tenants_are_not_there(api: Api, admin: httpx2.AsyncClient) -> None:
    await blow(api)
    (storm,) = (await admin.get("/api/v1/storms")).json()["items"]
    stranger = await api.tenant("globex", servicedesk_url="https://127.0.0.1:9")
    assert (await stranger.get("/api/v1/storms")).json()["items"] == []
    for path in (f"/storms/{storm['id']}", f"/storms/{uuid4()}", f"/api/v1/storms/{storm['id']}"):
        await page(stranger, path, 404)


async def test_who_switched_it_off_is_told_so(api: Api, admin: httpx2.AsyncClient) -> None:
    assert api.db is not None
    off = {"enhancement_preferences": {"storms": {"on": False}}}
    assert (await admin.patch("/api/v1/tenants/acme", json=off)).is_success
    assert "it is switched off" in await page(admin, "/storms")
    settings = await page(admin, "/settings")
    assert "Off. Each ticket of an outage gets its own note." in settings
    wrong = {"enhancement_preferences": {"storms": {"least": 2}}}
    assert (await admin.patch("/api/v1/tenants/acme", json=wrong)).status_code == 422
