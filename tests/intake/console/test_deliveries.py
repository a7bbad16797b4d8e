"""The page of deliveries: each with what became of it in words, and with what to do where it was refused."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape

import httpx2
import pytest
from tests.intake.console.test_setup import SECRET, active_agent, event, send
from tests.support.api import Api
from tests.support.desk_pages import desk_pages, said
from tests.support.people import account, browser

from deskhand.intake.console import deliveries
from deskhand.intake.console.explanations import explain
from deskhand.intake.schemas import Outcome
from deskhand.kit.clock import utc_now
from deskhand.plugins.signatures import hub_headers, standard_headers

OTHER = "another-secret-of-32-characters-x"


def entries(html: str) -> list[str]:
    """The deliveries on a page, newest first, in words."""
    return [said(f"<main>{one}</main>").strip() for one in html.split('<details class="entry"')[1:]]


@pytest.fixture
async def viewer(api: Api) -> httpx2.AsyncClient:
    """The browser of somebody who may only look."""
    await desk_pages(api, webhook_signing_secret=SECRET)
    await account(api, "viewer@example.com", acme="viewer")
    return await browser(api, "viewer@example.com", "acme")


async def test_nothing_yet_says_what_to_do(api: Api, viewer: httpx2.AsyncClient) -> None:
    assert "An administrator of this tenant" in said((await viewer.get("/deliveries")).text)
    boss = await browser(api, "boss@example.com", "acme")
    assert 'href="/tenants/acme/desks"' in (await boss.get("/deliveries")).text
    for wrong in ("outcome=lost", "cursor=nonsense", "q=x"):
        assert (await viewer.get(f"/deliveries?{wrong}")).status_code in (404, 422), wrong


async def test_each_refusal_says_what_is_wrong_and_what_to_do(api: Api, viewer: httpx2.AsyncClient) -> None:
    agent = await active_agent(api)
    client = await api.client()
    body = event()

    async def refused(sent: bytes = body, **headers: str) -> str:
        answer = await client.post("/webhooks/acme/servicedesk_plus", content=sent, headers=headers)
        assert answer.status_code >= 400, answer.text
        return entries((await viewer.get("/deliveries?outcome=rejected")).text)[0]

    assert "Not signed" in await refused()
    assert "Paste the set-up text" in await refused()
    assert "Signed with another secret" in await refused(**hub_headers(OTHER, body))
    assert "Half a signature" in await refused(**{"webhook-signature": "v1,abc"})
    late = standard_headers(SECRET, body, message_id="m1", now=utc_now() - timedelta(seconds=412))
    words = await refused(**late)
    assert "Sent at another time than now" in words
    assert re.search(r"it is 41[2-9] seconds behind", words), words
    ahead = standard_headers(SECRET, body, message_id="m1", now=utc_now() + timedelta(seconds=900))
    assert "seconds ahead" in await refused(**ahead)
    assert "Not what the desk sends" in await refused(b"[]", **hub_headers(SECRET, b"[]"))
    assert "Too large" in await refused(b"x" * (1024 * 1024 + 1))
    assert agent in str((await (await api.member("acme", "viewer")).get("/api/v1/deliveries")).json())


async def test_an_old_event_of_a_desk_that_writes_its_time_says_so(api: Api, viewer: httpx2.AsyncClient) -> None:
    await active_agent(api, tool_ids=["jira"])
    old = json.dumps({"timestamp": 1577836800000, "webhookEvent": "jira:issue_created", "issue": {"id": "7"}}).encode()
    headers = hub_headers(SECRET, old, header_name="X-Hub-Signature")
    assert (await (await api.client()).post("/webhooks/acme/jira", content=old, headers=headers)).status_code == 401
    (only,) = entries((await viewer.get("/deliveries?desk=jira")).text)
    assert "The event is old, by its own time" in only


async def test_what_was_taken_leads_to_its_run(api: Api, viewer: httpx2.AsyncClient) -> None:
    await active_agent(api, "Notes <b data-canary>bold</b>")
    started = (await send(api, event()))["deliveries"][0]
    joined = (await send(api, event("request.note_added")))["deliveries"][0]
    assert (started["status"], joined["status"]) == ("accepted", "coalesced")
    page = (await viewer.get("/deliveries")).text
    assert "data-canary>" not in page
    newest, first = entries(page)
    assert "Accepted: it joined a run" in newest
    assert "Joined a run on this ticket" in newest
    assert "Accepted: it started a run" in first
    assert "ServiceDesk Plus → Notes <b data-canary>bold</b>" in first
    assert f'/executions/{started["execution_id"]}"' in page


async def test_an_agent_that_is_off_ignores_and_says_so(api: Api, viewer: httpx2.AsyncClient) -> None:
    await api.agent(await api.member("acme", "tenant_admin"))
    await send(api, event())
    (only,) = entries((await viewer.get("/deliveries?outcome=ignored")).text)
    assert "Heard, and nothing was started" in only
    assert "The agent is 'draft'" in only
    assert "Nothing matches" in (await viewer.get("/deliveries?outcome=accepted")).text


async def test_the_list_is_filtered_by_desk_and_paged(
    api: Api, viewer: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "PAGE_SIZE", 2)
    await active_agent(api)
    zendesk = await active_agent(api, "Other", tool_ids=["zendesk"])
    for number in range(5):
        await send(api, event(ticket_id=str(number)))
    await (await api.client()).post(f"/agents/{zendesk}/webhook", content=event())
    address, seen = "/deliveries?desk=servicedesk_plus&outcome=accepted", []
    while address:
        page = (await viewer.get(address)).text
        assert 1 <= len(entries(page)) <= 2
        seen += re.findall(r'id="delivery-([0-9a-f-]+)"', page)
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        address = unescape(onward[1]) if onward else ""
    assert len(set(seen)) == len(seen) == 5
    assert len(entries((await viewer.get("/deliveries?desk=zendesk")).text)) == 1
    member = await api.member("acme", "viewer")
    for tool_type, number in (("servicedesk_plus", 5), ("zendesk", 1), ("jira", 0)):
        answer = await member.get("/api/v1/deliveries", params={"tool_type": tool_type})
        assert len(answer.json()["items"]) == number, tool_type


async def test_another_tenants_deliveries_are_not_there(api: Api, viewer: httpx2.AsyncClient) -> None:
    await active_agent(api)
    await send(api, event())
    await api.tenant("globex")
    await account(api, "g@example.com", globex="viewer")
    other = await browser(api, "g@example.com", "globex")
    assert "Nothing came in yet" in (await other.get("/deliveries")).text
    assert len(entries((await viewer.get("/deliveries")).text)) == 1


@pytest.mark.parametrize(("status", "title"), [(401, "Not proven"), (429, "Too many at once"), (418, "Refused")])
def test_a_refusal_that_is_new_to_the_page_has_a_name_all_the_same(status: int, title: str) -> None:
    assert explain(Outcome.REJECTED, None, status).title == title
    assert explain(Outcome.REJECTED, "in words of its own", status).title == title
