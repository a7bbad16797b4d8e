"""Agents in a real browser: looked at, compared, rolled back, switched on and off, on a wide screen and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.agent_pages import agents_page
from tests.support.api import Api
from tests.support.pictures import pictures

picture = pictures("agents")

PROMPT = "You sort tickets of {{tenant_name}}.\nLook at {{ticket.subject}} first.\nBe short."
SCRIPT = "<img src=x onerror=window.__ran=1>"


@pytest.fixture
async def page(api: Api, admin: httpx2.AsyncClient, chromium: Browser) -> AsyncIterator[Page]:
    del admin  # there must be the tenant first
    async with agents_page(api, chromium) as opened:
        yield opened


async def test_an_agent_is_found_looked_at_and_led_through_its_life(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    schedule = {"trigger_type": "schedule", "schedule_cron": "30 8 * * 1-5", "schedule_timezone": "Europe/Berlin"}
    triggers = [{"trigger_type": "webhook"}, schedule]
    made = await api.agent(admin, name="Triage", system_prompt=PROMPT, triggers=triggers)
    await api.agent(admin, name=f"{SCRIPT} مرحبا 🖨️ " + "long" * 40, description=SCRIPT * 5)

    await page.goto(f"{api.url}/executions")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Agents").click()
    await expect(page.locator(".list tbody tr")).to_have_count(2)
    await picture(page, "list")
    await page.get_by_label("Search").fill("triage")
    await page.keyboard.press("Enter")
    await expect(page.locator(".list tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="Triage").click()

    await expect(page.get_by_role("heading", name="Triage")).to_be_visible()
    await expect(page.locator("#state")).to_have_text("Draft")
    await expect(page.locator(".times li")).to_have_count(5)
    await page.get_by_text("As the model reads it").click()
    await expect(page.locator("#sample pre")).to_contain_text("Look at Printer on floor 3")
    await picture(page, "agent")

    await page.get_by_role("button", name="Activate").click()
    await expect(page.locator("#state")).to_have_text("Active")
    await expect(page.locator("#warnings")).to_be_visible()
    await page.get_by_role("button", name="Suspend").click()
    await expect(page.locator("#done")).to_have_text("It is suspended: its triggers are ignored.")
    await page.get_by_text("Delete…").click()
    await expect(page.locator("#will-delete")).to_contain_text("It never runs again")
    await page.get_by_role("button", name="Delete Triage for good").click()
    await expect(page.locator("#state")).to_have_text("Deleted")
    assert await page.evaluate("Boolean(window.__ran)") is False
    assert made["id"] in page.url


async def test_a_version_is_compared_with_now_and_taken_back(page: Page, api: Api, admin: httpx2.AsyncClient) -> None:
    made = await api.agent(admin, name="Triage", system_prompt=PROMPT)
    changed = PROMPT.replace("Be short.", "Be exact.\nName what you do not know.")
    await admin.patch(
        f"/api/v1/agents/{made['id']}", json={"system_prompt": changed, "llm_config": {"model": "gpt-4o"}}
    )
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("link", name="Versions").click()
    await expect(page.locator(".list tbody tr")).to_have_count(2)
    await page.get_by_role("link", name="Compare version 1 with now").click()
    await expect(page.locator(".diff del")).to_have_text(["Be short."])
    await expect(page.locator(".diff ins")).to_have_text(["Be exact.", "Name what you do not know."])
    await expect(page.locator(".change tbody tr th").first).to_have_text("Model settings · model")
    await picture(page, "versions")
    await page.get_by_role("button", name="Roll back to version 1").click()
    await expect(page.locator("#done")).to_contain_text("this is a new version")
    await expect(page.locator("#prompt")).to_have_text(PROMPT)


async def test_an_agent_is_made_from_a_template_and_edited(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/agents")
    await page.get_by_role("link", name="Begin from a template").click()
    await picture(page, "new")
    await page.get_by_role("button", name="Begin from Triage").click()
    secret = await page.locator(".secret").inner_text()
    assert secret.startswith("whsec_")
    await picture(page, "made")
    await page.get_by_role("link", name="Edit").click()
    await picture(page, "edit")
    await page.locator("textarea[name=system_prompt]").fill("Look at {{ticket.subjekt}} first.")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#fault-system_prompt")).to_contain_text("Closest: ticket.subject")
    await page.locator("textarea[name=system_prompt]").fill("Look at {{ticket.subject}} first.")
    await page.locator("input[name=model]").fill("gpt-4o-mini")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#done")).to_have_text("Saved.")
    await expect(page.locator("#prompt")).to_have_text("Look at {{ticket.subject}} first.")
    await page.get_by_text("Replace its secret…").click()
    await page.get_by_role("button", name="Replace the secret").click()
    assert await page.locator(".secret").inner_text() != secret
