"""What waits for a technician of two tenants, in a real browser: seen, declined, changed and approved."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.api import Api
from tests.support.approvals import waiting_approval
from tests.support.console import Console
from tests.support.notices import mailed_link
from tests.support.people import account
from tests.support.pictures import pictures

picture = pictures("approvals")

NOTE = "Hello Ann,\n\n1. Open the menu.\n2. Choose *Restart* <b>now</b>."


async def test_a_technician_looks_declines_changes_and_approves(page: Page, console: Console) -> None:
    agent = await console.agent()

    async def asks(number: str, **columns: object) -> str:
        run = await console.execution(
            agent, ticket=number, status="waiting", attempt=1, error_code="approval-needed", error_message="Waits."
        )
        await waiting_approval(console.db, "acme", run, **columns)
        return str(run)

    for number in ("1042", "1043"):
        await asks(number, ticket_id=number, ticket={"number": number, "subject": "Printer offline", "priority": "low"})
    reply = {"operation": "reply", "arguments": {"body": NOTE}, "risk": "high", "likeness": "2" * 64}
    run = await asks("1044", ticket_id="1044", digest="5" * 64, **reply)

    await page.goto(f"{console.url}/executions/{run}")
    await expect(page.locator("#asks")).to_contain_text("This run asks before it writes.")
    await page.get_by_role("link", name="Look at what it would change").click()
    await expect(page.locator(".differences .after")).to_have_text(NOTE)
    await picture(page, "detail")
    await page.get_by_text("Change the arguments").click()
    await page.get_by_label("Arguments (JSON)").fill('{"body": "Hello Ann, please restart it."}')
    await page.get_by_role("button", name="Change", exact=True).click()
    await expect(page.locator(".differences .after")).to_have_text("Hello Ann, please restart it.")
    await page.get_by_label("Why not").fill("Ask her first which device it is.")
    await page.get_by_role("button", name="Decline").click()

    await expect(page.get_by_role("status").first).to_contain_text("Declined; the model reads why.")
    await expect(page.locator(".differences")).to_have_count(2)
    await expect(page.locator(".differences .before").first).to_have_text("low")
    await picture(page, "list")
    await page.get_by_role("button", name="Approve all 2").click()
    await expect(page.get_by_role("status").first).to_contain_text("2 calls are approved")
    await expect(page.get_by_role("heading", name="Nothing waits for you")).to_be_visible()


@pytest.mark.parametrize("width", [1360, 390], ids=["desktop", "phone"])
async def test_a_link_in_a_mail_is_looked_at_and_answered_without_signing_in(
    chromium: Browser, console: Console, width: int
) -> None:
    run = await console.execution(await console.agent(), status="waiting", attempt=1, error_code="approval-needed")
    asked = await waiting_approval(console.db, "acme", run)
    await account(Api(console.url, console.app, console.app.state.deskhand), "ann@acme.example", acme="operator")
    token = await mailed_link(console.db, "acme", str(asked), "ann@acme.example")
    context = await chromium.new_context(viewport={"width": width, "height": 800})
    try:
        page = await context.new_page()
        await page.goto(f"{console.url}/approvals/link?token={token}")
        await expect(page.locator(".differences .after")).to_have_text("high")
        await expect(page.locator("#reason")).to_have_text("Half the floor reports it.")
        await expect(page.get_by_text("You answer as ann@acme.example, once.")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if folder := os.environ.get("DESKHAND_PICTURES"):
            await page.screenshot(path=Path(folder) / f"approvals-link-{width}.png", full_page=True)
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("#state")).to_contain_text("Approved by user:ann@acme.example.")
        assert "token" not in page.url
        await page.goto(f"{console.url}/approvals/link?token={token}")
        await expect(page.get_by_text("This was approved already by user:ann@acme.example")).to_be_visible()
    finally:
        await context.close()
