"""A POST that creates may be sent again: tried on every one of the application's, read from its document."""

from __future__ import annotations

import asyncio
import uuid

import httpx2
import pytest
from sqlalchemy import func, select, text
from tests.audit.test_completeness import STEPS, UNDO, World, world
from tests.support.api import AGENT

from deskhand.access.models import ApiKey, IdempotencyKey
from deskhand.audit.models import AuditLog

__all__ = ["world"]
KEYS = "/api/v1/tenants/acme/api-keys"


async def stored(world: World) -> list[IdempotencyKey]:
    async with world.api.db.platform_session() as session:
        return list(await session.scalars(select(IdempotencyKey)))


async def entries(world: World) -> int:
    async with world.api.db.platform_session() as session:
        return int(await session.scalar(select(func.count()).select_from(AuditLog)) or 0)


def creating(world: World) -> set[str]:
    """Every POST of the document that answers that something was created."""
    return {
        f"POST {path}"
        for path, item in world.api.app.openapi()["paths"].items()
        if {"201", "202"} & item.get("post", {}).get("responses", {}).keys() and item["post"]["security"]
    }


async def test_every_creating_post_is_answered_once(world: World) -> None:
    # An undo is bound to its preview's digest: sent again it meets its own run, and is refused with 409.
    routes = creating(world) - UNDO
    assert len(routes) >= 10
    assert routes <= STEPS.keys()
    for route in sorted(routes):
        step = STEPS[route]
        ids = {**world.ids, **(await step.prepare(world) if step.prepare else {})}
        client, path, body = world.clients[step.who], route.split()[1].format(**ids), step.body(ids)
        headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
        first = await client.post(path, json=body, headers=headers)
        assert first.status_code in (201, 202), (route, first.text)
        written = await entries(world)
        again = await client.post(path, json=body, headers=headers)
        assert (again.status_code, again.content) == (first.status_code, first.content), route
        assert again.headers["content-type"] == first.headers["content-type"]
        assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
        other = await client.post(path, json={**body, "name": "Another"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (422, "invalid-input"), route
        assert await entries(world) == written, f"{route} was done again"


async def test_what_is_shown_once_is_not_readable_in_the_database(world: World) -> None:
    made = await world.clients["key"].post(
        KEYS, json={"name": "n", "role": "viewer"}, headers={"Idempotency-Key": "once"}
    )
    [row] = await stored(world)
    plain = made.json()["api_key"]
    assert plain not in row.answer_encrypted
    assert plain in world.api.state.secrets.decrypt(row.answer_encrypted)


async def test_a_key_is_its_callers_alone(world: World) -> None:
    other = await world.api.member("acme", "tenant_admin")
    body, headers = {"name": "n", "role": "viewer"}, {"Idempotency-Key": "mine"}
    answers = [await client.post(KEYS, json=body, headers=headers) for client in (world.clients["key"], other)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


async def test_of_many_at_once_one_creates(world: World) -> None:
    async def send() -> httpx2.Response:
        return await world.clients["key"].post(
            KEYS, json={"name": "only-one", "role": "viewer"}, headers={"Idempotency-Key": "burst"}
        )

    answers = await asyncio.gather(*(send() for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    async with world.api.db.tenant_session("acme") as session:
        assert len(list(await session.scalars(select(ApiKey).where(ApiKey.name == "only-one")))) == 1


async def test_while_it_is_answered_the_same_request_is_told_so(world: World) -> None:
    await world.clients["key"].post(KEYS, json={"name": "n", "role": "viewer"}, headers={"Idempotency-Key": "busy"})
    [row] = await stored(world)
    async with world.api.db.anonymous_session() as session:
        lock = "SELECT pg_advisory_xact_lock(hashtextextended('deskhand.idempotency/' || :digest, 0))"
        await session.execute(text(lock), {"digest": row.digest.hex()})
        answer = await world.clients["key"].post(
            KEYS, json={"name": "n", "role": "viewer"}, headers={"Idempotency-Key": "busy"}
        )
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_a_failure_is_not_kept_and_a_day_ends_it(world: World) -> None:
    client, headers = world.clients["key"], {"Idempotency-Key": "again"}
    assert (await client.post("/api/v1/agents", json={**AGENT, "name": ""}, headers=headers)).status_code == 422
    assert await stored(world) == []
    first = await client.post("/api/v1/agents", json=AGENT, headers=headers)
    async with world.api.db.platform_session() as session:
        await session.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'"))
    second = await client.post("/api/v1/agents", json=AGENT, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert len(await stored(world)) == 1, "the old answer made room"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 256, '"', "ü"])
async def test_a_key_that_cannot_be_read_is_refused(world: World, sent: str) -> None:
    answer = await world.clients["key"].post(
        KEYS, json={"name": "n", "role": "viewer"}, headers={"Idempotency-Key": sent.encode()}
    )
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_what_it_says_of_a_read_is_ignored(world: World) -> None:
    answer = await world.clients["key"].get("/api/v1/agents", headers={"Idempotency-Key": "read"})
    assert (answer.status_code, await stored(world)) == (200, [])
