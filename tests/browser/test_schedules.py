"""Schedules in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect
from tests.support.console import Console


async def test_a_schedule_is_tried_paused_and_run(page: Page, console: Console) -> None:
    agent = await console.agent(name="Morning report")
    await console.schedule(agent, "30 8 * * 1-5", "Europe/Berlin")
    await page.get_by_role("link", name="Schedules").click()

    await page.get_by_role("textbox", name="Expression").press_sequentially("0 9 1 * *")
    await expect(page.locator("#preview strong")).to_have_text("At 09:00 on the first day of every month")
    await page.get_by_label("Time zone").fill("Asia/Tokyo")
    await expect(page.locator("#preview .offset")).to_have_text(["+09:00"] * 5)

    card = page.locator(".schedule")
    await expect(card.locator(".badge")).to_have_text("Active")
    await card.get_by_role("button", name="Pause").click()
    await expect(card.locator(".badge")).to_have_text("Paused")
    await card.get_by_role("button", name="Resume").click()
    await expect(card.locator(".badge")).to_have_text("Active")
    await card.get_by_role("button", name="Run now").click()
    await expect(page).to_have_url(re.compile(r"/executions/[0-9a-f-]{36}$"))
    await expect(page.locator(".title .badge")).to_have_text("Queued")
