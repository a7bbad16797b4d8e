"""Pictures of pages, for whoever looks at them: DESKHAND_PICTURES names the folder they go to."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Page

PHONE = 390


def pictures(of: str, *, whole: bool = True) -> Callable[[Page, str], Awaitable[None]]:
    """What takes the pictures of one kind of pages, and holds each to the width of a phone: nothing runs over the edge.

    Args:
        of: What their names begin with.
        whole: The page to its end, or what stands in the window.
    """

    async def picture(page: Page, name: str) -> None:
        folder, desktop = os.environ.get("DESKHAND_PICTURES"), page.viewport_size
        assert desktop is not None
        if folder:
            await page.screenshot(path=Path(folder) / f"{of}-{name}.png", full_page=whole)
        await page.set_viewport_size({"width": PHONE, "height": 844})
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE, name
        if folder:
            await page.screenshot(path=Path(folder) / f"{of}-{name}-phone.png", full_page=whole)
        await page.set_viewport_size(desktop)

    return picture
