"""People in a real browser: from the first link to a colleague who signs in, and from tenant to tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.console import Console
from tests.support.pictures import pictures

from deskhand.access.people import administration

picture = pictures("people", whole=False)

PASSWORD = "turnip lantern river comet"
OTHER_PASSWORD = "glacier whistle tandem orchid"


@pytest.fixture
async def visitor(chromium: Browser, console: Console) -> AsyncIterator[Page]:
    """A page of somebody who is not signed in; any console error or refused resource fails the test."""
    context = await chromium.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    await page.goto("about:blank")
    await context.close()
    expected = ("401 (Unauthorized)", "422 (Unprocessable")  # the browser says so of the refusals these tests ask for
    assert [text for text in complaints if "ERR_ABORTED" not in text and not any(one in text for one in expected)] == []


async def first_link(console: Console) -> str:
    async with console.db.platform_session() as session:
        link = await administration.first_administrator(session, actor="command-line", now=datetime.now(UTC))
    assert link is not None
    return link.url(console.url)


async def set_password(page: Page, url: str, password: str = PASSWORD) -> None:
    await page.goto(url)
    await page.get_by_label("New password").fill(password)
    await page.get_by_label("The same once more").fill(password)
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.get_by_role("status").first).to_have_text("Your password is set. Sign in with it.")


async def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Email address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def test_from_the_first_start_to_a_colleague_who_works(visitor: Page, console: Console, make_tenant) -> None:
    page = visitor
    await make_tenant("globex")
    url = await first_link(console)
    await page.goto(url)
    await page.get_by_label("New password").fill("passwordpassword")
    await page.get_by_label("The same once more").fill("passwordpassword")
    await page.get_by_role("button", name="Set the password").click()
    await expect(page.get_by_role("alert")).to_contain_text("attackers try first")
    await picture(page, "link")
    await set_password(page, url)

    await sign_in(page, administration.FIRST_ADMINISTRATOR, "not this one at all")
    await expect(page.get_by_role("alert")).to_have_text("The email address or the password is wrong.")
    await picture(page, "sign-in")
    await sign_in(page, administration.FIRST_ADMINISTRATOR)
    await expect(page).to_have_url(f"{console.url}/tenants")
    await expect(page.get_by_role("row", name="Acme")).to_contain_text("ServiceDesk Plus")
    await picture(page, "tenants")

    await page.get_by_role("link", name="Acme", exact=True).click()
    links: dict[str, str] = {}
    for email, name, role, said in (
        ("admin@localhost", "", "Tenant admin", "admin@localhost is asked"),
        ("ann@example.com", "Ann Lee", "Operator", "ann@example.com is in"),
    ):
        await page.get_by_label("Email address").fill(email)
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("radio", name=role).check()
        await page.get_by_role("button", name="Let in").click()
        await expect(page.get_by_role("status").first).to_contain_text(said)
        links[email] = (await page.locator("#link").inner_text()).replace("http://deskhand.example.com", console.url)
    await picture(page, "members")
    assert "token=" not in page.url

    await page.goto(links["admin@localhost"])
    await expect(page.get_by_role("heading", name="Join Acme?")).to_be_visible()
    await picture(page, "join")
    await page.get_by_role("button", name="Yes, join").click()
    await expect(page).to_have_url(f"{console.url}/home")
    await page.locator(".switcher summary").click()
    await page.get_by_role("button", name="Platform").click()
    await expect(page).to_have_url(f"{console.url}/tenants")
    await page.locator(".switcher summary").click()
    await picture(page, "switcher")
    await page.locator(".switcher summary").press("Enter")
    await page.locator(".switcher summary").press("Enter")
    await page.get_by_role("button", name="Acme").click()
    await expect(page).to_have_url(f"{console.url}/home")
    await expect(page.locator(".who .tenant")).to_have_text("acme")
    await page.get_by_role("button", name="Sign out").click()

    await set_password(page, links["ann@example.com"])
    await sign_in(page, "ann@example.com")
    await expect(page).to_have_url(f"{console.url}/home")
    await expect(page.get_by_role("link", name="People")).to_have_count(0)


async def test_a_person_changes_the_password_and_comes_back_where_the_way_led(visitor: Page, console: Console) -> None:
    page = visitor
    await set_password(page, await first_link(console))
    await page.goto(f"{console.url}/account")
    await expect(page).to_have_url(f"{console.url}/login?next=/account")
    await sign_in(page, administration.FIRST_ADMINISTRATOR)
    await expect(page).to_have_url(f"{console.url}/account")

    await page.get_by_label("Present password").fill(PASSWORD)
    await page.get_by_label("New password").fill(OTHER_PASSWORD)
    await page.get_by_label("The same once more").fill(OTHER_PASSWORD)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_role("status").first).to_contain_text("Your password is changed")
    await picture(page, "account")

    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, administration.FIRST_ADMINISTRATOR, OTHER_PASSWORD)
    await expect(page).to_have_url(f"{console.url}/tenants")
