"""People sign in with an identity provider, and what is tried against that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from sqlalchemy import func, select
from tests.support.api import Api
from tests.support.identity import (
    CLIENT_ID,
    CLIENT_SECRET,
    Pretender,
    come_back,
    depart,
    new_key,
    part,
    pretender,
    register,
    sentence,
    sign_in,
    where_to,
)

from deskhand.access.models import SignInAttempt, User, UserSession
from deskhand.access.people import tries
from deskhand.access.sso import signing_in
from deskhand.audit.models import AuditLog
from deskhand.ui.csrf import SESSION_COOKIE

AGENTS = "/api/v1/agents"


async def is_in(client: httpx2.AsyncClient) -> bool:
    return (await client.get(AGENTS)).status_code == 200


async def sign_ins(api: Api, tenant_id: str = "acme") -> list[AuditLog]:
    async with api.db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.operation == "console.sign_in", AuditLog.tenant_id == tenant_id)
        return list((await session.scalars(query.order_by(AuditLog.sequence))).all())


async def test_who_signs_in_for_the_first_time_becomes_a_member_with_the_groups_role(
    api: Api, source: Pretender
) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    page = await client.get(f"/login?via={provider}")
    assert "Sign in with Acme" in page.text
    assert "Sign in with Acme" not in (await client.get("/login")).text, "a tenant's own provider is nobody else's"

    asked = await depart(client, provider, "/schedules?x=1")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(
        (await client.post(f"/login/sso/{provider}", data={"next": "/schedules?x=1"})).headers["set-cookie"].split("; ")
    )
    asked = await depart(client, provider, "/schedules?x=1")
    assert asked["redirect_uri"] == f"http://deskhand.example.com/login/sso/{provider}/callback"
    answer = await come_back(client, provider, code=source.authorize(asked), state=asked["state"])

    assert (answer.status_code, answer.headers["location"]) == (303, "/schedules?x=1")
    assert await is_in(client)
    assert (await client.post(AGENTS, json={})).status_code == 403, "an operator"
    async with api.db.platform_session() as session:
        user = (await session.scalars(select(User))).one()
        held = (await session.scalars(select(UserSession))).one()
    assert (user.email, user.name, user.password_hash) == ("ann@acme.example", "Ann Lee", None)
    assert (held.method, str(held.provider_id), held.current_tenant) == ("oidc", provider, "acme")
    (entry,) = await sign_ins(api)
    assert (entry.actor, entry.status, entry.details["provider"]) == ("user:ann@acme.example", "success", "Acme")
    assert "Sign in with Acme" in (await client.get("/login")).text, "this browser knows it now"
    pair = base64.b64decode(source.forms[-1]["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{CLIENT_ID}:p%25ss%3A+word%2F%2B"
    assert CLIENT_SECRET not in str(source.forms)


async def test_a_second_sign_in_is_the_same_person_whatever_the_address(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    first, second = await api.client(), await api.client()
    assert (await sign_in(first, source, provider)).status_code == 303
    source.claims = {"email": "ann.lee@acme.example", "name": "Ann Other"}
    assert (await sign_in(second, source, provider)).status_code == 303
    async with api.db.platform_session() as session:
        assert (await session.scalars(select(User.email))).all() == ["ann@acme.example"]


async def test_a_sign_in_ends_the_session_that_was_open_in_the_browser(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client, thief = await api.client(), await api.client()
    await sign_in(client, source, provider)
    thief.cookies.set(SESSION_COOKIE, client.cookies[SESSION_COOKIE])
    assert await is_in(thief)
    await sign_in(client, source, provider)
    assert not await is_in(thief)
    assert await is_in(client)


# -- what a token must be --------------------------------------------------------------------------------------------


def unsigned(claims: dict[str, Any]) -> str:
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def with_the_public_key(source: Pretender) -> Callable[[dict[str, Any]], str]:
    """HMAC keyed with what everybody can fetch."""

    def make(claims: dict[str, Any]) -> str:
        text = f"{part({'alg': 'HS256', 'kid': source.key.kid})}.{part(claims)}"
        digest = hmac.new(source.key.as_pem(private=False), text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    return make


def with_another_key(source: Pretender) -> Callable[[dict[str, Any]], str]:
    other = new_key(str(source.key.kid))
    return lambda claims: jwt.encode({"alg": "ES256", "kid": other.kid}, claims, other, algorithms=["ES256"])


def with_a_key_of_its_own(source: Pretender) -> Callable[[dict[str, Any]], str]:
    """The token brings the key along that it is to be checked with."""
    other = new_key("own")
    header = {"alg": "ES256", "jwk": other.as_dict(private=False), "jku": "https://evil.example/jwks"}
    return lambda claims: (
        f"{part(header)}." + ".".join(jwt.encode(header, claims, other, algorithms=["ES256"]).split(".")[1:])
    )


FORGERIES: dict[str, Callable[[Pretender], Callable[[dict[str, Any]], str]]] = {
    "unsigned": lambda source: unsigned,
    "signed with the public key": with_the_public_key,
    "signed by another key of the same name": with_another_key,
    "with a key of its own": with_a_key_of_its_own,
    "no token": lambda source: lambda claims: "a.b",
    "five parts": lambda source: lambda claims: "a.b.c.d.e",
    "no text": lambda source: lambda claims: "",
    "too long": lambda source: lambda claims: "x" * 200_000,
}


class Ago(int):
    """A time so many seconds before the token is made."""


LIES: dict[str, dict[str, Any]] = {
    "for another client": {"aud": "another"},
    "for nobody": {"aud": None},
    "for several and given to nobody": {"aud": [CLIENT_ID, "another"]},
    "for several and given to another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "given to another": {"azp": "another"},
    "of another issuer": {"iss": "https://evil.example"},
    "expired": {"iat": Ago(300), "exp": Ago(120)},
    "without an end": {"exp": None},
    "with an end that is no time": {"exp": float("nan")},
    "with an end in words": {"exp": "tomorrow"},
    "of the future": {"iat": Ago(-600), "exp": Ago(-900)},
    "not good yet": {"nbf": Ago(-600)},
    "made long ago": {"iat": Ago(3600)},
    "without a beginning": {"iat": None},
    "of another sign-in": {"nonce": "x" * 43},
    "of no sign-in": {"nonce": None},
    "of nobody": {"sub": ""},
    "of a number": {"sub": 7},
    "of somebody with odd letters": {"sub": "ann\u2028"},
}


def at_present(claims: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {name: now - value if isinstance(value, Ago) else value for name, value in claims.items()}


async def test_a_token_that_does_not_hold_opens_nothing(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    for what in [*FORGERIES, *LIES]:
        source.claims = at_present(LIES.get(what, {}))
        source.token = FORGERIES[what](source) if what in FORGERIES else None
        answer = await sign_in(client, source, provider)
        refused = (401, "The sign-in with Acme could not be verified. Please try again.")
        assert (answer.status_code, sentence(answer)) == refused, what
        assert SESSION_COOKIE not in client.cookies, what
    entries = await sign_ins(api)
    assert {(one.status, one.resource_type, one.resource_id) for one in entries} == {
        ("denied", "identity_provider", provider)
    }
    assert len(entries) == len(FORGERIES) + len(LIES)
    async with api.db.platform_session() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 0


HOLDS: list[dict[str, Any]] = [
    {"aud": [CLIENT_ID]},
    {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
    {"iat": Ago(30), "exp": Ago(20)},
    {"iat": Ago(-30), "nbf": Ago(-20)},
]


async def test_what_holds_by_the_specification_holds(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    for claims in HOLDS:
        source.claims = at_present(claims)
        assert (await sign_in(client, source, provider)).status_code == 303, claims


# -- what an answer must be ------------------------------------------------------------------------------------------


async def test_an_answer_counts_once_in_the_browser_that_asked(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    victim, attacker = await api.client(), await api.client()
    asked, foreign = await depart(victim, provider), await depart(attacker, provider)
    code = source.authorize(asked)
    for client, state in ((victim, ""), (victim, foreign["state"]), (attacker, asked["state"])):
        answer = await come_back(client, provider, code=code, state=state)
        assert (answer.status_code, sentence(answer)) == (401, signing_in._NOT_OURS)
    assert "token" not in source.asked, "nothing is exchanged for somebody else"
    cookie = victim.cookies["deskhand_sso"]
    assert (await come_back(victim, provider, code=code, state=asked["state"])).status_code == 303

    victim.cookies.set("deskhand_sso", cookie)
    again = await come_back(victim, provider, code=source.authorize(asked), state=asked["state"])
    assert (again.status_code, sentence(again)) == (401, signing_in._NOT_OURS)


async def test_a_code_that_was_used_is_refused(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    code = source.authorize(await depart(client, provider))
    source.codes.clear()
    state = (await depart(client, provider))["state"]
    answer = await come_back(client, provider, code=code, state=state)
    assert answer.status_code == 401
    assert "could not be verified" in sentence(answer)


async def test_a_code_of_another_sign_in_is_refused_for_its_verifier(api: Api, source: Pretender) -> None:
    """Somebody puts a code of theirs, which is still good, into the victim's way back."""
    provider = await register(api, source.url)
    victim, attacker = await api.client(), await api.client()
    code = source.authorize(await depart(attacker, provider))
    state = (await depart(victim, provider))["state"]
    assert (await come_back(victim, provider, code=code, state=state)).status_code == 401
    assert not await is_in(victim)


