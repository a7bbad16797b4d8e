"""A real browser at the pages of agents, whose complaints fail the test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from playwright.async_api import Browser, Page
from tests.support.api import Api
from tests.support.people import account, browser

from deskhand.ui.csrf import SESSION_COOKIE

ACCEPTED = ("403", "409", "412", "422")
"""Refusals that the tests ask for, and that the browser reports."""


@contextlib.asynccontextmanager
async def agents_page(api: Api, chromium: Browser) -> AsyncIterator[Page]:
    """A page of acme's administrator; what the browser complains of fails the test."""
    await account(api, "ada@acme.example", acme="tenant_admin")
    client = await browser(api, "ada@acme.example", "acme")
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
        color_scheme="dark" if os.environ.get("DESKHAND_PICTURES_DARK") else "light",
    )
    await context.add_cookies([{"name": SESSION_COOKIE, "value": client.cookies[SESSION_COOKIE], "url": api.url}])
    opened = await context.new_page()
    opened.set_default_timeout(60_000)
    complaints: list[str] = []
    opened.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    await opened.goto("about:blank")
    await context.close()
    unasked = [text for text in complaints if not any(one in text for one in ACCEPTED)]
    assert [text for text in unasked if "ERR_ABORTED" not in text] == []
