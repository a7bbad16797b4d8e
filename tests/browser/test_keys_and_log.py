"""The pages of API keys and of the audit log in a real browser: done by hand, and found in the log."""

from __future__ import annotations

from playwright.async_api import Page, expect
from tests.browser.test_people import picture
from tests.support.console import Console

SCRIPT = "<img src=x onerror=window.__ran=1><b data-canary>night shift</b>"


async def make_key(page: Page, name: str, role: str) -> str:
    """Fill the form in, and give the key that is shown."""
    await page.get_by_label("What it is for").fill(name)
    await page.get_by_role("radio", name=role).check()
    await page.get_by_label("Good for").select_option(label="a year")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_role("status").first).to_contain_text("has its key")
    return await page.locator("#key").inner_text()


async def test_a_key_is_made_shown_once_changed_over_revoked_and_all_of_it_is_in_the_log(
    page: Page, console: Console
) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="API keys").click()
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    key = await make_key(page, "deployment pipeline", "Editor")
    assert key.startswith("dhk_")
    assert key not in page.url
    await make_key(page, SCRIPT, "Viewer")
    await picture(page, "keys")
    await page.get_by_role("link", name="API keys").click()
    await expect(page.locator("#key")).to_have_count(0)

    row = page.get_by_role("row").filter(has_text="deployment pipeline")
    await row.get_by_role("button", name="Make the successor").click()
    await expect(page.get_by_role("status").first).to_contain_text("goes on for a day at most")
    row = page.get_by_role("row").filter(has_text=key[:12])
    await row.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_role("row").filter(has_text=key[:12])).to_contain_text("Revoked")

    await page.get_by_role("link", name="Audit log").click()
    await expect(page.locator(".entry").first).to_contain_text("api_key.revoke")
    await page.locator(".entry summary").nth(0).click()
    await page.locator(".entry summary").nth(1).click()
    await expect(page.locator(".entry").nth(1)).to_contain_text("Replaces")
    await picture(page, "log")
    await page.get_by_label("What").fill("api_key.create")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.locator(".entry")).to_have_count(2)
    async with page.expect_download() as loading:
        await page.get_by_role("link", name="JSON Lines").click()
    text = (await (await loading.value).path()).read_text(encoding="utf-8")
    assert [line.count("api_key.create") for line in text.splitlines()] == [1, 1]
    await page.locator(".entry summary").nth(0).click()
    assert await page.evaluate("Boolean(window.__ran) || document.querySelectorAll('[data-canary]').length") == 0
    await expect(page.locator(".entry").first).to_contain_text("window.__ran")
