"""From the printed link to the first note on a ticket, with a scripted model; ``benchmarks/first_run.py`` times it."""

from __future__ import annotations

from playwright.async_api import Browser
from tests.conftest import DatabaseUrls
from tests.support.first_run import first_run
from tests.support.product import running_product

from deskhand.access.people.administration import first_administrator
from deskhand.kit.clock import utc_now
from deskhand.kit.db.session import Database


async def test_nothing_of_the_first_run_needs_a_terminal(
    clean_db: Database, database_urls: DatabaseUrls, chromium: Browser
) -> None:
    async with running_product(clean_db, database_urls.app_url) as product:
        await product.start_worker()
        async with product.db.platform_session() as session:
            link = await first_administrator(session, actor="tests", now=utc_now())
        assert link is not None
        context = await chromium.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
        page = await context.new_page()
        page.set_default_timeout(30_000)
        steps = [step async for step in first_run(page, link.url(product.api.url), product.desk)]
        await page.goto("about:blank")
        await context.close()
    assert steps[-1] == "the first note on a ticket"
