"""The whole way over HTTP with providers that others wrote."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from tests.support.api import TLS, Api
from tests.support.factors import enrol
from tests.support.identity import DESK, EMAIL, body, register, sentence, where_to
from tests.support.real_providers import mock_provider, need_strict_provider, strict_provider, through_forms

from deskhand.appstate import SignInRules

AGENTS = "/api/v1/agents"
CALLBACK_HOST = "http://deskhand.example.com"


async def asked(client: httpx2.AsyncClient, provider: str) -> str:
    return where_to((await client.post(f"/login/sso/{provider}")).text)


async def back(client: httpx2.AsyncClient, address: str) -> httpx2.Response:
    assert address.startswith(CALLBACK_HOST)
    return await client.get(address.removeprefix(CALLBACK_HOST))


async def test_the_way_with_the_mock(api: Api) -> None:
    with mock_provider() as issuer:
        provider = await register(
            api, issuer, None, role_rules=[{"group": DESK, "role": "editor", "tenant_id": "acme"}]
        )
        client = await api.client()
        async with httpx2.AsyncClient(verify=TLS) as browser:
            told = {"email": EMAIL, "email_verified": True, "name": "Ann", "groups": [DESK]}
            assert (await browser.put(f"{issuer}/users/ann", json=told)).status_code == 204
            answer = await browser.post(await asked(client, provider), data={"sub": "ann"})
            arrived = await back(client, answer.headers["location"])
            assert (arrived.status_code, arrived.headers["location"]) == (303, "/")
            assert (await client.get(AGENTS)).status_code == 200
            # A code counts once at the provider, too, and a refusal there is a sentence here.
            again = await back(client, answer.headers["location"])
            assert again.status_code == 401
        assert urlsplit(where_to((await client.post("/logout")).text)).path == "/oauth2/end_session"
    assert (await client.get(AGENTS)).status_code == 401


async def test_a_second_factor_that_the_mock_saw_counts_once_it_is_trusted(api: Api) -> None:
    api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"editor"}))
    rules = [{"group": DESK, "role": "editor", "tenant_id": "acme"}]
    with mock_provider() as issuer:
        provider = await register(api, issuer, None, role_rules=rules)
        async with httpx2.AsyncClient(verify=TLS) as browser:
            for trusted, amr, step in ((False, ["mfa"], True), (True, ["mfa"], False), (True, ["pwd"], True)):
                wish = {"vouches_for_second_factor": trusted}
                await (await api.platform()).patch(f"/api/v1/identity-providers/{provider}", json=wish)
                told = {"email": EMAIL, "email_verified": True, "groups": [DESK], "amr": amr}
                assert (await browser.put(f"{issuer}/users/ann", json=told)).status_code == 204
                client = await api.client()
                answer = await browser.post(await asked(client, provider), data={"sub": "ann"})
                arrived = await back(client, answer.headers["location"])
                assert arrived.headers["location"] == ("/second-factor?next=/" if step else "/"), (trusted, amr)
                assert (await client.get(AGENTS)).status_code == (403 if step else 200), (trusted, amr)


@pytest.mark.parametrize("name", ["ann", "mfa-ann"])
async def test_a_second_factor_that_the_strict_provider_saw_counts_where_it_is_trusted(api: Api, name: str) -> None:
    """Its word stands in the ID token it signs; what the person may do, only userinfo tells."""
    need_strict_provider()
    api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"operator"}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    rules = [{"group": DESK, "role": "operator", "tenant_id": "acme"}]
    wish = {"scopes": "openid email profile groups", "role_rules": rules, "vouches_for_second_factor": True}
    made = (await (await api.platform()).post("/api/v1/identity-providers", json=body(issuer, **wish))).json()
    client = await api.client(Accept="text/html")
    with strict_provider(port, made["redirect_uri"], made["sign_out_url"]):
        async with httpx2.AsyncClient(verify=TLS) as browser:
            arrived = await back(client, await through_forms(browser, await asked(client, made["id"]), login=name))
            is_vouched = name.startswith("mfa")
            assert arrived.headers["location"] == ("/" if is_vouched else "/second-factor?next=/")
            assert (await client.get(AGENTS)).status_code == (200 if is_vouched else 403)
            if not is_vouched:
                assert (await enrol(client, password=""))[0].status_code == 200
                assert (await client.get(AGENTS)).status_code == 200
            assert where_to((await client.post("/logout")).text).startswith(f"{issuer}/session/end?")


async def test_the_way_with_the_strict_provider(api: Api) -> None:
    need_strict_provider()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    admin = await api.member("acme", "tenant_admin")
    made = (
        await admin.post(
            "/api/v1/tenants/acme/identity-providers",
            json=body(issuer, scopes="openid email profile groups", email_domains=["acme.example"]),
        )
    ).json()
    client = await api.client()
    with strict_provider(port, made["redirect_uri"], made["sign_out_url"]):
        async with httpx2.AsyncClient(verify=TLS) as browser:
            address = await through_forms(browser, await asked(client, made["id"]), login="ann")
            assert parse_qs(urlsplit(address).query)["iss"] == [issuer], "it names itself (RFC 9207)"
            arrived = await back(client, address)
            assert (arrived.status_code, arrived.headers["location"]) == (303, "/"), sentence(arrived)
            assert (await client.get(AGENTS)).status_code == 200
            leaving = await browser.get(where_to((await client.post("/logout")).text))
            assert leaving.status_code == 200
            assert "Do you want to sign-out" in leaving.text
