"""A desk connected in a real browser, by the keyboard's boxes alone: from the empty form to "I heard it"."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.test_people import picture
from tests.conftest import DatabaseUrls
from tests.intake.console.test_setup import active_agent, event, send
from tests.support.api import Api, running_api
from tests.support.desk_pages import DESKS, DeskPages, answering, desk_pages

from deskhand.kit.db.session import Database
from deskhand.ui.csrf import SESSION_COOKIE

SCRIPT = "<img src=x onerror=window.__ran=1>"


@pytest.fixture
async def pages(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[DeskPages]:
    async with running_api(database_urls.app_url) as api:
        yield await desk_pages(api)


async def signed_in(chromium: Browser, pages: DeskPages, **options: object) -> Page:
    """The administrator's page."""
    api: Api = pages.api
    context = await chromium.new_context(
        viewport={"width": 1360, "height": 860},
        reduced_motion="reduce",
        **options,  # type: ignore[arg-type]
    )
    cookie = pages.boss.cookies[SESSION_COOKIE]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": api.url}])
    page = await context.new_page()
    page.set_default_timeout(60_000)
    return page


async def test_from_the_form_to_i_heard_it(chromium: Browser, pages: DeskPages) -> None:
    page = await signed_in(chromium, pages, color_scheme="dark")
    await page.goto(f"{pages.api.url}{DESKS}")
    await picture(page, "desks")
    async with answering("zendesk") as (_, typed):
        await page.get_by_role("link", name="Connect Zendesk").click()
        await page.get_by_label("Subdomain").fill(typed["zendesk_subdomain"])
        await page.get_by_label("API token").fill("not-the-key")
        await page.get_by_label("Client ID").fill(typed["zendesk_client_id"])
        await page.locator("summary", has_text="Further settings").click()
        await page.get_by_label("URL").fill(typed["zendesk_url"])
        await page.get_by_role("button", name="Connect and test").click()
        await expect(page.get_by_role("heading", name="The connection does not work")).to_be_visible()
        await picture(page, "desk-wrong")
        await page.get_by_label("API token").fill(typed["zendesk_api_token"])
        await page.get_by_label("Email").fill(SCRIPT)
        await page.get_by_role("button", name="Save and test").click()
        await expect(page.get_by_role("heading", name="The connection works")).to_be_visible()
        await picture(page, "desk")
    await page.goto(f"{pages.api.url}{DESKS}/servicedesk_plus/setup")
    await page.get_by_role("button", name="Make a new secret").click()
    secret = await page.locator("#secret").inner_text()
    await expect(page.locator("#heard")).to_contain_text("Nothing heard yet")
    await picture(page, "setup")
    await send(pages.api, event(), secret="another-secret-of-32-characters-x")
    await expect(page.locator("#heard")).to_contain_text("Signed with another secret")
    await send(pages.api, event(), secret=secret)
    await expect(page.locator("#heard")).to_contain_text("No agent listens here")
    await active_agent(pages.api)
    started = (await send(pages.api, event(), secret=secret))["deliveries"][0]
    await expect(page.locator("#heard")).to_contain_text("it started a run")
    await expect(page.locator("#heard-run")).to_have_attribute("href", f"/executions/{started['execution_id']}")
    await expect(page.locator("#secret")).to_have_text(secret)  # what was heard is drawn, and nothing else
    await send(pages.api, event(), secret="another-secret-of-32-characters-x")
    await page.get_by_role("link", name="Deliveries").click()
    await page.locator(".entry summary").first.click()
    await expect(page.locator(".entry").first).to_contain_text("Put the secret of this address into the desk")
    await picture(page, "deliveries")
    await page.goto(f"{pages.api.url}{DESKS}/zendesk")
    await page.get_by_role("link", name="Disconnect…").click()
    await expect(page.get_by_role("main")).to_contain_text("every key that is stored for it")
    await picture(page, "desk-disconnect")
    await page.get_by_role("button", name="Disconnect Zendesk").click()
    await expect(page).to_have_url(re.compile(r"/desks$"))
    await expect(page.get_by_role("link", name="Connect Zendesk")).to_be_visible()
    assert not await page.evaluate("Boolean(window.__ran)")
    await page.context.close()


async def test_the_pages_are_read_without_javascript(chromium: Browser, pages: DeskPages) -> None:
    page = await signed_in(chromium, pages, java_script_enabled=False, color_scheme="light")
    await page.goto(f"{pages.api.url}{DESKS}/servicedesk_plus")
    await expect(page.get_by_label("URL", exact=True)).to_have_value("https://desk.example.com")
    await page.get_by_role("link", name="Set-up text for the desk").click()
    await expect(page.locator("#heard")).to_contain_text("Nothing heard yet")
    await page.get_by_role("button", name="Make a new secret").click()
    secret = await page.locator("#secret").inner_text()
    await send(pages.api, event(), secret=secret)
    await page.goto(f"{pages.api.url}{DESKS}/servicedesk_plus/setup")
    await expect(page.locator("#heard")).to_contain_text("I heard it")
    await page.get_by_role("link", name="Deliveries").click()
    await expect(page.get_by_role("heading", name="Nothing came in yet")).to_be_visible()
    await page.context.close()
