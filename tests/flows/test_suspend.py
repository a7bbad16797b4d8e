"""An agent is suspended or a run cancelled while it runs: it stops before its next effect and says what it had done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from tests.support.product import Product

from deskhand.engine.runner import Runner
from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.embedding import LexicalOnly

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"


@dataclass
class Gate:
    """The product's pool, which holds a run just before its note until it is opened."""

    pool: asyncpg.Pool[asyncpg.Record]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    async def fetch(self, query: str, *values: Any) -> Any:
        if "begin_steps(" in query and any(row["name"] == "add_note" for row in values[0]):
            self.reached.set()
            await self.opened.wait()
        return await self.pool.fetch(query, *values)


@pytest.mark.parametrize("how", ["suspend", "deactivate", "cancel"])
async def test_a_running_run_stops_before_its_next_effect(product: Product, how: str) -> None:
    customer = await product.customer()
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY, embedder=LexicalOnly())
    gate = Gate(product.pool)
    gated: Any = replace(product, pool=gate)  # type: ignore[arg-type]  # stands between the run and the database
    runner = Runner(product.pool, gated.executor().execute)
    product.runners.append((runner, asyncio.create_task(runner.run())))
    ticket_id = await product.desk.file_ticket()
    execution_id = (await product.deliver(customer, ticket_id)).json()["execution_id"]
    await asyncio.wait_for(gate.reached.wait(), 60)

    agent, run = f"/api/v1/agents/{customer.agent_id}", f"/api/v1/executions/{execution_id}"
    verb, url = {
        "suspend": ("POST", f"{agent}/suspend"), "deactivate": ("DELETE", agent), "cancel": ("POST", f"{run}/cancel"),
    }[how]  # fmt: skip
    stopped = await customer.client.request(verb, url)
    gate.opened.set()
    assert stopped.is_success, stopped.text
    ended = await product.ended(customer, execution_id)

    assert (ended["status"], ended["error_code"]) == ("cancelled", "cancelled"), ended
    assert await product.desk.notes(ticket_id) == []
    assert [step["name"] for step in ended["steps"] if step["state"] == "finished"] == [
        *("get_ticket", "search_tickets", "search_knowledge", "find_systems", "model"),
    ]
    async with httpx2.AsyncClient(base_url=product.api.url, headers={"Accept": "text/html"}) as browser:
        await browser.post("/login", data={"api_key": customer.key, "next": "/"})
        page = (await browser.get(f"/executions/{execution_id}")).text
    assert "Find systems, Model. Nothing was written to the desk." in page
    if how != "suspend":
        return
    asked = len(product.model.chats)
    assert (await customer.client.post(f"{agent}/resume")).is_success
    assert (await customer.client.post(f"{run}/retry")).is_success
    assert (await product.ended(customer, execution_id))["status"] == "completed"
    assert len(product.model.chats) == asked
    assert (await product.desk.effects(ticket_id))["notes"] == 1
