"""What people decide about runs, by the buttons and forms of the console."""

from __future__ import annotations

import json
import re

from playwright.async_api import Page, expect
from tests.support.console import Console
from tests.support.decisions import MARK, in_doubt, replayed, second_version, write


async def test_a_doubt_is_shown_with_what_to_look_for_and_answered_by_a_button(page: Page, console: Console) -> None:
    run = await in_doubt(console, await console.agent())
    await page.goto(f"{console.url}/executions/{run}")

    question = page.locator(".question")
    await expect(question).to_contain_text("Check the certificate")
    await expect(question).to_contain_text(MARK)
    await expect(question.get_by_role("link", name="#1042")).to_have_attribute("href", re.compile("woID=1042"))
    await question.get_by_label("Its id at the desk").fill("50311")
    await question.get_by_role("button", name="It was done").click()

    await expect(page.locator(".title .badge")).to_have_text("Queued")
    await expect(page.locator(".question")).to_have_count(0)
    await page.locator("summary", has_text="Add note").click()
    await expect(page.locator("details[open] .io")).to_contain_text('"id": "50311"')


async def test_a_run_is_replayed_with_another_version_and_both_pages_say_so(page: Page, console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    run, _ = await replayed(console, agent)
    await page.goto(f"{console.url}/executions/{run}")

    await page.get_by_role("link", name="Replay", exact=True).click()
    await page.get_by_label("Version of").select_option("2")
    await expect(page.get_by_label("Dry run")).to_be_checked()
    await page.get_by_role("button", name="Start the replay").click()

    await expect(page.locator(".title .tag")).to_have_text(["Dry run", "Replay"])
    await expect(page.locator(".facts")).to_contain_text("v2")
    await page.locator("#replay-of").click()
    await expect(page).to_have_url(f"{console.url}/executions/{run}")
    await page.locator("#replays").get_by_role("link", name="v1, dry run").click()
    await expect(page.locator("#note-title")).to_have_text("Dry run: the note it would have written")
    await expect(page.locator(".sides .prose")).to_have_count(2)
    await expect(page.locator(".step.intent")).to_contain_text("Would add note")


async def test_an_input_is_mended_and_many_failures_are_dealt_with_at_once(page: Page, console: Console) -> None:
    agent = await console.agent()
    await second_version(console, agent)
    runs = [await console.execution(agent, ticket=str(n), status="failed", ago=100 - n) for n in range(3)]
    await write(console, runs[0], output={"id": "7"})
    await page.goto(f"{console.url}/executions/{runs[0]}")

    await page.get_by_role("link", name="Edit and retry").click()
    mended = json.loads(await page.get_by_label("Input (JSON)").input_value())
    await page.get_by_label("Input (JSON)").fill('{"request": ')
    await page.get_by_role("button", name="Retry with this").click()
    await expect(page.get_by_role("alert")).to_contain_text("not JSON")
    await expect(page.get_by_label("Input (JSON)")).to_have_value('{"request": ')
    mended["request"]["subject"] = "Printer is back"
    await page.get_by_label("Input (JSON)").fill(json.dumps(mended))
    await page.get_by_role("button", name="Retry with this").click()
    await expect(page.get_by_role("alert")).to_contain_text("has written to ticket 0 already")
    await page.get_by_label("I have looked at the ticket").check()
    await page.get_by_role("button", name="Retry with this").click()
    await expect(page.locator("h1")).to_have_text("Printer is back")

    await page.goto(f"{console.url}/executions?status=attention")
    await page.get_by_role("link", name="Retry all failed").click()
    await expect(page.locator("h1")).to_have_text("Retry 2 failed runs?")
    await page.get_by_role("button", name="Retry 2").click()
    await expect(page.get_by_role("status").first).to_contain_text("2 runs are in the queue again.")
    await expect(page.locator("tbody tr")).to_have_count(0)
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser reports the two refused forms (422, 409)
