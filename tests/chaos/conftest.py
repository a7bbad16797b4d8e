"""The product, and worker processes that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DatabaseUrls
from tests.support.product import Product, running_product

from deskhand.kit.db.session import Database

ROOT = Path(__file__).parent.parent.parent
STALE_AFTER = 3.0

StartProcess = Callable[..., Any]


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """API, desk and model, running."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


@pytest.fixture
async def worker_process(product: Product) -> AsyncIterator[StartProcess]:
    """Starts workers as processes of their own; whatever is left is killed at the end."""
    started: list[asyncio.subprocess.Process] = []

    async def start(**moment: Any) -> asyncio.subprocess.Process:
        options = {
            "app_url": product.app_url,
            "keys": list(product.keys),
            "model_url": product.model_url,
            "stale_after": moment.pop("stale_after", STALE_AFTER),
            "concurrency": moment.pop("concurrency", 4),
            "moment": moment,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.mortal_worker",
            json.dumps(options),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()
