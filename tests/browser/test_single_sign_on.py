"""Single sign-on in a real browser: to a provider that somebody else wrote, and back, signed in; and out again."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect
from pyotp import TOTP
from tests.browser.test_second_factor import pass_time, secret_on, type_code
from tests.support.console import Console
from tests.support.identity import DESK, body
from tests.support.real_providers import mock_provider

from deskhand.access.sso import providers
from deskhand.access.sso.schemas import InstallationProviderCreate
from deskhand.appstate import SignInRules
from deskhand.ui.csrf import SESSION_COOKIE


async def picture(page: Page, name: str) -> None:
    """With DESKHAND_PICTURES naming a folder, take the picture; on a phone nothing may run over the edge."""
    for width, suffix in ((390, "-phone"), (1360, "")):
        await page.set_viewport_size({"width": width, "height": 860})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder := os.environ.get("DESKHAND_PICTURES"):
            await page.screenshot(path=Path(folder) / f"sso-{name}{suffix}.png")


async def register(console: Console, issuer: str) -> None:
    state = console.app.state.deskhand
    state.public_url = console.url
    rules = [{"group": DESK, "role": "operator", "tenant_id": "acme"}]
    for name in ("Contoso", "Fabrikam Identity of the Northern and Southern Branches"):
        data = InstallationProviderCreate.model_validate(body(issuer, name=name, role_rules=rules))
        async with console.db.platform_session() as session:
            await providers.create_provider(
                session, tenant_id=None, data=data, secrets=state.secrets, oidc=state.oidc, actor="test"
            )


async def sign_in_at(page: Page, console: Console, issuer: str) -> None:
    """From our sign-in page to the mock, and back to wherever that leads."""
    await page.goto(f"{console.url}/schedules")
    await page.get_by_role("button", name="Sign in with Contoso").click()
    await page.wait_for_url(re.compile(re.escape(issuer)), wait_until="commit")
    await page.locator("[name=sub]").first.fill("ann")
    await page.locator("[name=sub]").first.press("Enter")


async def test_whose_role_needs_a_second_factor_sets_it_up_after_the_provider(
    chromium: Browser, console: Console
) -> None:
    state = console.app.state.deskhand
    state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"operator"}))
    context = await chromium.new_context(reduced_motion="reduce")
    await context.route(re.compile("^https://"), lambda route: route.abort())
    page = await context.new_page()
    page.set_default_timeout(60_000)
    with mock_provider() as issuer:
        await register(console, issuer)
        answer = await page.request.put(
            f"{issuer}/users/ann", data={"email": "ann@acme.example", "name": "Ann Lee", "groups": [DESK]}
        )
        assert answer.status == 204
        await sign_in_at(page, console, issuer)
        await expect(page.get_by_text("Your account must have a second factor")).to_be_visible()
        await expect(page.get_by_label("Confirm with your password")).to_have_count(0)
        await picture(page, "enrol")
        secret = await secret_on(page)
        await page.get_by_label("Type the six digits").fill(TOTP(secret).now())
        await page.get_by_role("button", name="Use this app").click()
        await expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
        await page.get_by_role("link", name="I have kept them").click()
        await expect(page).to_have_url(f"{console.url}/schedules")
        await page.goto(f"{console.url}/account")
        await picture(page, "account")

        await context.clear_cookies(name=SESSION_COOKIE)
        await sign_in_at(page, console, issuer)
        await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        await picture(page, "code")
        then = pass_time(console, 90)
        await type_code(page, TOTP(secret).at(then))
        await expect(page).to_have_url(f"{console.url}/schedules")

        # Half an hour later the provider's word is no confirmation any more, and the page leads there and back.
        pass_time(console, 1900)
        await page.goto(f"{console.url}/second-factor?next=/account")
        await expect(page.get_by_text("It is a while since you signed in")).to_be_visible()
        await picture(page, "while-ago")
        await page.goto(f"{console.url}/account")
        await picture(page, "account-while-ago")
    await page.goto("about:blank")
    await context.close()


async def test_to_a_provider_and_back_and_out_again(chromium: Browser, console: Console) -> None:
    context = await chromium.new_context(reduced_motion="reduce")
    # The mock's pages ask a server on the internet for their style, for which a test must not wait.
    await context.route(re.compile("^https://"), lambda route: route.abort())
    page = await context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with mock_provider() as issuer:
        await register(console, issuer)
        answer = await page.request.put(
            f"{issuer}/users/ann", data={"email": "ann@acme.example", "name": "Ann Lee", "groups": [DESK]}
        )
        assert answer.status == 204
        await page.goto(f"{console.url}/schedules")
        await picture(page, "sign-in")
        await sign_in_at(page, console, issuer)
        await expect(page).to_have_url(f"{console.url}/schedules")
        await expect(page.locator(".who")).to_contain_text("acme")
        assert [text for text in complaints if "ERR_FAILED" not in text] == []

        await page.goto(f"{console.url}/schedules")
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url(re.compile(re.escape(issuer)), wait_until="commit")
        await page.goto(f"{console.url}/schedules")
        await expect(page.get_by_role("button", name="Sign in with Contoso")).to_be_visible()
    await page.goto("about:blank")
    await context.close()
