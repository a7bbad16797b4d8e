"""The API's reference in a real browser, as the whole application serves it, under the policy of every page."""

from __future__ import annotations

import asyncio
import re
import uuid
from urllib.parse import urlsplit

from fastapi.routing import iter_route_contexts
from playwright.async_api import Browser, expect
from tests.support.api import Api

from deskhand.ui.routing import PageRoute


async def test_the_reference_is_drawn_without_a_foreign_request_or_a_complaint(api: Api, chromium: Browser) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    await page.goto(f"{api.url}/docs")
    await expect(page.locator(".opblock").first).to_be_visible()

    document = api.app.openapi()
    operations = [method for item in document["paths"].values() for method in item]
    blocks, wanted = page.locator(".opblock"), page.locator("#operations-agents-create_agent")
    drawn: set[str] = set()
    is_read = False
    # Of a long document it draws what is on the screen, so one reads it from the top to its end.
    async with asyncio.timeout(200):
        while len(drawn) < len(operations) or not is_read:
            drawn |= set(await blocks.evaluate_all("nodes => nodes.map(node => node.id)"))
            if not is_read and await wanted.count():
                await wanted.locator("button.opblock-summary-control").click()
                await expect(wanted).to_contain_text("Create an agent with triggers")
                await wanted.locator("button.opblock-summary-control").click()
                is_read = True
            await page.mouse.wheel(0, 400)
            await page.evaluate("() => new Promise(done => requestAnimationFrame(() => done()))")
    assert len(drawn) == len(operations)
    await context.close()
    assert complaints == []
    assert hosts - {""} == {urlsplit(api.url).netloc}  # data: addresses have no host


async def test_every_page_has_a_policy_against_frames_and_foreign_code(api: Api) -> None:
    guest = await api.client(Accept="text/html")
    pages = [
        re.sub(r"{[^}]*}", str(uuid.uuid4()), route.path or "")
        for route in iter_route_contexts(api.app.router.routes)
        if isinstance(route.original_route, PageRoute) and "GET" in (route.methods or ())
    ]
    assert {"/docs", "/login", "/executions"} <= set(pages)
    for path in pages:
        answer = await guest.get(path)
        if "text/html" in answer.headers.get("content-type", ""):
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy, path
            assert "default-src 'none'" in policy, path