async def test_a_sign_in_ends_with_ten_minutes(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    asked = await depart(client, provider)
    start = datetime.now(UTC)
    api.state.clock = lambda: start + signing_in.LIFETIME + timedelta(seconds=1)
    assert (await come_back(client, provider, code=source.authorize(asked), state=asked["state"])).status_code == 401
    await depart(client, provider)
    async with api.db.platform_session() as session:
        assert await session.scalar(select(func.count()).select_from(SignInAttempt)) == 1, "the old one is forgotten"


async def test_one_providers_answer_is_not_anothers(api: Api, source: Pretender) -> None:
    """The mix-up attack: a provider lets the browser answer as if the other one had been asked."""
    async with pretender() as evil:
        honest = await register(api, source.url)
        crooked = await register(api, evil.url, name="Evil")
        client = await api.client()
        asked = await depart(client, crooked)
        code = source.authorize(asked)
        # At the address of the one that was not asked; and at the other's, with the code of the first.
        assert (await come_back(client, honest, code=code, state=asked["state"])).status_code == 401
        assert (await come_back(client, crooked, code=code, state=asked["state"])).status_code == 401
        assert not await is_in(client)
        assert "token" not in source.asked


async def test_a_provider_that_names_itself_must_be_the_one_that_was_asked(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    other = "https://evil.example"
    for announced, iss, right in (
        (True, source.url, True),
        (True, "", False),
        (True, other, False),
        (False, other, False),
        (False, source.url, True),
        (False, "", True),
    ):
        source.metadata = {"authorization_response_iss_parameter_supported": announced}
        api.state.oidc._kept.clear()
        source.asked.clear()
        answer = await sign_in(client, source, provider, **({"iss": iss} if iss else {}))
        assert (answer.status_code == 303) is right, (announced, iss)
        assert ("token" in source.asked) is right, "a code goes to nobody but who gave it"


async def test_who_cancels_reads_a_sentence_of_ours(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    asked = await depart(client, provider)
    answer = await come_back(
        client, provider, state=asked["state"], error="access_denied", error_description="Call 0800 EVIL"
    )
    assert (answer.status_code, sentence(answer)) == (401, "The sign-in with Acme was cancelled or refused there.")
    assert "EVIL" not in answer.text


async def test_the_way_on_stays_here(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    for path in (
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "http://[",
        "evil",
    ):
        asked = await depart(client, provider, path)
        answer = await come_back(client, provider, code=source.authorize(asked), state=asked["state"])
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), path


async def test_another_site_cannot_begin_a_sign_in(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client(**{"Sec-Fetch-Site": "cross-site"})
    assert (await client.post(f"/login/sso/{provider}")).status_code == 403
    assert (await client.get(f"/login/sso/{provider}")).status_code == 405


async def test_sign_ins_that_nobody_ends_are_counted(
    api: Api, source: Pretender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "PER_PROVIDER_ADDRESS", 2)
    provider = await register(api, source.url)
    client = await api.client()
    for _ in range(4):
        assert (await sign_in(client, source, provider)).status_code == 303, "what succeeds counts for nothing"
    for _ in range(2):
        await depart(client, provider)
    answer = await client.post(f"/login/sso/{provider}")
    assert answer.status_code == 429
    assert "Too many" in sentence(answer)


# -- providers that are away or odd ----------------------------------------------------------------------------------


async def test_a_provider_that_is_away_is_told_in_a_sentence(api: Api) -> None:
    async with pretender() as gone:
        provider = await register(api, gone.url)
    client = await api.client()
    answer = await client.post(f"/login/sso/{provider}")
    assert answer.status_code == 503
    assert sentence(answer) == "Acme does not answer at the moment. Try again in a minute."
    assert "127.0.0.1" not in answer.text
    assert 'action="/login"' in answer.text, "the other ways to sign in are still there"


async def test_a_provider_that_goes_away_in_between_is_told_and_on_record(api: Api) -> None:
    async with pretender() as gone:
        provider = await register(api, gone.url)
        client = await api.client()
        asked = await depart(client, provider)
    answer = await come_back(client, provider, code="x", state=asked["state"])
    assert answer.status_code == 503
    assert [entry.status for entry in await sign_ins(api)] == ["failure"]


ODD: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://evil.example"},
    "no token endpoint": {"token_endpoint": None},
    "a script for an endpoint": {"authorization_endpoint": "javascript:alert(1)"},
    "a file for an endpoint": {"jwks_uri": "file:///etc/passwd"},
    "an address without a host": {"token_endpoint": "https:///token"},
    "an address that is none": {"end_session_endpoint": "http://["},
}


async def test_a_provider_that_says_odd_things_of_itself_is_not_used(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    for what, source.metadata in ODD.items():
        api.state.oidc._kept.clear()
        answer = await client.post(f"/login/sso/{provider}")
        assert answer.status_code == 503, what
        assert sentence(answer).startswith("Acme "), what
        assert "evil" not in answer.text


async def test_a_provider_that_refuses_our_secret_is_the_administrators_to_mend(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    source.answers = {"status": 401, "error": "invalid_client"}
    answer = await sign_in(await api.client(), source, provider)
    assert answer.status_code == 503
    assert "client id or secret" in sentence(answer)


async def test_a_provider_that_takes_no_basic_authentication_gets_a_form(api: Api, source: Pretender) -> None:
    source.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider = await register(api, source.url)
    assert (await sign_in(await api.client(), source, provider)).status_code == 303
    form = source.forms[-1]
    assert (form["client_id"], form["client_secret"], form["authorization"]) == (CLIENT_ID, CLIENT_SECRET, "")


async def test_what_only_userinfo_tells_counts_and_must_be_of_the_same_person(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    source.claims = {"groups": None, "email": None}
    source.userinfo = {"groups": ["Service desk"], "email": "ann@acme.example", "sub": "bob"}
    assert (await sign_in(await api.client(), source, provider)).status_code == 401
    source.userinfo["sub"] = "ann"
    assert (await sign_in(await api.client(), source, provider)).status_code == 303


# -- signing out -----------------------------------------------------------------------------------------------------


async def test_signing_out_goes_on_to_the_provider(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    await sign_in(client, source, provider)

    answer = await client.post("/logout")

    onward = httpx2.URL(where_to(answer.text))
    assert str(onward).startswith(f"{source.url}/end?")
    assert onward.params["post_logout_redirect_uri"] == "http://deskhand.example.com/login"
    assert onward.params["client_id"] == CLIENT_ID
    assert onward.params["id_token_hint"].count(".") == 2
    assert not await is_in(client)
    assert (await client.post("/logout")).status_code == 303, "once"
    await sign_in(client, source, provider)
    async with api.db.platform_session() as session:
        kept = (await session.scalars(select(UserSession.id_token_encrypted).order_by(UserSession.created_at))).all()
    assert kept[0] is None
    assert kept[1] is not None
    assert "." not in kept[1], "encrypted"


@pytest.mark.parametrize("metadata", [{"end_session_endpoint": None}, {"issuer": "https://evil.example"}])
async def test_signing_out_here_needs_no_provider(api: Api, source: Pretender, metadata: dict[str, Any]) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    await sign_in(client, source, provider)
    source.metadata = metadata
    start = datetime.now(UTC)
    api.state.clock = lambda: start + timedelta(minutes=59)
    await client.get(AGENTS)
    api.state.clock = lambda: start + timedelta(minutes=61)
    answer = await client.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert not await is_in(client)
