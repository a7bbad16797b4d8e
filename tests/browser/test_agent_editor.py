"""The agent editor in a real browser: tools, triggers, model and prompt, from an empty draft to an active agent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect
from tests.conftest import DatabaseUrls
from tests.support.agent_pages import agents_page
from tests.support.api import Api, running_api
from tests.support.pictures import pictures

from deskhand.kit.db.session import Database

picture = pictures("editor")


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    async with running_api(database_urls.app_url) as running:
        yield running


@pytest.fixture
async def admin(api: Api) -> httpx2.AsyncClient:
    """The API of acme's administrator; its desk refuses at once."""
    return await api.tenant(servicedesk_url="https://127.0.0.1:9")


@pytest.fixture
async def page(api: Api, admin: httpx2.AsyncClient, chromium: Browser) -> AsyncIterator[Page]:
    """A page of acme's administrator."""
    del admin  # there must be the tenant first
    async with agents_page(api, chromium) as opened:
        yield opened


async def test_tools_are_granted_and_the_change_is_seen_before_it_is_saved(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin, name="Triage of a name that is quite long " + "and longer " * 6)
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("link", name="Change what it may do").click()
    reply = page.locator("#row-servicedesk_plus-reply")
    await expect(reply.get_by_label("Who approves")).to_be_hidden()
    await reply.get_by_label("Reply of", exact=False).first.select_option("approve")
    await reply.get_by_label("Minutes it waits").fill("60")
    await page.locator("#row-servicedesk_plus-add_note .mode").select_option("")
    await page.get_by_role("button", name="Knowledge").click()
    await expect(reply.get_by_label("Minutes it waits")).to_have_value("60")
    await page.locator("#row-knowledge-search_articles .mode").select_option("allow")
    await picture(page, "tools")
    # Return in a box shows the change, and saves nothing.
    await reply.get_by_label("Minutes it waits").press("Enter")
    await expect(page.locator("#gained tbody th")).to_have_count(2)
    await expect(page.locator("#lost tbody th")).to_contain_text(["Add note"])
    await picture(page, "review")
    await page.get_by_role("button", name="Choose again").click()
    await expect(page.locator("#row-knowledge-search_articles .mode")).to_have_value("allow")
    await page.get_by_role("button", name="Show what changes").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#done")).to_contain_text("Its tools are changed")
    await expect(page.locator(".grants").first).to_contain_text("Search articles")
