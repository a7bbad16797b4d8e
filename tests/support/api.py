"""The API of tenants, agents and access over loopback, on the test database, with a desk that really answers."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI
from tests.support.lent import run_lent
from tests.support.logins import KEY, PROVER, platform_login

from deskhand.access import service as access
from deskhand.api import ApiConfig, create_app
from deskhand.appstate import AppState
from deskhand.kit.db.session import Database
from deskhand.kit.edge import EdgeLimits

TLS = ssl.create_default_context()  # one for all clients: reading the CA bundle takes a tenth of a second
PROMPT = "You help the technicians of a service desk. Cite your sources."
AGENT: dict[str, Any] = {
    "name": "Triage notes",
    "system_prompt": PROMPT,
    "llm_config": {"model": "gpt-4", "temperature": 0.2},
    "triggers": [{"trigger_type": "webhook"}],
    "tool_ids": ["servicedesk_plus"],
}


@dataclass
class Api:
    """A running API."""

    url: str
    app: FastAPI
    state: AppState
    clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    kept: httpx2.AsyncClient | None = None  # of a tenant that a property's examples share

    @property
    def db(self) -> Database:
        return self.state.db

    async def client(self, key: str | None = None, **headers: str) -> httpx2.AsyncClient:
        """A client with this key, or with none."""
        sent = {**headers, **({"Authorization": f"Bearer {key}"} if key else {})}
        return await self.clients.enter_async_context(
            httpx2.AsyncClient(base_url=self.url, headers=sent, timeout=30, verify=TLS)
        )

    async def platform(self) -> httpx2.AsyncClient:
        """A client of a platform administrator."""
        async with self.db.platform_session() as session:
            _, key = await access.create_platform_key(session, name="tests")
        return await self.client(key)

    async def tenant(self, tenant_id: str = "acme", **fields: Any) -> httpx2.AsyncClient:
        """Create a tenant through the API; a client of its administrator."""
        platform = await self.platform()
        body = {
            "tenant_id": tenant_id,
            "name": tenant_id.title(),
            "servicedesk_url": "https://desk.example.com",
            "servicedesk_api_key": f"the-technician-key-of-{tenant_id}",
            **fields,
        }
        created = await platform.post("/api/v1/tenants", json=body)
        assert created.status_code == 201, created.text
        return await self.member(tenant_id, "tenant_admin")

    async def member(self, tenant_id: str, role: str) -> httpx2.AsyncClient:
        """A client with a key of this role."""
        platform = await self.platform()
        made = await platform.post(f"/api/v1/tenants/{tenant_id}/api-keys", json={"name": "tests", "role": role})
        assert made.status_code == 201, made.text
        return await self.client(made.json()["api_key"])

    async def agent(self, client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
        """Create an agent."""
        answer = await client.post("/api/v1/agents", json={**AGENT, **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


@contextlib.asynccontextmanager
async def running_api(app_url: str, *, key: str | None = None) -> AsyncIterator[Api]:
    """Serve the API, put together by its own entry point, for the length of a ``with`` block."""
    config = ApiConfig(
        database_url=app_url,
        platform_url=platform_login(app_url),
        prover=PROVER,
        encryption_keys=(key or KEY,),
        public_url="http://deskhand.example.com",
        allow_private_addresses=True,
        pool_size=2,
    )
    app = create_app(config, EdgeLimits(key_minute=0, address_minute=0))  # a test asks faster than people and programs
    async with run_lent(app) as server:
        api = Api(server.url, app, app.state.deskhand)
        async with api.clients:
            yield api
