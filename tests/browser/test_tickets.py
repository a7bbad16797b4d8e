"""Tickets in a real browser: found, read, judged, in both themes and on a phone."""

from __future__ import annotations

from playwright.async_api import Page, expect
from tests.support.console import Console
from tests.support.pictures import pictures
from tests.support.tickets import DESK, build_past, read_of
from tests.support.verdicts import kept

LONG = "\U0001f525 تعذر الاتصال بالشبكة: the VPN client of the whole finance department stops " + "again and " * 12
picture = pictures("tickets")


async def test_a_ticket_is_found_and_its_note_judged_with_the_keyboard(page: Page, console: Console) -> None:
    past = await build_past(console)
    await page.goto(f"{console.url}/tickets")
    await page.get_by_role("searchbox").fill("1059")
    await page.get_by_role("searchbox").press("Enter")
    await expect(page).to_have_url(f"{console.url}/tickets?q=1059")
    await page.locator("a.row-link").focus()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(console.url + past.page)
    await expect(page.locator("#note-1 .prose")).to_contain_text("renew it as in KB-214")
    await page.locator("#note-1-earlier summary").press("Enter")
    await expect(page.locator("#note-1-earlier .quoted").first).to_contain_text("Check the certificate")
    await page.get_by_label("Why, if you like").fill("It was the certificate indeed.")
    await page.get_by_role("button", name="It helped: note 1").press("Enter")
    await expect(page.locator("#note-1 .verdicts")).to_contain_text("It was the certificate indeed.")
    assert ("thumbs_up", "It was the certificate indeed.") in [(one[1], one[3]) for one in await kept(console)]


async def test_the_list_of_runs_leads_to_the_ticket_and_to_the_run(page: Page, console: Console) -> None:
    past = await build_past(console)
    await page.goto(f"{console.url}/executions")
    await page.locator(f"#ticket-of-{past.second}").click()
    await expect(page).to_have_url(console.url + past.page)
    await page.go_back()
    await page.locator(f"#open-{past.second}").click()
    await expect(page).to_have_url(f"{console.url}/executions/{past.second}")
    await page.locator("#crumb-ticket").click()
    await expect(page).to_have_url(console.url + past.page)


async def test_pictures_of_tickets(page: Page, console: Console) -> None:
    past = await build_past(console)
    long = await console.execution(
        past.agent, ticket="T" * 90, ago=3, status="failed", error_message="No answer. " * 30
    )
    await console.step("acme", long, "get_ticket", **read_of("T" * 90, "N" * 90, subject=LONG))
    body = {"body": f"| a | b |\n|---|---|\n| {'x' * 200} | y |\n\n{LONG}"}
    await console.step("acme", long, "add_note", kind="write", input=body, output={"id": "1"})
    await console.step("acme", long, "update_ticket", kind="write", input={"subject": "w" * 300}, output={"id": "2"})
    until = (await console.now()).isoformat()
    await console.step(
        "acme", long, "ask_requester", kind="write", step_key="a", input={"body": "Which?"}, output={"id": "3"}
    )
    await console.step("acme", long, "await_requester", kind="compute", step_key="await_requester:a", state="started",
                       input={"question": LONG, "round": 1, "until": until})  # fmt: skip
    await page.set_viewport_size({"width": 1280, "height": 860})
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        for name, path in (("list", "/tickets"), ("one", past.page), ("long", f"/tickets/{DESK}/{'T' * 90}"),
                           ("nothing", "/tickets?q=nothing")):  # fmt: skip
            await page.goto(console.url + path)
            await expect(page.locator("h1")).to_be_visible()
            await picture(page, f"{name}-{theme}")
