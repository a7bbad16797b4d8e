"""Providers are set up, changed and removed: what is shown, what ends, and what keeps its secret."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from tests.conftest import DatabaseUrls
from tests.support.api import TLS, Api
from tests.support.identity import CLIENT_SECRET, DESK, EMAIL, Pretender, body, register, sign_in
from tests.support.logins import PROVER

from deskhand.access.models import IdentityProvider, Membership, User
from deskhand.access.sso import providers
from deskhand.api import ApiConfig, create_app
from deskhand.audit.models import AuditLog
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.oidc.client import OidcClient
from deskhand.simulators.base.server import run_in_process

OWN = "/api/v1/tenants/acme/identity-providers"
EVERYBODYS = "/api/v1/identity-providers"
AGENTS = "/api/v1/agents"


async def test_a_secret_goes_in_and_never_comes_out(api: Api) -> None:
    admin = await api.member("acme", "tenant_admin")
    made = await admin.post(OWN, json=body("https://login.example.com"))
    one = f"{OWN}/{made.json()['id']}"
    changed = await admin.patch(one, json={"client_secret": "another secret", "name": "Acme staff"})
    listed = await admin.get(OWN)
    assert (made.status_code, changed.status_code, listed.status_code) == (201, 200, 200)
    assert listed.json()["items"] == [changed.json()]
    assert changed.json()["redirect_uri"] == f"http://deskhand.example.com/login/sso/{made.json()['id']}/callback"
    async with api.db.platform_session() as session:
        (stored,) = (await session.scalars(select(IdentityProvider))).all()
        logged = select(AuditLog).where(AuditLog.resource_type == "identity_provider").order_by(AuditLog.sequence)
        entries = (await session.scalars(logged)).all()
    assert api.state.secrets.decrypt(stored.client_secret_encrypted) == "another secret"
    assert [entry.operation for entry in entries] == ["identity_provider.create", "identity_provider.update"]
    shown = made.text + changed.text + listed.text + str([entry.details for entry in entries])
    for secret in (CLIENT_SECRET, "another secret", stored.client_secret_encrypted):
        assert secret not in shown
    refused = await admin.patch(one, json={"client_secret": ""})
    assert (refused.status_code, "client_secret" in refused.text) == (422, True)


WRONG: dict[str, dict[str, Any]] = {
    "/issuer": {"issuer": "https://login.example.com/?tenant=x"},
    "/issuer ": {"issuer": "ftp://login.example.com"},
    "/issuer  ": {"issuer": "https://user:password@login.example.com"},
    "/scopes": {"scopes": "email profile"},
    "/role_rules": {"role_rules": []},
    "/role_rules/0/role": {"role_rules": [{"group": DESK, "role": "owner"}]},
    "/email_domains/0": {"email_domains": ["@acme.example"]},
    "/client_id": {"client_id": "ä"},
    "/name": {"name": " "},
}


async def test_what_is_wrong_is_told_by_its_field(api: Api) -> None:
    admin = await api.member("acme", "tenant_admin")
    for field, fields in WRONG.items():
        answer = await admin.post(OWN, json=body("https://login.example.com") | fields)
        assert answer.status_code == 422, field
        assert field.strip() in {fault["pointer"] for fault in answer.json()["errors"]}, answer.text
        assert CLIENT_SECRET not in answer.text


async def test_rules_of_the_installation_name_a_tenant_or_the_platform(api: Api) -> None:
    platform = await api.platform()
    for rule in (
        {"group": DESK, "role": "viewer"},
        {"group": DESK, "role": "platform_admin", "tenant_id": "acme"},
    ):
        answer = await platform.post(EVERYBODYS, json=body("https://login.example.com", role_rules=[rule]))
        assert answer.status_code == 422
        assert "rule 1 must name a tenant_id, or have the role platform_admin" in answer.text


async def test_plain_http_is_for_installations_that_allow_private_addresses(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.state, "oidc", OidcClient(HttpClientFactory()))
    answer = await (await api.platform()).post(OWN, json=body("http://login.example.com"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/issuer")


async def test_there_is_an_end_to_how_many(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "MOST", 1)
    platform = await api.platform()
    assert (await platform.post(OWN, json=body("https://login.example.com"))).status_code == 201
    assert (await platform.post(OWN, json=body("https://login.example.com"))).status_code == 409


async def test_a_provider_that_is_switched_off_ends_what_it_opened(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client, platform = await api.client(), await api.platform()
    await sign_in(client, source, provider)
    assert (await platform.patch(f"{OWN}/{provider}", json={"is_active": False})).status_code == 200
    assert (await client.get(AGENTS)).status_code == 401
    answer = await client.post(f"/login/sso/{provider}")
    assert (answer.status_code, "not there any more" in answer.text) == (404, True)
    assert "Sign in with Acme" not in (await client.get("/login")).text


async def test_a_provider_that_is_removed_takes_along_what_it_gave(api: Api, source: Pretender) -> None:
    rules = [
        {"group": DESK, "role": "viewer", "tenant_id": "acme"},
        {"group": DESK, "role": "platform_admin"},
    ]
    provider = await register(api, source.url, None, role_rules=rules)
    client, platform = await api.client(), await api.platform()
    await sign_in(client, source, provider)
    assert (await client.get(AGENTS)).status_code == 200
    assert (await platform.delete(f"{EVERYBODYS}/{provider}")).status_code == 204
    assert (await client.get(AGENTS)).status_code == 401
    async with api.db.platform_session() as session:
        (user,) = (await session.scalars(select(User))).all()
        assert (user.email, user.is_platform_admin) == (EMAIL, False)
        assert (await session.scalars(select(Membership))).all() == []


async def test_the_installations_and_the_tenants_are_kept_apart(api: Api) -> None:
    platform = await api.platform()
    own = await register(api, "https://login.example.com")
    everybodys = await register(
        api, "https://login.example.com", None, role_rules=[{"group": DESK, "role": "platform_admin"}]
    )
    assert [one["id"] for one in (await platform.get(EVERYBODYS)).json()["items"]] == [everybodys]
    assert [one["id"] for one in (await platform.get(OWN)).json()["items"]] == [own]
    for path in (f"{EVERYBODYS}/{own}", f"{OWN}/{everybodys}"):
        assert (await platform.patch(path, json={"name": "Mine"})).status_code == 404
        assert (await platform.delete(path)).status_code == 404
    async with api.db.tenant_session("acme") as session:
        assert [str(row) for row in await session.scalars(select(IdentityProvider.id))] == [own]


async def test_without_the_platforms_login_the_sign_in_page_is_there_for_keys(
    clean_db: Database, database_urls: DatabaseUrls
) -> None:
    config = ApiConfig(
        database_url=database_urls.app_url,
        prover=PROVER,
        encryption_keys=(Fernet.generate_key().decode(),),
        public_url="http://deskhand.example.com",
        pool_size=2,
    )
    async with run_in_process(create_app(config)) as server, httpx2.AsyncClient(verify=TLS) as client:
        answer = await client.get(f"{server.url}/login?with=key")
    assert (answer.status_code, "API key" in answer.text) == (200, True)
