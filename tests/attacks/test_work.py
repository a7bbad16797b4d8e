"""What is not there costs what is there but not yours: the same statements and hashes, so no clock tells them apart.

Counted and not timed: a machine under load would make a stopwatch lie, and the work is what an attacker's clock sees.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from tests.access.test_permissions import World

from deskhand.audit import refusals
from deskhand.kit import crypto

trying: ContextVar[bool] = ContextVar("trying", default=False)


def beside() -> bool:
    """In the task that writes down refused keys, when it comes to it, or where a connection that has rested is tried.

    No caller waits for the one; the other hangs on which connection of the pool a request comes by.
    """
    task = asyncio.current_task()
    return task is not None and (task.get_name() == refusals.TASK or trying.get())


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Statements sent to the database, by their text, and digests computed of secrets."""
    done: Counter[str] = Counter()

    def counted(name: str) -> None:
        real = getattr(asyncpg.Connection, name)

        async def run(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
            # A transaction may end after its answer and in a task of its own; how many began says as much.
            if not beside() and query not in ("COMMIT;", "ROLLBACK;"):
                done[re.sub(r"\s+", " ", str(query))[:200]] += 1
            return await real(self, query, *args, **kwargs)

        monkeypatch.setattr(asyncpg.Connection, name, run)

    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        counted(name)

    async def tried(self: Any, *, real: Any = AsyncAdapt_asyncpg_connection._async_ping) -> None:
        token = trying.set(True)
        try:
            await real(self)
        finally:
            trying.reset(token)

    monkeypatch.setattr(AsyncAdapt_asyncpg_connection, "_async_ping", tried)

    def sent(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if not beside():
            done[statement[:200]] += 1

    # Of the ORM's sessions by SQLAlchemy itself: what the driver prepares hangs on which connection of the pool it is.
    event.listen(Engine, "before_cursor_execute", sent)
    compare, digest = hmac.compare_digest, crypto.key_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: done.update(["compared"]) or compare(a, b))
    monkeypatch.setattr(crypto, "key_digest", lambda key: done.update(["digest"]) or digest(key))
    yield done
    event.remove(Engine, "before_cursor_execute", sent)


async def cost(
    work: Counter[str], client: httpx2.AsyncClient, method: str, address: str, **sent: Any
) -> tuple[int, Counter[str]]:
    await client.request(method, address, **sent)  # what is prepared once per connection is prepared
    work.clear()
    answer = await client.request(method, address, **sent)
    return answer.status_code, Counter(work)


async def test_a_foreign_id_costs_what_an_unknown_one_costs(world: World, work: Counter[str]) -> None:
    client = await world.api.member("acme", "tenant_admin")
    looked = 0
    for route in world.routes:
        ids = route.parameters & {"agent_id", "execution_id", "trigger_id", "key_id", "person_id"}
        if route.method != "GET" or route.is_page or not ids:
            continue
        costs = []
        for values in (world.foreign, dict.fromkeys(ids, str(uuid.uuid4()))):
            address = route.path.format(**{**world.own, **{name: values[name] for name in ids}})
            costs.append(await cost(work, client, "GET", address, params=route.body()["params"]))
        assert costs[0] == costs[1], route.name
        assert costs[0][0] == 404
        looked += 1
    assert looked >= 8


async def test_a_key_that_is_nobodys_costs_what_one_that_ended_costs(world: World, work: Counter[str]) -> None:
    administrator = await world.api.member("acme", "tenant_admin")
    keys = "/api/v1/tenants/acme/api-keys"
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    revoked, expired = [
        (await administrator.post(keys, json={"name": "k", "role": "viewer", "expires_at": soon})).json() for _ in "12"
    ]
    await administrator.delete(f"{keys}/{revoked['id']}")
    unknown = f"dhk_{'A' * 43}"
    client, clock = await world.api.client(), world.api.state.clock
    costs = []
    try:
        for key, hours in ((unknown, 0), (revoked["api_key"], 0), (expired["api_key"], 2)):
            world.api.state.clock = lambda by=hours: clock() + timedelta(hours=by)  # type: ignore[misc]
            headers = {"Authorization": f"Bearer {key}"}
            costs.append(await cost(work, client, "GET", "/api/v1/agents", headers=headers))
    finally:
        world.api.state.clock = clock
    assert costs[0] == costs[1] == costs[2]
    assert costs[0][0] == 401


async def test_a_link_that_never_was_costs_what_a_used_one_costs(world: World, work: Counter[str]) -> None:
    administrator = await world.api.member("acme", "tenant_admin")
    invited = await administrator.post(
        "/api/v1/tenants/acme/people", json={"email": "link@acme.example", "role": "viewer"}
    )
    token = str(httpx2.URL(invited.json()["link"]["url"]).params["token"])
    person = invited.json()["id"]
    await administrator.post(f"/api/v1/tenants/acme/people/{person}/password-links")  # the new one ends the first
    client = await world.api.client(Accept="text/html")
    made_up = token[:-8] + hashlib.sha256(b"made up").hexdigest()[:8]
    costs = [await cost(work, client, "GET", "/set-password", params={"token": one}) for one in (token, made_up)]
    assert costs[0] == costs[1]
    assert costs[0][0] == 404


async def test_a_webhook_that_leads_nowhere_is_verified_as_one_that_is_wrongly_signed(
    world: World, work: Counter[str]
) -> None:
    client = await world.api.client()
    headers = {"X-Hub-Signature-256": f"sha256={'0' * 64}", "Content-Type": "application/json"}
    answers = []
    for agent in (world.own["agent_id"], str(uuid.uuid4())):
        at = f"/agents/{agent}/webhook"
        status, done = await cost(work, client, "POST", at, content=b"{}", headers=headers)
        answers.append((status, done["compared"]))
    assert answers[0] == answers[1]
    assert answers[0][1] > 0
