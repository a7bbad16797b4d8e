"""The whole product for one test: API, worker loop, simulated desk, scripted model, all on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import httpx2
from tests.support.desks import DESK_KEY, Desk, new_simulator
from tests.support.lent import LENDER, run_lent
from tests.support.logins import KEY, PROVER, platform_login

from deskhand.access import service as access
from deskhand.api import ApiConfig, create_app
from deskhand.engine.limits import RunLimits
from deskhand.engine.runner import Runner
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.telemetry import Telemetry
from deskhand.knowledge.embedding import Embedder, LexicalOnly
from deskhand.llm.connection import GatewaySettings
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.signatures import standard_headers
from deskhand.simulators.base.server import RunningServer, run_in_process
from deskhand.simulators.models import LlmSimulator
from deskhand.work.executor import Executor

__all__ = ["DESK_KEY", "PROMPT", "Customer", "Desk", "Product", "event_body", "running_product", "until"]

T = TypeVar("T")

PROMPT = "You prepare technicians: what is the ticket about, and what should they do next?"
PATIENCE = 90.0  # seconds; a loaded machine is slow, and a condition that will never hold fails all the same


async def until(look: Callable[[], Awaitable[T]], *, patience: float = PATIENCE) -> T:
    """Poll until something is there; the condition is the clock, the limit only ends a hopeless test."""
    async with asyncio.timeout(patience):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


@dataclass
class Customer:
    """A tenant with its administrator's client and one active agent."""

    tenant_id: str
    client: httpx2.AsyncClient
    agent_id: str
    secret: str
    key: str = ""
    desk: Desk | None = None


