"""Connections to models over the API: whose they are, what is shown of them, and where a key may go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.gateways import connected

from deskhand.audit.models import AuditLog
from deskhand.gateways.models import ModelConnection

PATH = "/api/v1/model-connections"
KEY = "sk-of-acme-which-nobody-reads-again"
GATE = {"kind": "openai_compatible", "base_url": "https://llm.acme.example.com/v1", "api_key": KEY}


async def test_a_key_goes_in_and_never_comes_out(api: Api) -> None:
    acme = await api.tenant()
    made = await connected(acme, aliases={"claude-3-5-sonnet": "claude-sonnet-4-5"}, is_default=True, **GATE)
    assert (made["has_key"], made["by_platform"], made["base_url"]) == (True, False, GATE["base_url"])
    answers = [
        await acme.get(PATH),
        await acme.get(f"{PATH}/house"),
        await acme.patch(f"{PATH}/house", json={"name": "B"}),
    ]
    assert all(answer.status_code == 200 and KEY not in answer.text for answer in answers)
    async with api.db.tenant_session("acme") as session:
        row = (await session.scalars(select(ModelConnection))).one()
        logged = select(AuditLog).where(AuditLog.resource_type == "model_connection").order_by(AuditLog.sequence)
        log = (await session.scalars(logged)).all()
    assert row.api_key_encrypted is not None
    assert KEY not in row.api_key_encrypted
    assert api.state.secrets.decrypt(row.api_key_encrypted) == KEY
    assert [entry.operation for entry in log] == ["model_connection.create", "model_connection.update"]
    assert KEY not in str([entry.details for entry in log])


async def test_a_stored_key_never_follows_an_address_to_another_host(api: Api) -> None:
    acme = await api.tenant()
    await connected(acme, **GATE)
    for elsewhere in ("https://evil.example.com/v1", "https://llm.acme.example.com:8443/v1"):
        refused = await acme.patch(f"{PATH}/house", json={"base_url": elsewhere})
        assert refused.status_code == 422, elsewhere
        assert refused.json()["errors"][0]["pointer"] == "/api_key"
    assert (await acme.get(f"{PATH}/house")).json()["base_url"] == GATE["base_url"]
    # Another path on the same host hears nothing new; a new key or none at all was meant for the new host.
    for change in (
        {"base_url": "https://llm.acme.example.com/proxy/v1"},
        {"base_url": "https://new.example.com/v1", "api_key": "another"},
        {"base_url": "https://third.example.com/v1", "api_key": None},
    ):
        changed = await acme.patch(f"{PATH}/house", json=change)
        assert changed.status_code == 200, changed.text
    assert changed.json()["has_key"] is False


async def test_of_a_tenant_nobody_else_hears_and_the_platform_says_who_uses_its_own(api: Api) -> None:
    acme, globex, platform = await api.tenant(), await api.tenant("globex"), await api.platform()
    await connected(acme, "own", **GATE)
    await connected(platform, "everyone", **GATE)
    await connected(platform, "of-acme", **GATE, tenants=["acme", "acme"])
    assert await _listed(acme) == {"own": False, "everyone": True, "of-acme": True}
    assert await _listed(globex) == {"everyone": True}
    assert await _listed(platform) == {"everyone": True, "of-acme": True}
    shared = next(one for one in (await acme.get(PATH)).json() if one["slug"] == "of-acme")
    assert (shared["base_url"], shared["tenants"], shared["check_fault"]) == (None, None, None)
    assert (await platform.get(f"{PATH}/of-acme")).json()["tenants"] == ["acme"]
    for method, path in (("GET", "everyone"), ("PATCH", "everyone"), ("DELETE", "everyone"), ("DELETE", "own")):
        client = globex if path == "own" else acme
        body = {"json": {"name": "Mine"}} if method == "PATCH" else {}
        assert (await client.request(method, f"{PATH}/{path}", **body)).status_code == 404
    assert (await platform.get(f"{PATH}/own")).status_code == 404
    assert (await platform.delete(f"{PATH}/everyone")).status_code == 204
    assert await _listed(globex) == {}


async def _listed(client: httpx2.AsyncClient) -> dict[str, bool]:
    answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    return {one["slug"]: one["by_platform"] for one in answer.json()}


async def test_one_is_the_default_and_a_slug_is_one_connections(api: Api) -> None:
    acme = await api.tenant()
    await connected(acme, "first", is_default=True)
    await connected(acme, "second", is_default=True)
    assert {one["slug"]: one["is_default"] for one in (await acme.get(PATH)).json()} == {"first": False, "second": True}
    assert (await acme.patch(f"{PATH}/first", json={"is_default": True})).status_code == 200
    assert {one["slug"]: one["is_default"] for one in (await acme.get(PATH)).json()} == {"first": True, "second": False}
    again = await acme.post(PATH, json={"slug": "first", "kind": "embedded", "name": "First"})
    assert again.status_code == 409
    missing = await acme.get(f"{PATH}/fist")
    assert missing.status_code == 404
    assert "did you mean 'first'?" in missing.json()["detail"]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"kind": "litellm_sdk"}, "for the platform alone"),
        ({"kind": "openai_compatible"}, "base_url is needed"),
        ({"kind": "embedded", "api_key": "k"}, "do not belong to the kind 'embedded'"),
        ({**GATE, "base_url": "http://llm.acme.example.com/v1"}, "must begin with https://"),
        ({**GATE, "base_url": "https://user:pass@llm.acme.example.com/v1"}, ""),
        ({**GATE, "base_url": "https://llm.acme.example.com:99999/v1"}, "port"),
        ({**GATE, "api_key": "two words"}, "visible ASCII"),
        ({**GATE, "tenants": ["acme"]}, "belongs to the platform's connections"),
        ({**GATE, "slug": "installation"}, "take another slug"),
    ],
)
async def test_what_no_tenant_may_have_is_refused_in_words(api: Api, wanted: dict[str, Any], says: str) -> None:
    api.state.http = replace(api.state.http, allow_private=False)
    acme = await api.tenant()
    refused = await acme.post(PATH, json={"slug": "house", "name": "House", **wanted})
    assert refused.status_code == 422, refused.text
    assert says in refused.text
    assert (await acme.get(PATH)).json() == []


async def test_a_change_cannot_take_away_what_a_kind_needs(api: Api) -> None:
    acme = await api.tenant()
    await connected(acme)
    assert (await acme.patch(f"{PATH}/house", json={"base_url": "https://x.example.com/v1"})).status_code == 422
    assert (await acme.patch(f"{PATH}/house", json={"name": None})).status_code == 422
    assert (await acme.patch(f"{PATH}/house", json={"kind": "litellm_proxy"})).status_code == 422
