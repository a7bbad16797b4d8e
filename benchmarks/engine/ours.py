"""Deskhand as it ships: `deskhand serve`, its own API for the set-up, and a worker process with the real Runner."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from benchmarks.engine.load import Target
from benchmarks.engine.processes import ROOT, Api, free_port, process, wait_for, wait_for_line
from benchmarks.support import open_database
from cryptography.fernet import Fernet
from rich.console import Console
from tests.support.logins import TENANT_KEY

from deskhand.access.service import create_platform_key
from deskhand.demo.content import load_content
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.http import HttpClientFactory

WORKER = "benchmarks.engine.worker_process"
PROMPT = "You prepare technicians: what is the ticket about, and what should they do next?"
# The load is not to be refused; everything else about a tenant is as shipped.
RATES = {"webhooks_per_minute": 100_000, "executions_per_hour": 1_000_000}
EMPTY = "TRUNCATE agent_executions, webhook_deliveries, pgqueuer, pgqueuer_log CASCADE"


def environment(server: EmbeddedPostgres, directory: Path, keys: str, **more: str) -> dict[str, str]:
    """Variables of an installation on this server; settings nobody set are the shipped ones."""
    return {
        "DESKHAND_DATABASE_URL": server.app_url,
        "DESKHAND_DATABASE_PLATFORM_URL": server.platform_url,
        "DESKHAND_TENANT_KEY": TENANT_KEY,
        "DESKHAND_DATABASE_OWNER_URL": server.owner_url,
        "DESKHAND_ENCRYPTION_KEYS": keys,
        "DESKHAND_DATA_DIR": str(directory),
        "DESKHAND_ALLOW_PRIVATE_ADDRESSES": "true",
        **more,
    }


@contextmanager
def serving(server: EmbeddedPostgres, directory: Path, keys: str) -> Iterator[Api]:
    """``deskhand serve`` in a process of its own."""
    port, log = free_port(), directory / "serve.log"
    variables = environment(server, directory, keys, DESKHAND_PORT=str(port))
    with process([sys.executable, "-m", "deskhand.cli", "serve"], log=log, environment=variables) as child:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/readyz", child, log)
        yield Api(url, child.pid)


@contextmanager
def product_worker(
    server: EmbeddedPostgres, directory: Path, keys: str, *, model_url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``deskhand worker`` in a process of its own, with a model gateway."""
    log = directory / "product-worker.log"
    variables = environment(server, directory, keys, DESKHAND_LLM_BASE_URL=model_url, DESKHAND_LLM_API_KEY="sk-bench")
    with process([sys.executable, "-m", "deskhand.cli", "worker"], log=log, environment=variables) as child:
        wait_for_line(log, b"worker_started", child)
        yield child


def new_keys() -> str:
    """An encryption key."""
    return Fernet.generate_key().decode()


@asynccontextmanager
async def administration(server: EmbeddedPostgres, url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a platform administrator."""
    db = open_database(server, pool_size=1)
    async with db.platform_session() as session:
        _, key = await create_platform_key(session, name="benchmark")
    await db.dispose()
    http = HttpClientFactory(allow_private=True)
    async with http.client(url, headers={"Authorization": f"Bearer {key}"}) as client:
        yield client


async def _post(client: httpx2.AsyncClient, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    answer = await client.post(path, json=body, headers={"Authorization": f"Bearer {key}"} if key else None)
    if not answer.is_success:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return answer.json()


async def make_targets(
    server: EmbeddedPostgres, url: str, count: int, *, prefix: str = "bench", **desk: Any
) -> list[Target]:
    """Tenants with one active agent each, made through the API.

    Args:
        server: The database.
        url: Address of the API.
        count: How many.
        prefix: Of the tenants' names.
        **desk: Connection of the tenants' ServiceDesk Plus; without one, nothing is ever called.
    """
    connection = {"servicedesk_url": "https://desk.example.com", "servicedesk_api_key": "not-called", **desk}
    agent = {
        "name": "First look",
        "system_prompt": PROMPT,
        "llm_config": {"model": "gpt-4", "temperature": 0.0},
        "triggers": [{"trigger_type": "webhook"}],
        "tool_ids": ["servicedesk_plus"],
    }
    made = []
    async with administration(server, url) as client:
        for number in range(count):
            tenant = f"{prefix}-{number}"
            body = {"tenant_id": tenant, "name": tenant, "rate_limits": RATES, **connection}
            await _post(client, "/api/v1/tenants", body)
            key = await _post(client, f"/api/v1/tenants/{tenant}/api-keys", {"name": "b", "role": "tenant_admin"})
            created = await _post(client, "/api/v1/agents", agent, key["api_key"])
            await _post(client, f"/api/v1/agents/{created['id']}/activate", key=key["api_key"])
            made.append(Target(tenant, created["id"], created["webhook_secrets"][0]["secret"]))
    return made


async def load_history(server: EmbeddedPostgres, tenant_id: str) -> None:
    """The demo's past tickets, articles and systems, so that there is something to find and to ask a model about."""
    db = open_database(server, pool_size=1)
    await load_content(db, tenant_id, Console(file=io.StringIO()))
    await db.dispose()


@dataclass
class Worker:
    """The process of ``worker_process``, told what to do over its standard input."""

    child: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.child.pid

    def go(self) -> None:
        """Begin to take runs."""
        assert self.child.stdin is not None
        self.child.stdin.write("go\n")
        self.child.stdin.flush()


@contextmanager
def working(server: EmbeddedPostgres, log: Path, *, wait: float, concurrency: int) -> Iterator[Worker]:
    """A worker process that is ready and waits for ``go``.

    Args:
        server: The database.
        log: Where its log goes, as in production.
        wait: Seconds each run waits inside one journaled step; 0 means no step at all.
        concurrency: Runs at once.
    """
    command = [sys.executable, "-m", WORKER, server.app_url, str(wait), str(concurrency)]
    with log.open("ab") as err:
        child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True
        )
    try:
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise RuntimeError(f"the worker did not start:\n{log.read_text(errors='replace')[-3000:]}")
        yield Worker(child)
    finally:
        child.terminate()
        child.wait()
