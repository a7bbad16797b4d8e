"""The lab in the console: begun, read and cancelled there, and tickets kept."""

from __future__ import annotations

from uuid import UUID

import httpx2
import pytest
from tests.support.api import Api
from tests.support.console import Console
from tests.support.lab_rows import kept_ticket, lab_rows, ticket_of
from tests.support.people import account, browser

from deskhand.agents.models import Agent
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

SCRIPT = "<script>alert(1)</script> \N{PRINTER}"


async def operator(api: Api, role: str = "operator") -> httpx2.AsyncClient:
    await account(api, f"{role}@example.com", acme=role)
    return await browser(api, f"{role}@example.com", "acme")


async def sent(client: httpx2.AsyncClient, url: str, **typed: str) -> httpx2.Response:
    return await client.post(url, data={"csrf": csrf_token_of(client.cookies[SESSION_COOKIE]), **typed})


async def test_a_report_shows_figures_and_where_it_was_wrong_first(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = (await api.agent(admin))["id"]
    verdicts = [{"category": "right"}, {"category": "wrong"}, {"category": "right"}]
    run = await lab_rows(api.db, "acme", agent, *verdicts, state="completed", subject=SCRIPT)
    page = await (await operator(api, "viewer")).get(f"/lab/{run}")
    assert page.status_code == 200
    text = page.text
    assert "67 %" in text
    assert "21 % to 94 %" in text
    assert "nothing to compare" in text
    assert "3 of 3" in text
    assert "2.1 s" in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text
    assert text.index(">Other<") < text.index(">Same<", text.index('class="list cases"'))
    # It has ended, so nothing asks again; and a viewer cancels nothing.
    assert "hx-get" not in text.partition('id="lab-run"')[2].partition("<header")[0]
    assert 'id="cancel"' not in text


async def test_a_run_that_goes_on_is_live_and_is_cancelled_by_an_operator(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = (await api.agent(admin))["id"]
    run = await lab_rows(api.db, "acme", agent, {"category": "wrong"})
    ann = await operator(api)
    html = (await ann.get(f"/lab/{run}")).text
    assert 'hx-trigger="every 2s"' in html
    seen = html.partition("seen=")[2].partition('"')[0]
    part = await ann.get(f"/lab/{run}?seen={seen}", headers={"HX-Request": "true"})
    assert part.status_code == 204
    assert (await sent(ann, f"/lab/{run}/cancel")).status_code == 303
    after = (await ann.get(f"/lab/{run}")).text
    assert "Cancelled by" in after
    assert 'id="cancel"' not in after
    assert (await (await operator(api, "viewer")).post(f"/lab/{run}/cancel")).status_code == 403


async def test_a_run_is_begun_in_a_form_that_says_what_is_wrong(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = (await api.agent(admin))["id"]
    ann = await operator(api)
    empty = (await ann.get(f"/agents/{agent}/lab")).text
    assert "No run yet" in empty
    assert "None yet" in empty
    wrong = await sent(ann, f"/agents/{agent}/lab", tickets="7", parallel="99", max_cost_usd="much")
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.text
    assert wrong.text.count('aria-invalid="true"') >= 2
    few = await sent(ann, f"/agents/{agent}/lab", tickets="20")
    assert few.status_code == 409
    assert "0 closed tickets are known" in few.text
    await kept_ticket(api.db, "acme", agent, subject=SCRIPT)
    begun = await sent(ann, f"/agents/{agent}/lab", tickets="0", test_cases="true")
    assert begun.status_code == 303, begun.text
    assert begun.headers["location"].startswith("/lab/")
    listed = (await ann.get(f"/agents/{agent}/lab")).text
    assert begun.headers["location"] in listed
    assert "Category: Network" in listed
    assert "<script>alert" not in listed


async def test_a_suspended_agent_begins_nothing_and_the_page_says_so(api: Api, admin: httpx2.AsyncClient) -> None:
    agent = (await api.agent(admin))["id"]
    for step in ("activate", "suspend"):
        await admin.post(f"/api/v1/agents/{agent}/{step}")
    page = (await (await operator(api)).get(f"/agents/{agent}/lab")).text
    assert "The agent is &#39;suspended&#39;" in page
    assert 'id="begin"' not in page


@pytest.fixture
async def read_run(api: Api, admin: httpx2.AsyncClient) -> tuple[str, str]:
    """An agent and a run of it that read a ticket and would have set a field."""
    agent = (await api.agent(admin))["id"]
    console = Console(api.url, api.db, api.app)
    async with api.db.tenant_session("acme") as session:
        stored = await session.get_one(Agent, UUID(agent))
    result = {"outcome": "fields", "fields": {"set": {"category": "Network"}}}
    run = await console.execution(stored, status="completed", mode="dry_run", attempt=1, output_result=result)
    await console.step("acme", run, "get_ticket", output=ticket_of("servicedesk_plus", subject=SCRIPT))
    return agent, str(run)


async def test_a_runs_ticket_is_kept_with_what_it_said_as_a_beginning(api: Api, read_run: tuple[str, str]) -> None:
    agent, run = read_run
    ann = await operator(api)
    assert f'href="/executions/{run}/keep"' in (await ann.get(f"/executions/{run}")).text
    form = (await ann.get(f"/executions/{run}/keep")).text
    assert 'name="category" value="Network"' in form
    assert "<script>alert" not in form
    wrong = await sent(ann, f"/executions/{run}/keep", name="VPN")
    assert (wrong.status_code, "at least one thing" in wrong.text) == (422, True)
    kept = await sent(ann, f"/executions/{run}/keep", name="VPN", category="Network", solution="KB-1\n\nKB-2 ")
    assert (kept.status_code, kept.headers["location"]) == (303, f"/agents/{agent}/lab#tests")
    page = (await ann.get(f"/agents/{agent}/lab")).text
    assert "Cites KB-1 or KB-2" in page
    test = page.partition('action="/test-cases/')[2].partition("/remove")[0]
    assert (await sent(ann, f"/test-cases/{test}/remove")).status_code == 303
    assert "KB-2" not in (await ann.get(f"/agents/{agent}/lab")).text
