"""The second factor in a real browser: enrolling, signing in with a code or a recovery code, and being led to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect
from pyotp import TOTP
from tests.browser.test_people import PASSWORD, first_link, picture, set_password, sign_in, visitor
from tests.support.console import Console

from deskhand.access.people import administration
from deskhand.appstate import SignInRules

__all__ = ["visitor"]
ADMIN = administration.FIRST_ADMINISTRATOR


async def secret_on(page: Page) -> str:
    """The key that the page offers to those who type it."""
    await page.get_by_text("Or type the key into it").click()
    return (await page.locator("#secret").inner_text()).replace(" ", "")


async def enrol(page: Page) -> tuple[str, list[str]]:
    """Set up an app as a person does; its secret, and the recovery codes."""
    secret = await secret_on(page)
    box = await page.locator(".qr svg").bounding_box()
    assert box is not None
    assert box["width"] > 150, "large enough for a camera"
    await page.get_by_label("Type the six digits").fill(TOTP(secret).now())
    await page.get_by_label("Confirm with your password").fill(PASSWORD)
    await page.get_by_role("button", name="Use this app").click()
    await expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
    codes = await page.locator(".codes code").all_inner_texts()
    assert len(set(codes)) == 10
    return secret, codes


async def type_code(page: Page, code: str) -> None:
    await page.get_by_label("code").fill(code)
    await page.get_by_role("button", name="Go on").click()


def pass_time(console: Console, seconds: int) -> datetime:
    """Let the server's clock go on: the step of a used code is used up, and nobody should wait for the next one."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    console.app.state.deskhand.clock = lambda: then
    return then


async def test_a_person_enrols_and_signs_in_with_the_phone_and_without_it(visitor: Page, console: Console) -> None:
    page = visitor
    await set_password(page, await first_link(console))
    await sign_in(page, ADMIN)
    await expect(page).to_have_url(f"{console.url}/tenants")
    await page.goto(f"{console.url}/account")
    await picture(page, "account-without-factor")
    await page.get_by_role("link", name="Set up an authenticator app").click()
    await picture(page, "enrol")
    secret, codes = await enrol(page)
    await picture(page, "recovery-codes")
    await page.get_by_role("link", name="I have kept them").click()
    await expect(page).to_have_url(f"{console.url}/account")
    await expect(page.get_by_text("10 of 10 recovery codes are left")).to_be_visible()
    await picture(page, "account-with-factor")

    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, ADMIN)
    await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    await page.goto(f"{console.url}/tenants")
    await expect(page).to_have_url(f"{console.url}/second-factor?next=/tenants")
    then = pass_time(console, 90)
    await type_code(page, TOTP(secret).at(then, counter_offset=10))
    await expect(page.get_by_role("alert")).to_contain_text("This code is wrong")
    await picture(page, "code")
    await type_code(page, TOTP(secret).at(then))
    await expect(page).to_have_url(f"{console.url}/tenants")

    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, ADMIN)
    await page.get_by_role("link", name="Use a recovery code").click()
    await picture(page, "recovery-code")
    await type_code(page, codes[6])
    await expect(page).to_have_url(f"{console.url}/tenants")
    await page.goto(f"{console.url}/account")
    await expect(page.get_by_text("9 of 10 recovery codes are left")).to_be_visible()


async def test_whose_role_needs_one_is_led_to_it(visitor: Page, console: Console) -> None:
    page = visitor
    console.app.state.deskhand.sign_in_rules = SignInRules(second_factor_roles=frozenset({"platform_admin"}))
    await set_password(page, await first_link(console))
    await sign_in(page, ADMIN)
    for path in ("/", "/tenants", "/account"):
        await page.goto(console.url + path)
        await expect(page.get_by_text("Your account must have a second factor")).to_be_visible()
    await picture(page, "led-to-enrol")
    await enrol(page)
    await page.get_by_role("link", name="I have kept them").click()
    await expect(page).to_have_url(f"{console.url}/account")
    await expect(page.get_by_text("so you can change it and not remove it")).to_be_visible()
