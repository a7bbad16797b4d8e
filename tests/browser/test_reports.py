"""Costs and performance in a real browser: by keyboard, in both themes, as wide as a desktop and a phone."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.support.console import Console
from tests.support.pictures import pictures

picture = pictures("reports")
LONG = "An agent whose name is as long as names may be and that nobody shortened " * 3


async def runs(console: Console) -> None:
    """A month of runs of four agents, some failed, some of unknown price, some trials."""
    agents = [await console.agent(name=name) for name in ("Triage notes", "Digest", LONG[:255], "مساعد الطابعات 🖨")]
    now = await console.now()
    for number in range(60):
        at = now - timedelta(hours=11 * number)
        ended: dict[str, Any] = {"status": "completed", "completed_at": at + timedelta(seconds=4 + number)}
        if number % 9 == 4:
            ended = {"status": "failed", "error_code": ("desk-auth", "model-timeout")[number % 2], "completed_at": at}
        await console.execution(
            agents[number % 4], ticket=str(1000 + number), attempt=1, queued_at=at, started_at=at,
            mode="dry_run" if number % 10 == 7 else "live",
            cost_usd=None if number % 15 == 3 else Decimal(number + 1) / 7000,
            token_usage={"input_tokens": 1200 + number, "output_tokens": 180, "model_calls": 2}, **ended,
        )  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_what_was_spent_is_found_with_the_keyboard(page: Page, console: Console, theme: Any) -> None:
    await runs(console)
    await page.emulate_media(color_scheme=theme)
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Costs").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
    await expect(page.get_by_role("img", name="Spent each day")).to_be_visible()
    await picture(page, f"costs-{theme}")
    await page.get_by_text("The figures as a table").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".chart tbody tr")).to_have_count(30)
    await page.locator("select[name=group]").select_option("agent")
    await page.get_by_label("Days by the clock of").fill("Europe/Berlin")
    await page.get_by_label("Days by the clock of").press("Enter")
    await page.wait_for_url(re.compile("group=agent"))
    await expect(page.get_by_role("heading", name="By agent")).to_be_visible()
    await expect(page.get_by_text("days as they begin in Europe/Berlin")).to_be_visible()
    rows = page.locator("section[aria-labelledby=rows] tbody tr")
    await expect(rows).to_have_count(4)
    await picture(page, f"costs-agents-{theme}")

    await page.get_by_role("navigation", name="Figures").get_by_role("link", name="Performance").click()
    await expect(page.get_by_role("heading", name="Slowest agents first")).to_be_visible()
    await expect(page.get_by_role("row", name="Desk credentials refused")).to_be_visible()
    await picture(page, f"performance-{theme}")


async def test_the_file_adds_up_to_what_the_page_shows(page: Page, console: Console) -> None:
    await runs(console)
    await page.goto(f"{console.url}/costs?group=ticket")
    shown = await page.locator("tfoot td").first.inner_text()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save as CSV").click()
    path = await (await download.value).path()
    lines = path.read_text(encoding="utf-8").splitlines()
    spent = sum(Decimal(line.split(",")[7]) for line in lines[1:])
    total = re.search(r"\$([\d,.]+)", shown)
    assert total is not None
    assert Decimal(total[1].replace(",", "")) == spent > 0


async def test_a_mistake_is_told_where_it_was_made(page: Page, console: Console) -> None:
    await page.goto(f"{console.url}/costs?since=2020-01-01&until=2026-01-01")
    field = page.get_by_label("To, that day included")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(re.compile("at most 366 days"))
    await picture(page, "wrong")
    page.complaints.clear()  # type: ignore[attr-defined]  # the browser tells of the 422 by itself
    await page.goto(f"{console.url}/performance")
    await expect(page.get_by_role("heading", name="No runs in these days")).to_be_visible()
    await picture(page, "nothing")
