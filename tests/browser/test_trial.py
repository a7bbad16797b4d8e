"""An agent tried out in a real browser, on the real stack: from its page to the note as it would look, and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect
from tests.conftest import DatabaseUrls
from tests.flows.test_first_light import with_history
from tests.support.pictures import pictures
from tests.support.product import Product, running_product

from deskhand.kit.db.session import Database

picture = pictures("try")
SUBJECT = "VPN drops after the update"
PATIENT = 90_000
"""For a run's end, on a machine that does much else."""
SCRIPT = "<img src=x onerror=window.__ran=1> مرحبا 🖨️ " + "long" * 30


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    theme = "dark" if os.environ.get("DESKHAND_PICTURES_DARK") else "light"
    opened = await chromium.new_context(
        viewport={"width": 1280, "height": 860}, reduced_motion="reduce", color_scheme=theme
    )
    yield opened
    await opened.close()


async def signed_in(context: BrowserContext, product: Product, key: str, path: str) -> Page:
    page = await context.new_page()
    page.set_default_timeout(30_000)
    await page.goto(f"{product.api.url}{path}")
    await page.get_by_role("link", name="Use an API key").click()
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**{path}")
    return page


async def test_a_draft_is_tried_seen_tried_again_and_compared(context: BrowserContext, product: Product) -> None:
    customer = await product.customer(active=False)
    await with_history(product, customer)
    ticket, evil = await product.desk.file_ticket(subject=SUBJECT), await product.desk.file_ticket(subject=SCRIPT)
    known = await customer.client.post(f"/api/v1/agents/{customer.agent_id}/try", json={"ticket_ref": evil})
    assert known.status_code == 202
    changed = {"system_prompt": "Answer in one line, and cite what you used."}
    await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=changed)
    await product.start_worker()
    page = await signed_in(context, product, customer.key, f"/agents/{customer.agent_id}")

    await page.get_by_role("link", name="Try it").click()
    await expect(page.get_by_role("heading", name="Try First look")).to_be_visible()
    await expect(page.locator(".picks button")).to_contain_text("مرحبا")
    await expect(page.get_by_label("Number at the desk")).to_be_focused()
    await picture(page, "form")
    await page.keyboard.type("999999999999")
    await page.keyboard.press("Enter")
    await expect(page.locator("#fault-ticket_ref")).to_contain_text("shows no ticket 999999999999")
    await expect(page.get_by_label("Number at the desk")).to_have_value("999999999999")
    await picture(page, "refused")
    await page.get_by_label("Number at the desk").fill(ticket)
    await page.keyboard.press("Enter")

    await page.wait_for_url("**/executions/*")
    await expect(page.locator(".title .badge")).to_have_text("Completed", timeout=PATIENT)
    await expect(page.locator(".title .tag")).to_have_text(["Dry run"])
    await expect(page.locator("h1")).to_have_text(SUBJECT)
    await expect(page.locator("#note-title")).to_have_text("Dry run: the note it would have written")
    await expect(page.locator(".note .prose")).to_contain_text("INV-1001")
    await expect(page.locator(".intents")).to_contain_text("Would add note")
    await expect(page.locator(".facts")).to_contain_text("Tried by hand")
    await picture(page, "run")

    await page.get_by_role("link", name="Try again").click()
    await expect(page.get_by_label("Number at the desk")).to_have_value(ticket)
    await page.get_by_label("Beside it").select_option("1")
    await page.get_by_role("button", name="Try it on this ticket").click()
    await expect(page.locator(".sides .badge")).to_have_text(["Completed", "Completed"], timeout=PATIENT)
    await expect(page.locator(".sides h2")).to_have_text(["Version 1", "Version 2"])
    await expect(page.locator(".sides .prose")).to_have_count(2)
    await picture(page, "compared")
    await page.get_by_role("link", name="What differs in the agent").click()
    await expect(page.locator(".diff ins")).to_have_text(["Answer in one line, and cite what you used."])

    await page.go_back()
    await page.get_by_role("link", name="Try again").click()
    await page.locator(".picks button", has_text="مرحبا").click()
    await page.wait_for_url("**/executions/*")
    await expect(page.locator(".title .badge")).to_have_text("Completed", timeout=PATIENT)
    assert await page.evaluate("Boolean(window.__ran)") is False
    await page.get_by_role("link", name="Back to the editor").click()
    await expect(page).to_have_url(re.compile(f"/agents/{customer.agent_id}/edit$"))
    await page.goto(f"{product.api.url}/home")
    await expect(page.locator(".home")).to_contain_text("5 dry runs")
    assert [(await product.desk.effects(one))["notes"] for one in (ticket, evil)] == [0, 0]
    await page.goto("about:blank")


async def test_a_pasted_event_is_tried_and_what_is_wrong_with_it_said(
    context: BrowserContext, product: Product
) -> None:
    customer = await product.customer(active=False)
    ticket = await product.desk.file_ticket(subject=SUBJECT)
    await product.start_worker()
    page = await signed_in(context, product, customer.key, f"/agents/{customer.agent_id}/try")
    await page.get_by_text("Or on an event, pasted").click()
    for typed, words in (('{"event": ', "it is not JSON"), ("[1]", "must be a JSON object"), ("{}", "not a Service")):
        await page.get_by_label("Body of the event").fill(typed)
        await page.get_by_role("button", name="Try it on this event").click()
        await expect(page.locator("#fault-payload")).to_contain_text(words)
        await expect(page.get_by_label("Body of the event")).to_have_value(typed)
    await picture(page, "event")
    await page.get_by_label("Body of the event").fill(event(ticket, SUBJECT).decode())
    await page.get_by_role("button", name="Try it on this event").click()
    await page.wait_for_url("**/executions/*")
    await expect(page.locator(".title .badge")).to_have_text("Completed", timeout=PATIENT)
    await page.get_by_role("link", name="Try again").click()
    await expect(page.get_by_label("Body of the event")).to_have_value(re.compile(f'"request_id": "{ticket}"'))
    await page.goto("about:blank")


def event(ticket: str, subject: str) -> bytes:
    """What the desk sends about a ticket."""
    return json.dumps({"event": "request.created", "request_id": ticket, "subject": subject}).encode()