@dataclass
class Product:
    """Everything, running."""

    db: Database
    pool: asyncpg.Pool[asyncpg.Record]
    platform_pool: asyncpg.Pool[asyncpg.Record]
    api: RunningServer
    desk: Desk
    model: LlmSimulator
    model_url: str
    keys: tuple[str, ...]
    app_url: str
    http: HttpClientFactory
    stack: contextlib.AsyncExitStack
    gateway_key: str = "sk-test"
    runners: list[tuple[Runner, asyncio.Task[None]]] = field(default_factory=list)

    @property
    def webhooks(self) -> httpx2.AsyncClient:
        return self.desk.client

    async def client(self, key: str) -> httpx2.AsyncClient:
        client = self.http.client(self.api.url, headers={"Authorization": f"Bearer {key}"})
        return await self.stack.enter_async_context(client)

    async def platform(self) -> httpx2.AsyncClient:
        """A client of a platform administrator."""
        async with self.db.platform_session() as session:
            _, key = await access.create_platform_key(session, name="tests")
        return await self.client(key)

    async def set_limits(self, tenant_id: str, **limits: int) -> None:
        """What a tenant may use up, as the platform sets it."""
        await _ok((await self.platform()).patch(f"/api/v1/tenants/{tenant_id}", json={"rate_limits": limits}))

    async def open_desk(self, tool_type: str) -> Desk:
        """One more simulated desk, for the length of the test."""
        return await self.stack.enter_async_context(running_desk(tool_type, self.http))

    async def customer(
        self, tenant_id: str = "acme", *, desk: Desk | None = None, active: bool = True, **agent: Any
    ) -> Customer:
        """A tenant connected to a desk (the product's first unless another is given), with an agent."""
        desk = desk or self.desk
        platform = await self.platform()
        await _ok(
            platform.post(
                "/api/v1/tenants",
                json={"tenant_id": tenant_id, "name": tenant_id.title(), **desk.tenant()},
            )
        )
        made = await _ok(
            platform.post(f"/api/v1/tenants/{tenant_id}/api-keys", json={"name": "t", "role": "tenant_admin"})
        )
        client = await self.client(made["api_key"])
        body = {
            "name": "First look",
            "system_prompt": PROMPT,
            "llm_config": {"model": "gpt-4", "temperature": 0.0},
            "triggers": [{"trigger_type": "webhook"}],
            "tool_ids": [desk.tool_type],
            **agent,
        }
        created = await _ok(client.post("/api/v1/agents", json=body))
        if active:
            await _ok(client.post(f"/api/v1/agents/{created['id']}/activate"))
        secret = created["webhook_secrets"][0]["secret"]
        return Customer(tenant_id, client, created["id"], secret, made["api_key"], desk)

    async def point_desk_at(self, customer: Customer, **target: Any) -> None:
        """Let the webhooks of the customer's desk go to its agent."""
        url = f"{self.api.url}/agents/{customer.agent_id}/webhook"
        desk = customer.desk or self.desk
        answer = await desk.client.put("/_sim/webhooks", json={"url": url, "secret": customer.secret, **target})
        answer.raise_for_status()

    async def deliver(
        self,
        customer: Customer,
        ticket_id: str,
        *,
        delivery_id: str = "msg-1",
        event: str = "request.created",
        secret: str | None = None,
        at: datetime | None = None,
        body: bytes | None = None,
    ) -> httpx2.Response:
        """One signed delivery, by hand."""
        payload = body if body is not None else event_body(ticket_id, event)
        headers = standard_headers(
            secret or customer.secret, payload, message_id=delivery_id, now=at or datetime.now(UTC)
        )
        url = f"{self.api.url}/agents/{customer.agent_id}/webhook"
        return await self.webhooks.post(url, content=payload, headers={**headers, "content-type": "application/json"})

    def executor(self, *, embedder: Embedder | None = None, **limits: Any) -> Executor:
        return Executor(
            db=self.db,
            pool=self.pool,
            secrets=SecretBox(self.keys),
            http=self.http,
            plugins=PluginManager.installed(),
            gateway=GatewaySettings(base_url=self.model_url, api_key=self.gateway_key, timeout=5.0),
            embedder=embedder or LexicalOnly(),
            limits=RunLimits(**{"timeout": 30.0, "max_cost_usd": Decimal(1), **limits}),
            telemetry=Telemetry(),
            public_url=self.api.url,
        )

    async def start_worker(self, **options: Any) -> Runner:
        executor = self.executor(embedder=options.pop("embedder", None), **options.pop("limits", {}))
        runner = Runner(self.pool, executor.execute, **options)
        self.runners.append((runner, asyncio.create_task(runner.run())))
        return runner

    async def stop_workers(self) -> None:
        for runner, _ in self.runners:
            runner.request_stop()
        await asyncio.gather(*(task for _, task in self.runners))
        self.runners.clear()

    async def execution(self, customer: Customer, execution_id: str) -> dict[str, Any]:
        answer = await customer.client.get(f"/api/v1/executions/{execution_id}")
        answer.raise_for_status()
        return dict(answer.json())

    async def ended(self, customer: Customer, execution_id: str) -> dict[str, Any]:
        """The execution, once it has reached a state in which nothing more happens by itself."""
        # By its row, for a tenth of what it costs to ask the API again and again, which then tells it once.
        left = "SELECT count(*) FROM agent_executions WHERE id = $1 AND status IN ('queued', 'running')"

        async def look() -> bool:
            return await self.count(left, UUID(execution_id)) == 0

        await until(look)
        return await self.execution(customer, execution_id)

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Rows across tenants (as the platform role)."""
        async with self.platform_pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE deskhand_platform")
            return list(await connection.fetch(query, *values))

    async def count(self, query: str, *values: object) -> int:
        """A figure from the rows, across tenants (as the platform role)."""
        async with self.platform_pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE deskhand_platform")
            return int(await connection.fetchval(query, *values))


def event_body(ticket_id: str, event: str = "request.created") -> bytes:
    """What ServiceDesk Plus sends (see ``plugins/servicedesk_plus/doc.md``)."""
    return json.dumps({"event": event, "request_id": ticket_id, "subject": "VPN drops"}).encode()


async def _ok(call: Awaitable[httpx2.Response]) -> dict[str, Any]:
    answer = await call
    assert answer.is_success, answer.text
    return dict(answer.json())


@contextlib.asynccontextmanager
async def running_desk(tool_type: str, http: HttpClientFactory) -> AsyncIterator[Desk]:
    """A simulated desk on a free port of loopback."""
    simulator = new_simulator(tool_type)
    async with run_in_process(simulator.build()) as server, http.client(server.url) as client:
        yield Desk(simulator, server, client)


@contextlib.asynccontextmanager
async def running_product(db: Database, app_url: str, platform_url: str | None = None) -> AsyncIterator[Product]:
    """The product for the length of a ``with`` block; workers are started by the test."""
    platform_url = platform_url or platform_login(app_url)
    keys = (KEY,)
    http = HttpClientFactory(allow_private=True)
    async with contextlib.AsyncExitStack() as stack:
        pool = await LENDER.pool(app_url, min_size=2, max_size=12, process="worker", prover=PROVER)
        stack.push_async_callback(pool.close)
        platform_pool = await LENDER.pool(platform_url, min_size=0, max_size=2)
        stack.push_async_callback(platform_pool.close)
        desk = await stack.enter_async_context(running_desk("servicedesk_plus", http))
        model = await stack.enter_async_context(LlmSimulator())
        config = ApiConfig(
            database_url=app_url,
            platform_url=platform_url,
            prover=PROVER,
            encryption_keys=keys,
            public_url="http://127.0.0.1",
            allow_private_addresses=True,
        )
        api = await stack.enter_async_context(run_lent(create_app(config)))
        product = Product(
            db=db,
            pool=pool,
            platform_pool=platform_pool,
            api=api,
            desk=desk,
            model=model,
            model_url=model.base_url,
            keys=keys,
            app_url=app_url,
            http=http,
            stack=stack,
        )
        stack.push_async_callback(product.stop_workers)
        yield product
