"""Runs whose agent calls tools of a tenant's own, of an MCP server or a described API, and what they came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.support.product import Customer, Product

from deskhand.connectors import service
from deskhand.connectors.mcp.caller import server_at
from deskhand.connectors.mcp.listing import operations_from
from deskhand.connectors.models import ToolSource
from deskhand.connectors.schemas import CredentialInput
from deskhand.connectors.values import Connection
from deskhand.kit.crypto import SecretBox
from deskhand.simulators.models import Reply, obliging
from deskhand.simulators.testing import TEST_HTTP

READS = {"echo", "get-sum", "look_up"}
"""What the tenant says of them."""
CANARY = "canary-of-the-printers"
SECRET = CredentialInput.model_validate({"kind": "bearer", "secret": CANARY})


def calling(*calls: tuple[str, Mapping[str, Any]]) -> Any:
    """A model that makes these calls one after the other, then answers with what it was told."""

    def script(body: Mapping[str, Any]) -> Reply:
        told = sum(message["role"] == "tool" for message in body["messages"])
        return Reply(tool_calls=(calls[told],)) if told < len(calls) else obliging(body)

    return script


async def technician(
    product: Product, url: str, grants: Any, *names: str, repeatable: bool = False, slug: str = "prn", desk: Any = None
) -> Customer:
    """A customer whose agent was granted tools of a server at that address."""
    customer = await product.customer(active=False)
    connection = Connection(tool_id=f"mcp:{slug}", name="P", configuration={"url": url}, credential=SECRET.credential())
    listed = operations_from(await server_at(connection, TEST_HTTP).tools())
    async with product.db.tenant_session("acme") as session:
        source = ToolSource(tenant_id="acme", slug=slug, kind="mcp", name="Printers", configuration={"url": url})
        chosen = [
            replace(one, is_enabled=one.name in names, is_write=one.name not in READS, repeatable=repeatable)
            for one in listed
        ]
        service.set_operations(source, chosen)
        await service.add_source(session, source, credential=SECRET, secrets=SecretBox(product.keys), actor="tests")
    wanted: dict[str, Any] = {
        "tool_ids": ["servicedesk_plus", f"mcp:{slug}"],
        "tool_operations": {f"mcp:{slug}": grants},
    }
    if desk is not None:
        wanted["tool_operations"]["servicedesk_plus"] = desk
    for answer in (
        await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json=wanted),
        await customer.client.post(f"/api/v1/agents/{customer.agent_id}/activate"),
    ):
        assert answer.status_code == 200, answer.text
    return customer


async def run_of(product: Product, customer: Customer) -> dict[str, Any]:
    ticket = await product.desk.file_ticket()
    answer = await product.deliver(customer, ticket, delivery_id=ticket)
    return await product.ended(customer, answer.json()["execution_id"])


def told(product: Product) -> str:
    """Everything that tools answered the model."""
    bodies = [seen.body for seen in product.model.seen]
    return json.dumps([m["content"] for body in bodies for m in body["messages"] if m["role"] == "tool"])
