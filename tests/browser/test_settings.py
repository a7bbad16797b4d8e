"""The settings in a real browser: set with the keyboard, refused at the box, in both themes and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.api import Api
from tests.support.pictures import pictures
from tests.support.preferences import SETTINGS, boss, stored

from deskhand.ui.csrf import SESSION_COOKIE

picture = pictures("settings")
_LISTS = ("boundaries", "instructions", "calendars")
_PICTURED = (("all", SETTINGS), *((kind, f"{SETTINGS}/rules/{kind}/0") for kind in _LISTS))
LONG = "Board & <b>friends</b> \U0001f525 " + "of-the-house-" * 5


@pytest.fixture
async def api(api: Api) -> Api:
    await api.tenant("acme")
    return api


@pytest.fixture
async def page(chromium: Browser, api: Api) -> AsyncIterator[Page]:
    """The administrator's page."""
    client = await boss(api)
    context = await chromium.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    cookie = client.cookies[SESSION_COOKIE]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": cookie, "url": api.url}])
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


async def test_a_rule_is_written_with_the_keyboard_and_read_in_words(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/executions")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Settings").press("Enter")
    await page.get_by_role("link", name="Add a rule: Where agents are kept out").press("Enter")
    await page.get_by_role("button", name="Save").press("Enter")
    await expect(page.locator("#rule-name-fault")).to_be_visible()
    await page.get_by_label("Name").fill(LONG[:80])
    await page.get_by_label("Company").fill("Suedwerk\nNordwind")
    await page.get_by_label("What it does").select_option("local")
    await page.get_by_role("button", name="Save").press("Enter")
    await expect(page.locator(".banner.completed")).to_contain_text("Saved.")
    await expect(page.locator("#boundaries .rule")).to_contain_text("company is Suedwerk or Nordwind: no model but")
    (rule,) = (await stored(api))["boundaries"]
    assert (rule["effect"], rule["company"]) == ("local", ["Suedwerk", "Nordwind"])


async def test_pictures_of_settings(page: Page, api: Api) -> None:
    key = await api.member("acme", "tenant_admin")
    rules = [{"name": LONG[:80], "company": ["x" * 200], "effect": "approve"}, {"name": "HR", "group": ["HR"]}]
    told = {"name": LONG[:80], "words": ["HR"], "rules": ["y" * 300, "Ask first."], "contacts": ["Ann: 55"]}
    hours = ["mon-thu 08:00-12:00 13:00-17:00", "fri 08:00-14:00"]
    office = {"name": LONG[:80], "timezone": "Europe/Berlin", "hours": hours, "holidays": ["2027-03-29 Easter Monday"]}
    preferences = {"boundaries": rules, "instructions": [told], "calendars": [{**office, "count_waits": True}]}
    await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": preferences})
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        for name, path in _PICTURED:
            await page.goto(api.url + path)
            await expect(page.locator("h1")).to_be_visible()
            await picture(page, f"{name}-{theme}")
        await page.goto(api.url + SETTINGS)
        await page.get_by_label("Oldest ticket, in days").fill("soon")
        await page.get_by_role("button", name="Save: What agents write").click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved.")
        await picture(page, f"refused-{theme}")
    await page.goto(f"{api.url}{SETTINGS}/rules/boundaries/1")
    await page.get_by_text("Remove this rule…").click()
    await expect(page.locator("#will-remove")).to_contain_text("Agents may work on such tickets again.")
    await page.get_by_role("button", name="Remove HR").click()
    assert [one["name"] for one in (await stored(api))["boundaries"]] == [LONG[:80]]
