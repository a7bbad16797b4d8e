"""The whole product on one machine with a history from elsewhere: what a ticket gets is what a customer's would."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.foreign.library import Library
from benchmarks.support import migrated_server, open_database
from tests.knowledge.paraphrases import DATA
from tests.support.product import Customer, Product, running_product, until

from deskhand.demo.scene import PROMPT
from deskhand.engine.limits import RunLimits
from deskhand.engine.runner import Runner
from deskhand.kit.crypto import SecretBox
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge import importer
from deskhand.knowledge.embedding import Embedder
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import AUTO, EmbeddedEndpoint
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.text import html_to_markdown
from deskhand.work.executor import Executor

RUN_SECONDS = 3600.0
"""Of one run. The product's default is two minutes; here other work may have most of the processor."""
TENANT = "foreign"


@dataclass(frozen=True, slots=True)
class Written:
    """What a ticket got.

    Attributes:
        note: As a technician reads it on the desk; empty where there is none.
        run: Of the API.
        result: Its output.
        seconds: From the event to the end.
    """

    note: str
    run: dict[str, Any]
    seconds: float

    @property
    def why_not(self) -> str:
        """Why there is no note, as the run says it."""
        return str(self.run.get("not_written") or self.run.get("error_message") or self.run.get("status"))

    @property
    def result(self) -> dict[str, Any]:
        """What the run says of itself."""
        return dict(self.run.get("output_result") or {})


@dataclass
class Stage:
    """A tenant with its desk, its history and its agent.

    Attributes:
        product: Everything that runs.
        customer: The tenant.
    """

    product: Product
    customer: Customer

    async def write(self, subject: str, html: str) -> Written:
        """File a ticket as its requester would, and wait for what the agent writes on it."""
        begun = time.perf_counter()
        ticket = await self.product.desk.file_ticket(subject, html)
        delivered = await self.product.deliver(self.customer, ticket, delivery_id=f"msg-{ticket}")
        run_id = delivered.json()["execution_id"]
        left = "SELECT count(*) FROM agent_executions WHERE id = $1::text::uuid AND status IN ('queued', 'running')"

        async def ended() -> bool:
            return await self.product.count(left, run_id) == 0

        await until(ended, patience=RUN_SECONDS)
        run = await self.product.execution(self.customer, run_id)
        notes = await self.product.desk.notes(ticket)
        note = html_to_markdown(notes[-1]["html"]) if notes else ""
        return Written(note, run, time.perf_counter() - begun)


async def fill(product: Product, library: Library, embedder: Embedder) -> None:
    """Import the demo's content and then everything else, as a customer would."""
    await importer.import_systems(product.db, TENANT, DATA / "systems.csv")
    await importer.import_tickets(product.db, TENANT, DATA / "resolved_tickets.jsonl", embedder=embedder)
    for name in ("procedures.json", "articles"):
        await importer.import_articles(product.db, TENANT, DATA / name, embedder=embedder)
    for load, rows in ((importer.import_tickets, library.tickets), (importer.import_articles, library.articles)):
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(list(rows), file)
            file.flush()
            report = await load(product.db, TENANT, Path(file.name), embedder=embedder)
        kind = "tickets" if rows is library.tickets else "pages"
        print(f"  {report.created} of {len(rows)} foreign {kind} are known", flush=True)


@asynccontextmanager
async def stage(library: Library, embedder: Embedder, model: EmbeddedEndpoint | None) -> AsyncIterator[Stage]:
    """The product with this history, and an agent as `make demo` makes it.

    Args:
        library: What is imported.
        embedder: The installation's, or one that keeps its vectors.
        model: Where the embedded model is asked; None: there is none, and notes are made of what was found alone.
    """
    with tempfile.TemporaryDirectory() as directory, migrated_server(Path(directory)) as server:
        db = open_database(server)
        try:
            async with running_product(db, server.app_url, server.platform_url) as product:
                llm = {"provider": "embedded", "model": AUTO, "temperature": 0.0, "max_tokens": 600}
                customer = await product.customer(TENANT, llm_config=llm, system_prompt=PROMPT)
                await fill(product, library, embedder)
                runner = Runner(product.pool, executor(product, embedder, model).execute)
                product.runners.append((runner, asyncio.create_task(runner.run())))
                yield Stage(product, customer)
        finally:
            await db.dispose()


def executor(product: Product, embedder: Embedder, model: EmbeddedEndpoint | None) -> Executor:
    """What a worker runs."""
    gateway = GatewaySettings(timeout=RUN_SECONDS / 2, embedded=(lambda: model) if model else None)
    return Executor(
        db=product.db,
        pool=product.pool,
        secrets=SecretBox(product.keys),
        http=product.http,
        plugins=PluginManager.installed(),
        gateway=gateway,
        embedder=embedder,
        limits=RunLimits(timeout=RUN_SECONDS, max_cost_usd=Decimal(1)),
        telemetry=Telemetry(),
        public_url=product.api.url,
    )
