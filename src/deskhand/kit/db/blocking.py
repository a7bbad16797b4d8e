"""Run a coroutine to its end from ordinary code, whether or not an event loop already runs here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``make()`` on an event loop of its own and return its result.

    The driver is asyncio only, while starting a server and migrating are ordinary blocking calls. Called
    from a running loop (a test, the API's start), the work goes to a thread; the caller blocks all the same.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(make())).result()
