"""The console in a real browser, on rows of a real database. The ``page`` fixture fails a test on any console error."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.async_api import Page, expect
from tests.support.console import Console
from tests.support.scene import NOTE, build_scene


async def test_the_list_shows_every_run_with_what_matters(page: Page, console: Console) -> None:
    await build_scene(console)

    await page.goto(f"{console.url}/executions")

    await expect(page.locator("tbody tr")).to_have_count(10)
    row = page.locator("tr", has_text="VPN stops at")
    for text in ("Completed", "#1059", "Triage notes", "Webhook", "9.1 s", "2,073", "$0.00046"):
        await expect(row).to_contain_text(text)
    await expect(page.locator("tr", has_text="Laptop very slow").locator(".c-cost")).to_have_text("unknown")
    await expect(page.locator("tr", has_text="Teams room").locator(".c-cost")).to_have_text("–")


async def test_a_new_run_and_its_end_appear_without_reload(page: Page, console: Console) -> None:
    agent = await console.agent()
    await page.goto(f"{console.url}/executions")
    await expect(page.get_by_role("heading", name="No executions yet")).to_be_visible()
    await expect(page.locator(".first-event")).to_contain_text(f"/agents/{agent.id}/webhook")
    await page.evaluate("window.notReloaded = true")

    run = await console.execution(agent, ticket="77", status="running", attempt=1)
    await expect(page.locator("tr", has_text="#77")).to_contain_text("Running")
    await console.change("acme", run, status="completed", completed_at=await console.now())
    await expect(page.locator("tr", has_text="#77")).to_contain_text("Completed")

    assert await page.evaluate("window.notReloaded") is True


async def test_the_timeline_tells_the_whole_run(page: Page, console: Console) -> None:
    run = await build_scene(console)

    await page.goto(f"{console.url}/executions")
    await page.get_by_role("link", name="VPN stops at").click()

    await expect(page).to_have_url(f"{console.url}/executions/{run}")
    await expect(page.locator(".prose strong", has_text="#1007")).to_be_visible()
    await expect(page.locator(".sources li")).to_have_count(4)
    names = await page.locator(".step .name").all_inner_texts()
    expected = ["Webhook", "Get ticket", "Search tickets", "Search knowledge", "Find systems"]
    assert names == [*expected, "Draft note", "Check note", "Add note"]
    await expect(page.locator("#note-source pre")).to_be_hidden()
    await page.get_by_text("As it was written").click()
    assert await page.locator("#note-source pre").inner_text() == NOTE
    await page.locator("summary", has_text="Search tickets").click()
    await expect(page.locator("details[open] .io")).to_contain_text('"id": "1007"')
    await expect(page.locator(".facts")).to_contain_text("9.3 s")


async def test_a_running_timeline_grows_and_keeps_what_the_reader_opened(page: Page, console: Console) -> None:
    agent = await console.agent()
    run = await console.execution(agent, status="running", attempt=1, started_at=await console.now())
    await console.step("acme", run, "get_ticket", output={"subject": "Printer offline"})
    await page.goto(f"{console.url}/executions/{run}")
    await page.locator("summary", has_text="Get ticket").click()

    await console.step("acme", run, "draft_note", kind="model", state="started")
    await expect(page.locator("summary", has_text="Draft note")).to_contain_text("Running")
    await expect(page.locator("details[open] .io")).to_contain_text("Printer offline")

    note = {"markdown": "**Turn it on.** <script>alert(1)</script>", "confidence": "low", "sources": []}
    await console.change(
        "acme", run, status="completed", completed_at=await console.now(), output_result={"note": note}
    )
    await expect(page.locator(".prose")).to_have_text("Turn it on. <script>alert(1)</script>")
    await expect(page.locator("#execution")).not_to_have_attribute("hx-get", re.compile("."))
    await expect(page.locator("#announcer")).to_have_text("Completed")
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


async def test_cancel_and_retry_by_keyboard_alone(page: Page, console: Console) -> None:
    run = await console.execution(await console.agent())
    await page.goto(f"{console.url}/executions")

    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to content")).to_be_focused()
    link = page.get_by_role("link", name="Printer offline")
    for _ in range(40):
        if await link.evaluate("node => node === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{console.url}/executions/{run}")

    await page.get_by_role("button", name="Cancel").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".title .badge")).to_have_text("Cancelled")
    await page.get_by_role("button", name="Retry").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".title .badge")).to_have_text("Queued")


async def test_filters_make_short_addresses_that_can_be_shared(page: Page, console: Console) -> None:
    await build_scene(console)
    await page.goto(f"{console.url}/executions")

    await page.get_by_label("Agent").select_option(label="Hardware desk")
    await expect(page).to_have_url(re.compile(r"/executions\?agent=[0-9a-f-]{36}$"))
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.get_by_role("link", name="Failed").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.get_by_role("link", name="Clear").click()
    await expect(page).to_have_url(f"{console.url}/executions?status=failed")


async def test_the_policy_stops_a_script_that_got_into_the_page(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/executions")
    refused = await page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener("securitypolicyviolation", event => resolve(event.effectiveDirective));
            document.body.insertAdjacentHTML("beforeend", "<div style='color: red'></div>");
        })"""
    )
    ran = await page.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.ran = true";
                   document.body.append(script); return window.ran === true; }"""
    )
    assert refused == "style-src-attr"
    assert ran is False
    page.complaints.clear()  # type: ignore[attr-defined]  # the two refusals are what this test is about


async def test_nothing_runs_over_the_edge_of_a_phone(page: Page, console: Console) -> None:
    """With DESKHAND_PICTURES naming a folder, also takes the pictures of the documentation."""
    run = await build_scene(console)
    folder = os.environ.get("DESKHAND_PICTURES")
    for name, path in (("executions", "/executions"), ("timeline", f"/executions/{run}"), ("schedules", "/schedules")):
        await page.set_viewport_size({"width": 1200, "height": 720})
        await page.goto(f"{console.url}{path}")
        if folder:
            await page.screenshot(path=Path(folder) / f"console-{name}.png", full_page=name == "timeline")
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
