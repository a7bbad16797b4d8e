"""A person's first run, in the browser alone: from the link that `deskhand up` prints to the first note on a ticket.

What happens at the desk (where its webhooks go, a ticket that somebody files) happens at the desk; everything else is
clicked and typed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from playwright.async_api import Page, expect
from tests.support.desks import DESK_KEY, Desk
from tests.support.people import PASSWORD

from deskhand.access.people.administration import FIRST_ADMINISTRATOR

PATIENCE = 300_000
"""Milliseconds that a model may take for the first note; the rest waits as long as a page does."""


async def first_run(page: Page, link: str, desk: Desk) -> AsyncIterator[str]:
    """Walk through it; each step's name comes when it is done.

    Args:
        page: A browser in which nobody is signed in.
        link: What was printed.
        desk: A ServiceDesk Plus.
    """
    await _administrator(page, link)
    yield "an administrator who is signed in"
    await _tenant(page, desk.url)
    yield "a tenant with its desk, joined"
    await _desk(page, desk)
    yield "the desk tried, and told where to report"
    await _agent(page)
    yield "an agent from a template, switched on"
    ticket = await desk.file_ticket()
    await _nav(page, "Executions")
    await page.locator("tr.completed .row-link").first.click(timeout=PATIENCE)
    await expect(page.get_by_role("heading", name="Note on the ticket")).to_be_visible()
    [note] = await desk.notes(ticket)
    assert note["body"]
    yield "the first note on a ticket"


async def _nav(page: Page, name: str) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


async def _administrator(page: Page, link: str) -> None:
    await page.goto(link)
    for box in ("password", "again"):
        await page.locator(f"input[name={box}]").fill(PASSWORD)
    await page.locator("form button[type=submit]").click()
    await page.get_by_label("Email address").fill(FIRST_ADMINISTRATOR)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def _tenant(page: Page, desk_url: str) -> None:
    await page.get_by_role("link", name="Make the first one").click()
    await page.get_by_role("link", name="Begin with ManageEngine ServiceDesk Plus").click()
    boxes = {"name": "Acme", "tenant_id": "acme"}
    boxes |= {"field-servicedesk_url": desk_url, "field-servicedesk_api_key": DESK_KEY}
    for box, text in boxes.items():
        await page.locator(f"#{box}").fill(text)
    await page.get_by_role("button", name="Make the tenant").click()
    await page.get_by_role("button", name="Yes, join").click()
    await expect(page.get_by_role("heading", name="Home")).to_be_visible()


async def _desk(page: Page, desk: Desk) -> None:
    await _nav(page, "Desks")
    await page.get_by_role("link", name="ManageEngine ServiceDesk Plus", exact=True).click()
    await page.get_by_role("button", name="Test the connection").click()
    await expect(page.get_by_role("heading", name="The connection works")).to_be_visible()
    await page.get_by_role("link", name="Set-up text for the desk").click()
    await page.get_by_role("button", name="Make a new secret").click()
    secret = await page.locator("#secret").inner_text()
    path = re.search(r"/webhooks/acme/\w+", await page.locator(".setup-text").inner_text())
    assert path is not None, "the text says where the desk reports"
    origin = page.url.partition("/tenants/")[0]
    pasted = await desk.client.put("/_sim/webhooks", json={"url": origin + path[0], "secret": secret})
    pasted.raise_for_status()


async def _agent(page: Page) -> None:
    await _nav(page, "Agents")
    await page.get_by_role("link", name="Begin from a template").click()
    await page.get_by_role("button", name="Begin from First look").click()
    await page.get_by_role("button", name="Activate").click()
    await expect(page.locator("#state")).to_have_text("Active")
