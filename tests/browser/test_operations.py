"""Operations in a real browser: looked at, paused, resumed, failed runs dealt with by kind, also without scripts."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from playwright.async_api import Browser, BrowserContext, expect
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.console import Console
from tests.support.people import account, browser
from tests.support.pictures import pictures

from deskhand.agents.models import Agent
from deskhand.kit.db.session import Database
from deskhand.ui.csrf import SESSION_COOKIE

picture = pictures("operations")
SCRIPT = "<img src=x onerror=window.__ran=1><b data-canary>until 14:00</b>"
LONG = "Bürodrucker-und-Scanner-Erstprüfung " * 6


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    async with running_api(database_urls.app_url) as api:
        for tenant in ("acme", "globex"):
            await api.tenant(tenant)
        await account(api, "ada@acme.example", acme="tenant_admin")
        await account(api, "root@example.com", platform_admin=True)
        yield api


async def opened(api: Api, chromium: Browser, email: str, tenant: str | None, **options: object) -> BrowserContext:
    client = await browser(api, email, tenant)
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
        color_scheme="dark" if os.environ.get("DESKHAND_PICTURES_DARK") else "light",
        **options,
    )
    cookie = client.cookies[SESSION_COOKIE]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": api.url}])
    context.set_default_timeout(20_000)
    return context


async def busy(api: Api, urls: DatabaseUrls) -> Agent:
    """Runs in every state, two workers of which one is silent."""
    acme = await api.member("acme", "tenant_admin")
    made = await api.agent(acme, name=LONG[:200])
    console = Console(api.url, api.db, api.app)
    async with api.db.tenant_session("acme") as session:
        agent = await session.get_one(Agent, made["id"])
    now = await console.now()
    await console.execution(agent, status="running", attempt=1, ticket="7", lane="servicedesk_plus/7")
    await console.execution(agent, status="queued", ticket="1")
    await console.execution(agent, status="queued", ticket="3", parked=True, ago=420)
    later = {"attempt": 2, "parked": True, "not_before": now + timedelta(hours=1), "error_code": "desk-unavailable"}
    await console.execution(agent, status="queued", ticket="2", started_at=now, **later)
    for number, (code, words) in enumerate(
        [("desk-auth", f"The desk refuses the key. {SCRIPT}")] * 3 + [("limit-reached", "25 steps are used up.")]
    ):
        await console.execution(
            agent, status="failed", attempt=1, error_code=code, error_message=words, ticket=f"9{number}",
            completed_at=now - timedelta(minutes=number), started_at=now,
        )  # fmt: skip
    connection = await asyncpg.connect(urls.superuser_url)
    try:
        await connection.execute(
            "INSERT INTO workers (worker_id, slots, running, seen_at) VALUES ('host-a:4711:0a1b2c3d', 20, 1, now()),"
            " ('host-b:4712:4e5f6a7b', 20, 0, now() - interval '3 minutes')"
        )
    finally:
        await connection.close()
    return agent


async def test_a_tenant_is_paused_with_a_reason_that_every_page_shows_and_resumed(
    api: Api, database_urls: DatabaseUrls, chromium: Browser
) -> None:
    await busy(api, database_urls)
    context = await opened(api, chromium, "ada@acme.example", "acme")
    page = await context.new_page()
    await page.goto(f"{api.url}/home")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Operations").click()
    await expect(page.get_by_role("heading", name="Operations")).to_be_visible()
    await picture(page, "busy")
    await expect(page.locator("#queue-acme")).to_contain_text("1: for the next free worker")
    await expect(page.locator("#queue-acme")).to_contain_text("1: tried again at their time")
    await expect(page.get_by_text("1 was silent for 20 s")).to_be_visible()
    assert "host-a" not in await page.content()

    await page.get_by_role("link", name="Pause this tenant…").click()
    await picture(page, "question")
    await page.get_by_label("Why").fill(SCRIPT)
    await page.get_by_label("Why").press("Enter")
    await expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    await expect(page.locator("#queue-acme")).to_contain_text("3: paused")
    await picture(page, "paused")
    for address in ("/home", "/executions", "/agents", "/schedules", "/knowledge", "/operations", "/audit"):
        await page.goto(f"{api.url}{address}")
        await expect(page.locator("#standing-pauses")).to_contain_text("This tenant is paused")
        await expect(page.locator("#standing-pauses")).to_contain_text("until 14:00")
    assert await page.evaluate("Boolean(window.__ran) || document.querySelectorAll('[data-canary]').length") == 0

    await page.goto(f"{api.url}/operations/pause")
    await page.get_by_label("Why").fill("Once more")
    await page.get_by_role("button", name="Pause the tenant acme").click()
    await expect(page.get_by_role("alert")).to_contain_text("is paused already")

    await page.goto(f"{api.url}/operations")
    await page.get_by_role("button", name="Resume acme").press("Enter")
    await expect(page.locator("#standing-pauses")).to_have_count(0)
    await context.close()


async def test_an_agent_is_paused_from_its_page(api: Api, database_urls: DatabaseUrls, chromium: Browser) -> None:
    acme = await api.member("acme", "tenant_admin")
    made = await api.agent(acme, name="Triage")
    assert (await acme.post(f"/api/v1/agents/{made['id']}/activate")).status_code == 200
    context = await opened(api, chromium, "ada@acme.example", "acme", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("link", name="Pause it…").click()
    await expect(page.get_by_role("heading", name="Pause the agent Triage?")).to_be_visible()
    await page.get_by_label("Why").fill("It asks too often.")
    await page.get_by_role("button", name="Pause the agent Triage").click()
    await expect(page.locator("#standing-pauses")).to_contain_text("The agent Triage is paused")
    await page.get_by_role("button", name="Resume Triage").click()
    await expect(page.locator("#standing-pauses")).to_have_count(0)
    await context.close()


async def test_the_platform_sees_all_tenants_and_pauses_everything(
    api: Api, database_urls: DatabaseUrls, chromium: Browser
) -> None:
    await busy(api, database_urls)
    context = await opened(api, chromium, "root@example.com", None)
    page = await context.new_page()
    await page.goto(f"{api.url}/operations")
    await expect(page.get_by_text("host-a:4711:0a1b2c3d")).to_be_visible()
    assert "refuses the key" not in await page.content(), "no words of a tenant's runs"
    await page.get_by_role("link", name="Pause acme").click()
    await expect(page.get_by_role("heading", name="Pause the tenant acme?")).to_be_visible()
    await page.goto(f"{api.url}/operations/pause")
    await page.get_by_label("Why").fill("The database moves to a larger machine; back at 06:00.")
    await page.get_by_role("button", name="Pause everything").click()
    await expect(page.locator("#standing-pauses")).to_contain_text("Everything is paused")
    await picture(page, "platform")

    tenant = await opened(api, chromium, "ada@acme.example", "acme")
    other = await tenant.new_page()
    await other.goto(f"{api.url}/executions")
    await expect(other.locator("#standing-pauses")).to_contain_text("by the platform")
    await other.goto(f"{api.url}/operations")
    await expect(other.get_by_text("The platform's administrators end it.")).to_be_visible()
    await tenant.close()

    await page.get_by_role("button", name="Resume Everything").click()
    await expect(page.locator("#standing-pauses")).to_have_count(0)
    await context.close()


async def test_failed_runs_are_dismissed_and_retried_by_kind(
    api: Api, database_urls: DatabaseUrls, chromium: Browser
) -> None:
    await busy(api, database_urls)
    context = await opened(api, chromium, "ada@acme.example", "acme")
    page = await context.new_page()
    await page.goto(f"{api.url}/operations")
    await page.get_by_role("link", name="Dismiss all that failed with limit-reached").click()
    await expect(page.get_by_role("heading", name="Dismiss 1 failed run?")).to_be_visible()
    await page.get_by_role("button", name="Dismiss 1").click()
    await expect(page.get_by_role("status").first).to_contain_text("1 run was dismissed.")
    await page.goto(f"{api.url}/operations")
    await expect(page.get_by_role("link", name=re.compile("limit-reached"))).to_have_count(0)
    await page.get_by_role("link", name="Retry all that failed with desk-auth").click()
    await expect(page.get_by_text("that failed with desk-auth")).to_be_visible()
    await page.get_by_role("button", name="Retry 3").click()
    await expect(page.get_by_role("status").first).to_contain_text("3 runs are in the queue again.")
    assert "error=desk-auth" in page.url
    await context.close()


async def test_a_page_at_rest_asks_every_ten_seconds_and_a_hidden_one_never(
    api: Api, database_urls: DatabaseUrls, chromium: Browser
) -> None:
    await busy(api, database_urls)
    context = await opened(api, chromium, "ada@acme.example", "acme")
    page = await context.new_page()
    await page.clock.install()
    looks: list[str] = []
    page.on("request", lambda request: "seen=" in request.url and looks.append(request.url))
    await page.goto(f"{api.url}/operations")
    await page.clock.run_for(9_000)
    assert looks == []
    async with page.expect_response(re.compile("seen=")):
        await page.clock.run_for(1_500)
    hide = "(is) => { Object.defineProperty(document, 'hidden', {value: is, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    await page.evaluate(hide, True)
    before = len(looks)
    await page.clock.run_for(60_000)
    assert len(looks) == before
    async with page.expect_response(re.compile("seen=")):
        await page.evaluate(hide, False)
    await context.close()
