from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from tests.support.chromium import ARGUMENTS, CHROMIUM
from tests.support.console import Console, running_console
from tests.support.lent import LENDER
from tests.support.logins import PROVER

from deskhand.kit.db.session import Database

# A busy machine draws a page in ten times the time; what is right ends each wait at once, so patience costs nothing.
# Expectations have a clock of their own, five seconds, which no page's setting reaches.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed (apt-get install chromium-headless-shell)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def console(clean_db: Database, database_urls, make_tenant) -> AsyncIterator[Console]:
    """A running console with one tenant."""
    await make_tenant("acme")
    pool = await LENDER.pool(database_urls.app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
    async with running_console(clean_db, pool) as running:
        yield running
    await pool.close()


@pytest.fixture
async def page(chromium: Browser, console: Console) -> AsyncIterator[Page]:
    """A signed-in page; any console error, exception or refused resource fails the test."""
    context = await chromium.new_context(viewport={"width": 1360, "height": 860}, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.complaints = complaints  # type: ignore[attr-defined]  # for the one test that provokes some
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"{request.url} {request.failure}"))
    await page.goto(f"{console.url}/executions")
    await page.get_by_role("link", name="Use an API key").click()
    await page.get_by_label("API key").fill(await console.key())
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/executions")
    yield page
    await page.goto("about:blank")  # ends the polling, whose cut-off request would be a complaint
    await context.close()
    assert [text for text in complaints if "ERR_ABORTED" not in text] == []
