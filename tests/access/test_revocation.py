"""What a key made ends with the key, and what is being answered ends too: nobody has to restart anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from sqlalchemy import text
from tests.support.api import Api

EVENTS = "/api/v1/executions/events"


async def made_key(api: Api, acme: httpx2.AsyncClient) -> tuple[str, httpx2.AsyncClient]:
    """An administrator's key of its own, so that what is tested is not what revokes it: its id and a client."""
    body = {"name": "to be revoked", "role": "tenant_admin"}
    made = (await acme.post("/api/v1/tenants/acme/api-keys", json=body)).json()
    return made["id"], await api.client(made["api_key"])


async def signed_in(api: Api, **form: str) -> httpx2.AsyncClient:
    browser = await api.client()
    assert (await browser.post("/login", data=form)).status_code == 303
    return browser


async def token_of(maker: httpx2.AsyncClient) -> str:
    answer = await maker.post("/api/v1/tenants/acme/sign-in-tokens")
    assert answer.status_code == 201
    return str(answer.json()["token"])


async def by_key(_api: Api, holder: httpx2.AsyncClient) -> httpx2.AsyncClient:
    return holder


async def by_session(api: Api, holder: httpx2.AsyncClient) -> httpx2.AsyncClient:
    return await signed_in(api, api_key=holder.headers["Authorization"].removeprefix("Bearer "))


async def by_token(api: Api, holder: httpx2.AsyncClient) -> httpx2.AsyncClient:
    return await signed_in(api, token=await token_of(holder))


async def by_token_of_a_session(api: Api, holder: httpx2.AsyncClient) -> httpx2.AsyncClient:
    return await signed_in(api, token=await token_of(await by_token(api, holder)))


Way = Callable[[Api, httpx2.AsyncClient], Awaitable[httpx2.AsyncClient]]
WAYS = (by_key, by_session, by_token, by_token_of_a_session)


async def ends_when(client: httpx2.AsyncClient, revoke: Callable[[], Awaitable[httpx2.Response]]) -> None:
    """The stream that is open ends by itself once ``revoke`` was answered."""
    async with asyncio.timeout(60), client.stream("GET", EVENTS) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("retry")
        assert (await revoke()).status_code == 200
        async for _ in lines:
            continue


@pytest.mark.parametrize("way", WAYS)
async def test_revoking_a_key_ends_streams_and_sessions_made_with_it(api: Api, way: Way) -> None:
    acme = await api.tenant()
    key_id, holder = await made_key(api, acme)
    client = await way(api, holder)

    await ends_when(client, lambda: acme.delete(f"/api/v1/tenants/acme/api-keys/{key_id}"))

    assert (await client.get("/api/v1/agents")).status_code == 401
    assert (await client.get(EVENTS)).status_code == 401
    assert (await acme.get("/api/v1/agents")).status_code == 200


async def test_a_token_ends_with_its_key_before_it_was_used(api: Api) -> None:
    acme = await api.tenant()
    key_id, holder = await made_key(api, acme)
    token = await token_of(holder)
    await acme.delete(f"/api/v1/tenants/acme/api-keys/{key_id}")
    assert (await (await api.client()).post("/login", data={"token": token})).status_code == 401


async def test_what_a_platform_key_made_ends_with_it(api: Api) -> None:
    await api.tenant()
    platform = await api.platform()
    token, browser = await token_of(platform), await signed_in(api, token=await token_of(platform))
    assert (await browser.get("/api/v1/agents")).status_code == 200
    async with api.db.platform_session() as session:
        await session.execute(text("UPDATE platform_keys SET revoked_at = now()"))
    assert (await browser.get("/api/v1/agents")).status_code == 401
    assert (await (await api.client()).post("/login", data={"token": token})).status_code == 401


async def test_signing_out_ends_the_streams_of_that_session_alone(api: Api) -> None:
    acme = await api.tenant()
    _, holder = await made_key(api, acme)
    browser, other = await by_token(api, holder), await by_token(api, holder)
    second = await api.client()
    second.cookies.update(dict(browser.cookies))

    async def sign_out() -> httpx2.Response:
        answer = await second.post("/logout")
        assert answer.status_code == 303
        return await other.get("/api/v1/agents")

    await ends_when(browser, sign_out)


async def test_a_deactivated_tenants_streams_end_and_none_begins(api: Api) -> None:
    acme = await api.tenant()
    platform = await api.platform()
    await ends_when(acme, lambda: platform.post("/api/v1/tenants/acme/deactivate"))
    refused = await acme.get(EVENTS)
    assert refused.status_code == 403
    assert "deactivated" in refused.json()["detail"]
