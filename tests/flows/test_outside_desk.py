"""A desk from an outside package, from installing it to the note on a real Roundup issue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.conftest import DatabaseUrls
from tests.plugins.roundup_server import RoundupServer, installed_plugin
from tests.support.product import PROMPT, Customer, Product, running_product, until
from typer.testing import CliRunner

from deskhand.access import service as access
from deskhand.cli import app
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer as knowledge

HISTORY = Path(__file__).parent.parent.parent / "src/deskhand/demo/data/resolved_tickets.jsonl"


@pytest.fixture(scope="module", autouse=True)
def package() -> Iterator[None]:
    with installed_plugin():
        yield


@pytest.fixture
async def product(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Product]:
    """Started after the package was installed, as an installation would be."""
    async with running_product(clean_db, database_urls.app_url) as running:
        yield running


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[RoundupServer]:
    """A tracker that is not yet served: its webhooks need the agent's address and secret."""
    server = RoundupServer(tmp_path / "tracker")
    yield server
    server.stop()


async def ok(call: Awaitable[httpx2.Response]) -> Any:
    answer = await call
    assert answer.is_success, answer.text
    return answer.json()


async def connected(product: Product, tracker: RoundupServer) -> Customer:
    """A tenant on Roundup with an active agent; everything over the API."""
    tracker.start(webhook_url="http://127.0.0.1:9/", secret="not yet known")
    async with product.db.platform_session() as session:
        _, key = await access.create_platform_key(session, name="tests")
    platform = await product.client(key)
    tenant = {"tenant_id": "acme", "name": "Acme", "tool_type": "roundup"}
    await ok(platform.post("/api/v1/tenants", json={**tenant, "connection_extras": {"roundup": tracker.fields()}}))
    made = await ok(platform.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "tenant_admin"}))
    client = await product.client(made["api_key"])
    agent = {
        "name": "First look",
        "system_prompt": PROMPT,
        "llm_config": {"model": "gpt-4", "temperature": 0.0},
        "triggers": [{"trigger_type": "webhook"}],
        "tool_ids": ["roundup"],
    }
    created = await ok(client.post("/api/v1/agents", json=agent))
    await ok(client.post(f"/api/v1/agents/{created['id']}/activate"))
    return Customer("acme", client, created["id"], created["webhook_secrets"][0]["secret"])


async def serve_with_webhooks(product: Product, tracker: RoundupServer, customer: Customer) -> None:
    """Serve the tracker again, at a new port, with its detector pointed at the agent."""
    tracker.stop()
    tracker.start(webhook_url=f"{product.api.url}/agents/{customer.agent_id}/webhook", secret=customer.secret)
    extras = {"connection_extras": {"roundup": tracker.fields()}}
    await ok(customer.client.patch(f"/api/v1/tenants/{customer.tenant_id}", json=extras))


def people(product: Product, tracker: RoundupServer) -> httpx2.AsyncClient:
    headers = {"X-Requested-With": "tests", "Origin": tracker.url}
    client = product.http.client(f"{tracker.url}/rest/data/", headers=headers)
    client.auth = httpx2.BasicAuth("requester", "requester-password")
    return client


async def file_issue(product: Product, tracker: RoundupServer) -> str:
    async with people(product, tracker) as requester:
        text = {"content": "It drops every ten minutes.", "author": "requester", "date": "."}
        message = await ok(requester.post("msg", json=text))
        values = {"title": "VPN drops", "messages": [message["data"]["id"]]}
        return str((await ok(requester.post("issue", json=values)))["data"]["id"])


async def test_the_connection_lives_in_the_extras_alone(product: Product, tracker: RoundupServer) -> None:
    customer = await connected(product, tracker)
    listed = await ok(customer.client.get("/api/v1/tenants/acme/connections"))
    (connection,) = [item for item in listed if item["tool_type"] == "roundup"]
    assert connection["is_complete"]
    assert connection["is_default"]
    assert connection["settings"] == {}

    tested = await ok(customer.client.post("/api/v1/tenants/acme/connections/roundup/test"))
    assert tested["ok"], tested
    assert tested["account"] == "deskhand"
    assert len(tested["checks"]) == 3

    stored = "SELECT count(*) FROM tenant_configs WHERE connection_extras_encrypted IS NOT NULL"
    assert await product.count(stored) == 1
    assert await product.count(f"{stored} AND connection_extras_encrypted LIKE '%deskhand-password%'") == 0
    assert "deskhand-password" not in (await customer.client.get("/api/v1/tenants/acme")).text


async def test_a_connection_that_lacks_something_is_named(product: Product, tracker: RoundupServer) -> None:
    customer = await connected(product, tracker)
    extras = {"connection_extras": {"roundup": {"roundup_url": tracker.url, "roundup_user": "deskhand"}}}
    answer = await customer.client.patch("/api/v1/tenants/acme", json=extras)
    assert answer.status_code == 422
    assert "roundup_password" in answer.text


async def test_the_note_is_on_the_roundup_issue(product: Product, tracker: RoundupServer) -> None:
    customer = await connected(product, tracker)
    await serve_with_webhooks(product, tracker, customer)
    await knowledge.import_tickets(product.db, customer.tenant_id, HISTORY)
    await product.start_worker()
    issue = await file_issue(product, tracker)

    async def messages() -> list[dict[str, Any]]:
        async with people(product, tracker) as requester:
            fields = ("@fields", "content,author,public"), ("@verbose", "3")
            linked = (await ok(requester.get(f"issue/{issue}")))["data"]["attributes"]["messages"]
            rows = (await ok(requester.get("msg", params=[*fields, *(("id", item["id"]) for item in linked)])))["data"]
            return list(rows["collection"]) if len(rows["collection"]) > 1 else []

    _, note = await until(messages)
    assert note["author"]["username"] == "deskhand"
    assert "INV-1001" in note["content"]
    assert "Ref: dh-" in note["content"]
    assert not note["public"]

    async def echo() -> int:
        return await product.count("SELECT count(*) FROM webhook_deliveries WHERE outcome = 'ignored'")

    assert await until(echo) == 1  # the detector told us of our own note
    listed = (await ok(customer.client.get("/api/v1/executions")))["items"]
    assert len(listed) == 1
    execution = await product.ended(customer, listed[0]["id"])
    assert (execution["status"], execution["tool_type"], execution["ticket_ref"]) == ("completed", "roundup", issue)
    assert len(await messages()) == 2
    assert "requester@corp.test" not in tracker.mail()  # an internal note reaches no mailbox


def test_the_command_line_knows_the_desk() -> None:
    command = ["desk", "setup", "roundup", "--webhook-url", "https://hooks.corp.test/a1", "--secret", "whsec_abc"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "url = https://hooks.corp.test/a1" in result.output
    assert "secret = whsec_abc" in result.output
