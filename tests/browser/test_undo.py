"""A person takes back what an agent wrote: sees it, says yes, and reads what became of it."""

from __future__ import annotations

from playwright.async_api import Browser, expect
from tests.conftest import DatabaseUrls
from tests.support.pictures import pictures
from tests.support.product import running_product
from tests.support.undo import state_of, wreck

from deskhand.kit.db.session import Database

picture = pictures("undo")

PERSONS = "Printer of floor 4, says Ines"


async def test_a_person_undoes_a_run(chromium: Browser, clean_db: Database, database_urls: DatabaseUrls) -> None:
    async with running_product(clean_db, database_urls.app_url) as product:
        one = await wreck(product, "zendesk")
        one.change(subject=PERSONS)
        context = await chromium.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
        page = await context.new_page()
        page.set_default_timeout(60_000)
        complaints: list[str] = []
        page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
        run = f"{product.api.url}/executions/{one.run['id']}"
        await page.goto(run)
        await page.get_by_role("link", name="Use an API key").click()
        await page.get_by_label("API key").fill(one.customer.key)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(run)

        await page.get_by_role("link", name="Undo…").click()
        await expect(page.get_by_role("heading", name="Undo what this run wrote")).to_be_visible()
        await expect(page.locator(".kept")).to_contain_text(PERSONS)
        await expect(page.locator(".kept")).to_contain_text("Ines")
        await expect(page.locator(".undo-item", has_text="correcting note")).to_contain_text("not undone")
        await picture(page, "preview")

        # The ticket changes under the open page: the button shows what is there now, and undoes nothing.
        one.change(priority="urgent")
        await page.get_by_role("button", name="Undo this").click()
        await expect(page.get_by_role("alert")).to_contain_text("look at a new preview")
        await expect(page.locator(".kept")).to_contain_text("urgent")
        assert state_of(one.ticket)["priority"] == "urgent"
        complaints.clear()  # the browser reports the 409 of that answer

        await page.get_by_role("button", name="Undo this").click()
        await expect(page.locator("#undone")).to_contain_text("put back")
        await expect(page.locator(".title .badge")).to_have_text("Completed")
        await expect(page.locator("#undone")).to_contain_text("corrected")
        await picture(page, "done")
        kept = {"subject": PERSONS, "priority": "urgent", "status": "open"}
        assert state_of(one.ticket) == {**one.before, **kept}
        await page.goto("about:blank")
        await context.close()
        assert [text for text in complaints if "ERR_ABORTED" not in text] == []
