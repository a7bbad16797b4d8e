from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api

from deskhand.access import service
from deskhand.access.forms import local_path
from deskhand.access.models import ApiKey


async def test_a_key_is_shown_once_and_stored_as_a_hash(api: Api) -> None:
    acme = await api.tenant()
    made = await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "pipeline", "role": "viewer"})
    assert made.status_code == 201
    key = made.json()["api_key"]
    assert key.startswith("dhk_")
    assert made.json()["prefix"] == key[:12]
    listed = await acme.get("/api/v1/tenants/acme/api-keys")
    assert [item["name"] for item in listed.json()["items"]] == ["pipeline", "tests"]
    assert key not in listed.text
    async with api.db.tenant_session("acme") as session:
        rows = (await session.scalars(select(ApiKey))).all()
    assert key.encode() not in b"".join(row.key_hash for row in rows)
    assert all(key not in str(vars(row)) for row in rows)
    assert (await (await api.client(key)).get("/api/v1/agents")).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer dhk_a", "Bearer dhp_a", "Basic YTpi", "Bearer " + "x" * 5000, "Bearer dhs_a", "dhk_a"],
)
async def test_a_wrong_credential_is_refused(api: Api, header: str) -> None:
    client = await api.client(**({"Authorization": header} if header else {}))
    answer = await client.get("/api/v1/agents")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="deskhand"'
    assert answer.json()["code"] == "unauthenticated"


async def test_revoked_and_expired_keys_stop_working(api: Api) -> None:
    acme = await api.tenant()
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = (
        await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "viewer", "expires_at": soon})
    ).json()
    holder = await api.client(made["api_key"])
    assert (await holder.get("/api/v1/agents")).status_code == 200
    api.state.clock = lambda: datetime.now(UTC) + timedelta(hours=2)
    assert (await holder.get("/api/v1/agents")).status_code == 401
    api.state.clock = lambda: datetime.now(UTC)
    url = f"/api/v1/tenants/acme/api-keys/{made['id']}"
    assert (await acme.delete(url)).json()["revoked_at"] is not None
    assert (await holder.get("/api/v1/agents")).status_code == 401
    assert (await acme.delete(url)).status_code == 409
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    refused = await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "t", "role": "viewer", "expires_at": past})
    assert refused.json()["errors"][0]["pointer"] == "/expires_at"


async def test_a_platform_key_administers_tenants_and_nothing_in_them(api: Api) -> None:
    await api.tenant()
    platform = await api.platform()
    assert (await platform.get("/api/v1/tenants")).status_code == 200
    assert (await platform.get("/api/v1/agents")).status_code == 403
    missing = await platform.post("/api/v1/tenants/nobody/api-keys", json={"name": "x", "role": "viewer"})
    assert missing.status_code == 404


@pytest.mark.parametrize("role", ["viewer", "editor", "operator"])
async def test_only_administrators_make_keys(api: Api, role: str) -> None:
    await api.tenant()
    member = await api.member("acme", role)
    answer = await member.post("/api/v1/tenants/acme/api-keys", json={"name": "x", "role": "tenant_admin"})
    assert answer.status_code == 403
    assert role in answer.json()["detail"]


async def test_another_tenants_key_cannot_be_revoked(api: Api) -> None:
    acme, globex = await api.tenant("acme"), await api.tenant("globex")
    theirs = (await globex.get("/api/v1/tenants/globex/api-keys")).json()["items"][0]["id"]
    assert (await acme.delete(f"/api/v1/tenants/acme/api-keys/{theirs}")).status_code == 404
    assert (await globex.get("/api/v1/agents")).status_code == 200


async def test_signing_in_with_a_key_sets_a_guarded_cookie(api: Api) -> None:
    acme = await api.tenant()
    made = (await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "me", "role": "viewer"})).json()
    browser = await api.client()
    answer = await browser.post("/login", data={"api_key": made["api_key"], "next": "/executions"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/executions")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    assert made["api_key"] not in cookie
    assert (await browser.get("/api/v1/agents")).status_code == 200
    cross = await browser.post("/api/v1/agents", json={}, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    assert (await browser.get("/api/v1/agents", headers={"Sec-Fetch-Site": "cross-site"})).status_code == 200
    await acme.delete(f"/api/v1/tenants/acme/api-keys/{made['id']}")
    assert (await browser.get("/api/v1/agents")).status_code == 401


async def test_signing_out_ends_the_session_on_the_server(api: Api) -> None:
    browser = await _signed_in(api)
    stolen = dict(browser.cookies)
    assert (await browser.post("/logout")).status_code == 303
    thief = await api.client()
    thief.cookies.update(stolen)
    assert (await thief.get("/api/v1/agents")).status_code == 401


async def test_a_session_ends_by_itself(api: Api) -> None:
    browser = await _signed_in(api)
    api.state.clock = lambda: datetime.now(UTC) + service.SESSION_LIFETIME + timedelta(seconds=1)
    assert (await browser.get("/api/v1/agents")).status_code == 401


@pytest.mark.parametrize("cookie", ["", "nonsense", "gAAAAA", "x" * 5000])
async def test_a_forged_cookie_is_refused(api: Api, cookie: str) -> None:
    browser = await api.client(Cookie=f"deskhand_session={cookie}")
    assert (await browser.get("/api/v1/agents")).status_code == 401


async def test_a_sign_in_token_works_exactly_once(api: Api) -> None:
    acme = await api.tenant()
    made = (await acme.post("/api/v1/tenants/acme/sign-in-tokens")).json()
    assert made["url"] == f"http://deskhand.example.com/login?token={made['token']}"
    assert (await (await api.client(made["token"])).get("/api/v1/agents")).status_code == 401
    browsers = [await api.client() for _ in range(4)]
    answers = await asyncio.gather(*(browser.post("/login", data={"token": made["token"]}) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401, 401]
    winner = browsers[[answer.status_code for answer in answers].index(303)]
    assert (await winner.get("/api/v1/tenants/acme")).status_code == 200
    names = [item["name"] for item in (await acme.get("/api/v1/tenants/acme/api-keys")).json()["items"]]
    assert names == ["tests"]


async def test_a_sign_in_token_expires(api: Api) -> None:
    acme = await api.tenant()
    token = (await acme.post("/api/v1/tenants/acme/sign-in-tokens")).json()["token"]
    api.state.clock = lambda: datetime.now(UTC) + service.SIGN_IN_LIFETIME + timedelta(seconds=1)
    assert (await (await api.client()).post("/login", data={"token": token})).status_code == 401


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/executions?x=1", "/executions?x=1"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_only_to_this_server(value: str, path: str) -> None:
    assert local_path(value) == path


async def _signed_in(api: Api) -> httpx2.AsyncClient:
    acme = await api.tenant()
    token = (await acme.post("/api/v1/tenants/acme/sign-in-tokens")).json()["token"]
    browser = await api.client()
    assert (await browser.post("/login", data={"token": token})).status_code == 303
    assert (await browser.get("/api/v1/agents")).status_code == 200
    return browser
