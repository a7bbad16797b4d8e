"""The console without a browser's scripts: sign-in, forms, headers, and what an outsider gets."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from tests.support.console import Console

from deskhand.access.guards import SESSION_COOKIE
from deskhand.ui import csrf


def token_in(page: httpx2.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


async def test_nobody_sees_a_page_before_signing_in(console: Console) -> None:
    run = await console.execution(await console.agent())
    async with httpx2.AsyncClient(base_url=console.url) as client:
        answer = await client.get(f"/executions/{run}?seen=x")
        polled = await client.get(f"/executions/{run}", headers={"HX-Request": "true"})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=/executions/{run}%3Fseen%3Dx")
    assert (polled.status_code, polled.headers["hx-redirect"]) == (204, "/login")


async def test_a_wrong_key_is_explained_on_the_page_and_never_echoed(console: Console) -> None:
    async with httpx2.AsyncClient(base_url=console.url, headers={"Accept": "text/html"}) as client:
        answer = await client.post(
            "/login", data={"api_key": "dhk_wrong-key-of-mine", "next": "/executions?status=failed"}
        )

    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "dhk_wrong" not in answer.text
    assert 'value="/executions?status=failed"' in answer.text


async def test_a_sign_in_address_waits_for_the_button(console: Console) -> None:
    async with httpx2.AsyncClient(base_url=console.url) as client:
        answer = await client.get("/login", params={"token": 'dhs_"><script>'})

    assert answer.status_code == 200
    assert 'name="token" value="dhs_&#34;&gt;&lt;script&gt;"' in answer.text
    assert not answer.cookies


async def test_pages_carry_a_strict_policy(console: Console) -> None:
    browser = await console.browser()
    run = await console.execution(await console.agent())

    for path in ("/executions", f"/executions/{run}", f"/executions/{uuid4()}"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)


async def test_markup_in_a_ticket_stays_text(console: Console) -> None:
    browser = await console.browser()
    evil = '<img src=x onerror="alert(1)">'
    source = {"ref": evil, "url": "javascript:x"}
    run = await console.execution(
        await console.agent(),
        status="completed",
        input_payload={"request": {"subject": evil}},
        output_result={"note": {"markdown": f"{evil} [go](javascript:alert(1))", "sources": [source]}},
    )
    await console.step("acme", run, "get_ticket", input={"query": evil}, output=evil, state="failed", error=evil)

    for path in ("/executions", f"/executions/{run}"):
        page = (await browser.get(path)).text
        assert "<img src=x" not in page
        assert 'href="javascript' not in page
        assert "&lt;img src=x" in page


async def test_a_run_says_how_much_of_its_ticket_was_read(console: Console) -> None:
    extent = ["The whole description was read.", "12 of 40 comments read.", "1 note of our own left out."]
    agent = await console.agent()
    run = await console.execution(agent, status="completed", output_result={"note": None, "read": extent})
    older = await console.execution(agent, status="completed", output_result={"note": None})
    browser = await console.browser(role="viewer")
    page = (await browser.get(f"/executions/{run}")).text
    assert [f"<li>{one}</li>" in page for one in extent] == [True] * 3
    assert "Read of the ticket" not in (await browser.get(f"/executions/{older}")).text
    client = await console.client()
    shown = [(await client.get(f"/api/v1/executions/{one}")).json()["read"] for one in (run, older)]
    assert shown == [extent, []]


async def test_a_run_that_asked_the_requester_says_what_and_until_when_as_text(console: Console) -> None:
    agent = await console.agent()
    until = await console.now() + timedelta(days=2)
    run = await console.execution(
        agent, status="waiting", attempt=1, error_code="requester", error_message="Waits.", listens_until=until
    )
    asked = {"question": "<b>Which</b> device?", "round": 2, "until": until.isoformat()}
    await console.step("acme", run, "ask_requester", kind="write", step_key="ask_requester:c1")
    await console.step("acme", run, "await_requester", kind="compute", state="started",
                       step_key="await_requester:ask_requester:c1", input=asked)  # fmt: skip
    browser = await console.browser(role="viewer")
    page = (await browser.get(f"/executions/{run}")).text
    assert "&lt;b&gt;Which&lt;/b&gt; device?" in page
    assert "Question 2 of 2" in page
    assert until.strftime("%H:%M") in page


@pytest.mark.parametrize(("verb", "status"), [("cancel", "queued"), ("retry", "failed"), ("dismiss", "failed")])
async def test_a_form_needs_the_sessions_token(console: Console, verb: str, status: str) -> None:
    run = await console.execution(await console.agent(), status=status)
    browser, other = await console.browser(), await console.browser()
    address = f"/executions/{run}"
    foreign = token_in(await other.get(address))

    missing = await browser.post(f"{address}/{verb}")
    stolen = await browser.post(f"{address}/{verb}", data={"csrf": foreign})
    token = token_in(await browser.get(address))
    cross_site = await browser.post(f"{address}/{verb}", data={"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"})
    unchanged = (await (await console.client()).get(f"/api/v1{address}")).json()
    done = await browser.post(f"{address}/{verb}", data={"csrf": token})

    assert [answer.status_code for answer in (missing, stolen, cross_site)] == [403, 403, 403]
    assert (unchanged["status"], unchanged["dismissed_at"]) == (status, None)
    assert (done.status_code, done.headers["location"]) == (303, address)


async def test_a_viewer_gets_no_buttons_and_no_way_around_them(console: Console) -> None:
    run = await console.execution(await console.agent())
    browser = await console.browser(role="viewer")

    page = await browser.get(f"/executions/{run}")
    forced = await browser.post(f"/executions/{run}/cancel", data={"csrf": token_in(page)})

    assert "/cancel" not in page.text
    assert forced.status_code == 403
    assert "<h1>Forbidden</h1>" in forced.text


async def test_another_tenants_page_does_not_exist(console: Console) -> None:
    run = await console.execution(await console.agent("globex"), input_payload={"request": {"subject": "Their secret"}})
    browser = await console.browser("acme")

    answer = await browser.get(f"/executions/{run}")

    assert answer.status_code == 404
    assert "Their secret" not in answer.text + (await browser.get("/executions")).text


async def test_polling_costs_nothing_while_nothing_changes(console: Console) -> None:
    run = await console.execution(await console.agent(), status="running", attempt=1)
    browser = await console.browser()
    for path, pattern in (
        ("/executions", r'hx-get="(/executions\?seen=\w+)"'),
        (f"/executions/{run}", r'hx-get="([^"]+)"'),
    ):
        found = re.search(pattern, (await browser.get(path)).text)
        assert found
        before = await browser.get(found[1], headers={"HX-Request": "true"})
        await console.step("acme", run, f"step-{len(path)}")
        after = await browser.get(found[1], headers={"HX-Request": "true"})

        assert (before.status_code, after.status_code) == (204, 200)
        assert "<html" not in after.text


async def test_without_scripts_a_live_page_reloads_itself_and_an_ended_one_does_not(console: Console) -> None:
    agent = await console.agent()
    live, ended = await console.execution(agent), await console.execution(agent, ticket="2", status="completed")
    browser = await console.browser()

    assert 'http-equiv="refresh"' in (await browser.get(f"/executions/{live}")).text
    assert 'http-equiv="refresh"' not in (await browser.get(f"/executions/{ended}")).text


async def test_an_unreadable_address_is_a_page_not_a_document(console: Console) -> None:
    browser = await console.browser()

    for path in ("/executions/not-an-id", "/executions?agent=x"):
        answer = await browser.get(path)
        assert answer.status_code == 422
        assert "<h1>Invalid input</h1>" in answer.text
    answer = await browser.get("/executions?cursor=nonsense")
    assert (answer.status_code, "<h1>Not found</h1>" in answer.text) == (404, True)


async def test_static_files_are_cached_for_good_by_their_content(console: Console) -> None:
    browser = await console.browser()
    addresses = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', (await browser.get("/executions")).text))

    answers = [await browser.get(address) for address in addresses]

    assert {address.split("?")[0] for address in addresses} >= {
        f"/static/{name}" for name in ("console.css", "console.js", "keyboard.js")
    }
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["cache-control"] for answer in answers} == {"public, max-age=31536000, immutable"}


def test_both_sides_mean_the_same_cookie() -> None:
    assert csrf.SESSION_COOKIE == SESSION_COOKIE
