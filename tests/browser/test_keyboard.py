"""The main journey with the keyboard alone, and the keys of people who work here all day."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect
from tests.conftest import DatabaseUrls
from tests.support.api import Api, running_api
from tests.support.people import PASSWORD, account

from deskhand.kit.db.session import Database

ADA = "ada@acme.example"
STOPS = 120
NAME = """() => {
    const one = document.activeElement;
    return one.getAttribute('aria-label') ?? (one.labels?.[0] ?? one).innerText.trim();
}"""


@pytest.fixture
async def api(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Api]:
    async with running_api(database_urls.app_url) as running:
        await running.tenant(servicedesk_url="https://127.0.0.1:9")  # a desk that refuses at once
        await account(running, ADA, acme="tenant_admin")
        yield running


@pytest.fixture
async def page(api: Api, chromium: Browser) -> AsyncIterator[Page]:
    """A browser whose mouse nobody touches, signed in with the keyboard."""
    context = await chromium.new_context(reduced_motion="reduce")
    opened = await context.new_page()
    opened.set_default_timeout(20_000)
    await opened.goto(f"{api.url}/agents")
    await opened.keyboard.type(ADA)  # the box has the focus already
    await opened.keyboard.press("Tab")
    await opened.keyboard.type(PASSWORD)
    await opened.keyboard.press("Enter")
    await opened.wait_for_url(f"{api.url}/agents")
    yield opened
    await context.close()


async def press(page: Page, name: str, key: str = "Enter") -> None:
    """Go with Tab to what has this name, and press a key there."""
    passed = []
    for _ in range(STOPS):
        await page.keyboard.press("Tab")
        passed.append(await page.evaluate(NAME))
        if passed[-1] == name:
            await page.keyboard.press(key)
            return
    raise AssertionError(f"Tab does not come to {name!r}, but to {passed}")


async def test_an_agent_is_made_and_switched_on_without_a_mouse(page: Page, api: Api) -> None:
    await press(page, "Skip to content")
    await press(page, "Begin from a template")
    await page.wait_for_url(f"{api.url}/agents/new")
    await press(page, "Skip to content")
    await press(page, "Begin from Triage")
    await expect(page.locator(".secret")).to_contain_text("whsec_")
    await press(page, "Activate")
    await expect(page.locator("#state")).to_have_text("Active")


async def test_keys_search_go_to_places_and_are_shown(page: Page, api: Api) -> None:
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    rows = await page.locator("#keyboard-places > div").all_inner_texts()
    links = await page.locator("header nav a").all_inner_texts()
    assert [row.split("\n")[-1].strip() for row in rows] == links, "every place of the bar has its key"
    letters = [row.split()[1] for row in rows]
    assert len(set(letters)) == len(letters)
    assert {"ghHome", "gaAgents", "geExecutions"} <= {"".join(row.split()) for row in rows}
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()

    await page.keyboard.press("g")
    await page.keyboard.press("e")
    await page.wait_for_url(f"{api.url}/executions")
    await page.keyboard.press("/")
    await expect(page.locator("input[name=ticket]")).to_be_focused()
    await page.keyboard.type("?ga/")
    assert await page.locator("input[name=ticket]").input_value() == "?ga/", "a box takes text and no keys"
    assert page.url == f"{api.url}/executions"
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_keys_can_be_switched_off(page: Page, api: Api) -> None:
    await press(page, "Keyboard")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.locator("#keyboard-on").focus()
    await page.keyboard.press("Space")
    await page.keyboard.press("Escape")
    await page.goto(f"{api.url}/executions")
    for key in ("?", "g", "a", "/"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator("input[name=ticket]")).not_to_be_focused()
    assert page.url == f"{api.url}/executions"
