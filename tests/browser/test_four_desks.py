"""What a person sees of a real run on each desk. DESKHAND_PICTURES=folder takes the pictures of the documentation."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Browser, expect
from tests.conftest import DatabaseUrls
from tests.support.four_desks import SUBJECT, Landed, note_on_every_desk
from tests.support.product import Product, running_product

from deskhand.kit.db.session import Database


async def test_the_timeline_of_a_run_on_each_desk(
    chromium: Browser, clean_db: Database, database_urls: DatabaseUrls
) -> None:
    async with running_product(clean_db, database_urls.app_url) as product:
        for tool_type, landed in (await note_on_every_desk(product)).items():
            await look(chromium, product, tool_type, landed)


async def look(chromium: Browser, product: Product, tool_type: str, landed: Landed) -> None:
    context = await chromium.new_context(viewport={"width": 1040, "height": 640}, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(60_000)
    run = f"{product.api.url}/executions/{landed.execution['id']}"
    await page.goto(run)
    await page.get_by_role("link", name="Use an API key").click()
    await page.get_by_label("API key").fill(landed.customer.key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(run)

    await expect(page.locator(".title .badge")).to_have_text("Completed")
    await expect(page.locator(".prose")).to_contain_text(SUBJECT)
    await expect(page.locator(".prose")).to_contain_text("INV-1001")
    names = await page.locator(".step .name").all_inner_texts()
    assert names[-1] == "Add note"
    if folder := os.environ.get("DESKHAND_PICTURES"):
        await page.screenshot(path=Path(folder) / f"run-{tool_type}.png", full_page=True)
    await page.goto("about:blank")
    await context.close()
