"""Knowledge in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect
from tests.support.pictures import pictures

picture = pictures("knowledge")


async def test_an_article_is_written_and_found_with_the_keyboard(page: Page) -> None:
    await page.get_by_role("link", name="Knowledge").click()
    await page.get_by_role("link", name="write an article").click()
    for label, words in (("Id", "KB-1"), ("Title", "Printer jams on tray 2")):
        await page.get_by_label(label, exact=False).first.focus()
        await page.keyboard.type(words)
    # Whom it is for is said before it is saved, and nobody has to choose.
    await expect(page.get_by_role("radio", name="Internal")).to_be_checked()
    await picture(page, "new-article")
    await page.get_by_role("textbox", name="Text").fill("1. Open tray 2.\n2. Clean the rollers.")
    await page.get_by_label("Tags").press("Enter")
    await expect(page).to_have_url(re.compile(r"/knowledge/articles/[0-9a-f-]{36}$"))
    await expect(page.locator(".prose li")).to_have_text(["Open tray 2.", "Clean the rollers."])

    await expect(page.locator(".facts")).to_contain_text("no answer to a requester rests on it")
    await page.get_by_role("link", name="Articles").first.click()
    await page.get_by_label("Audience").select_option("internal")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await picture(page, "articles")

    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Knowledge").click()
    await page.get_by_label("A problem, in the words of a ticket").fill("The printer jams, tray 2")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator(".hit h2")).to_have_text("Printer jams on tray 2")
    await expect(page.locator(".hit .chips")).to_contain_text("printer")


async def test_an_import_goes_on_before_ones_eyes(page: Page) -> None:
    await page.goto(page.url.partition("/executions")[0] + "/knowledge/imports")
    await page.get_by_label("Vectors of the search").check()
    await page.get_by_role("button", name="Start", exact=True).click()
    job = page.locator(".job")
    await expect(job.locator(".badge")).to_have_text("Queued")
    await job.get_by_role("button", name="Pause").click()
    await expect(job.locator(".badge")).to_have_text("Paused")
    await expect(page.locator("#jobs")).to_have_attribute("hx-get", "/knowledge/imports")
