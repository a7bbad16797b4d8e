"""The second factor after single sign-on: ours is asked, unless the platform trusts the provider and it says `mfa`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pyotp import TOTP
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.support.api import Api
from tests.support.factors import csrf_of, enrol, fields_of, phone_of, session_of, show
from tests.support.identity import DESK, EMAIL, Pretender, body, register, sign_in
from tests.support.people import PASSWORD, account, browser
from tests.support.people import sign_in as sign_in_with_password

from deskhand.access import sessions
from deskhand.access.models import IdentityProvider, Membership, SecondFactor, User, UserSession
from deskhand.access.people import tries
from deskhand.appstate import SignInRules
from deskhand.audit.models import AuditLog
from deskhand.audit.service import PLATFORM
from deskhand.ui.csrf import SESSION_COOKIE

AGENTS = "/api/v1/agents"
STEP = "/second-factor?next=/"
OWN, EVERYBODYS = "/api/v1/tenants/acme/identity-providers", "/api/v1/identity-providers"
FOR_ACME = [{"group": DESK, "role": "operator", "tenant_id": "acme"}]
NEEDED = SignInRules(second_factor_roles=frozenset({"operator"}))


async def of_installation(api: Api, issuer: str, *, trusted: bool = True, **fields: Any) -> str:
    rules = fields.pop("role_rules", FOR_ACME)
    return await register(api, issuer, None, role_rules=rules, vouches_for_second_factor=trusted, **fields)


async def arrive(api: Api, source: Pretender, provider: str) -> tuple[httpx2.AsyncClient, str]:
    """Sign in with a provider in a browser of one's own; where that leads."""
    client = await api.client(Accept="text/html")
    answer = await sign_in(client, source, provider)
    assert answer.status_code == 303, answer.text
    return client, answer.headers["location"]


async def user_of(api: Api, email: str = EMAIL) -> User:
    async with api.db.platform_session() as session:
        return (await session.scalars(select(User).where(User.email == email))).one()


async def open_sessions(api: Api) -> list[UserSession]:
    async with api.db.platform_session() as session:
        return list((await session.scalars(select(UserSession).where(UserSession.ended_at.is_(None)))).all())


async def entries(api: Api, tenant_id: str = "acme") -> list[tuple[str, str, object, object]]:
    async with api.db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.tenant_id == tenant_id, AuditLog.resource_type == "person")
        rows = (await session.scalars(query.order_by(AuditLog.sequence))).all()
    return [(row.operation, row.status, row.details.get("shown"), row.details.get("provider")) for row in rows]


# -- whose word counts -----------------------------------------------------------------------------------------------

SAID: list[tuple[object, bool]] = [
    (None, False),
    (["mfa"], True),
    (["pwd", "mfa"], True),
    (["pwd", "otp"], False),
    ([], False),
    ("mfa", False),
    (["MFA", "mfa "], False),
    ([["mfa"], {"mfa": True}, None], False),
    ({"mfa": True}, False),
]
"""What an ID token may say as ``amr``, and whether it is the word for more than one factor (RFC 8176)."""


@pytest.mark.parametrize("kind", ["a tenant's", "the installation's", "a trusted one"])
async def test_ours_is_asked_unless_a_trusted_provider_says_mfa(api: Api, source: Pretender, kind: str) -> None:
    if kind == "a tenant's":
        provider = await register(api, source.url)
    else:
        provider = await of_installation(api, source.url, trusted=kind == "a trusted one")
    # Said outside the signed token it is nobody's word.
    source.userinfo = {"amr": ["mfa"]}
    for said, is_mfa in SAID:
        source.claims = {"amr": said}
        vouched = is_mfa and kind == "a trusted one"
        api.state.sign_in_rules = NEEDED
        client, where = await arrive(api, source, provider)
        assert where == ("/" if vouched else STEP), said
        assert (await client.get(AGENTS)).status_code == (200 if vouched else 403), said
        api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"tenant_admin"}))
        assert (await arrive(api, source, provider))[1] == "/", "the role needs none"


@pytest.mark.parametrize("kind", ["a tenant's", "the installation's", "a trusted one"])
async def test_who_has_an_app_from_the_days_of_passwords_is_asked_for_it(
    api: Api, source: Pretender, kind: str
) -> None:
    phone = await phone_of(api, await account(api, EMAIL, acme="viewer"))
    fields: dict[str, Any] = {"email_domains": ["acme.example"]}
    if kind == "a tenant's":
        provider = await register(api, source.url, **fields)
    else:
        provider = await of_installation(api, source.url, trusted=kind == "a trusted one", **fields)
    source.claims = {"amr": ["pwd", "mfa"]}
    client, where = await arrive(api, source, provider)
    if kind == "a trusted one":
        assert (where, (await client.get(AGENTS)).status_code) == ("/", 200)
        return
    assert where == STEP
    assert (await client.post("/second-factor/app", data={"csrf": csrf_of(client)})).headers["location"] == STEP[:14]
    assert (await show(client, phone.wrong())).status_code == 401
    before = session_of(client)
    assert (await show(client, phone.code())).headers["location"] == "/"
    assert (await client.get(AGENTS)).status_code == 200
    assert (await (await api.client(Cookie=f"{SESSION_COOKIE}={before}")).get(AGENTS)).status_code == 401
    (held,) = await open_sessions(api)
    assert (held.method, str(held.provider_id), held.second_factor) == ("oidc", provider, "code")
    other, _ = await arrive(api, source, provider)
    assert (await show(other, phone.codes[0])).status_code == 303
    name = "Acme"
    done = [one for one in await entries(api) if one[0] != "person.role"]
    assert done[0][:3] == ("console.sign_in", "denied", "code")
    assert ("console.sign_in", "success", "code", name) in done
    assert ("console.sign_in", "success", "recovery_code", name) in done
    assert [one[0] for one in done].count("person.recovery_code") == 1
    # The session still knows by whom it was begun: signing out goes on to the provider.
    assert f"{source.url}/end?" in (await client.post("/logout")).text


async def test_trust_that_is_taken_back_counts_at_the_next_request(api: Api, source: Pretender) -> None:
    provider = await of_installation(api, source.url)
    api.state.sign_in_rules, source.claims = NEEDED, {"amr": ["mfa"]}
    client, _ = await arrive(api, source, provider)
    assert (await client.get(AGENTS)).status_code == 200
    assert [one.second_factor for one in await open_sessions(api)] == ["provider"]
    platform = await api.platform()
    one = f"{EVERYBODYS}/{provider}"
    assert (await platform.patch(one, json={"vouches_for_second_factor": False})).status_code == 200
    assert (await client.get(AGENTS)).json()["code"] == "second-factor-needed"
    again = await platform.patch(one, json={"vouches_for_second_factor": True})
    assert again.json()["vouches_for_second_factor"] is True
    assert (await client.get(AGENTS)).status_code == 200
    async with api.db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.operation == "identity_provider.update").order_by(AuditLog.sequence)
        told = [one.details["after"] for one in await session.scalars(query)]
    assert told == [{"vouches_for_second_factor": False}, {"vouches_for_second_factor": True}]


async def test_a_tenants_provider_is_never_trusted_whoever_asks_and_wherever(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    wish = {"vouches_for_second_factor": True}
    for caller in (await api.member("acme", "tenant_admin"), await api.platform()):
        for answer in (
            await caller.post(OWN, json=body(source.url, **wish)),
            await caller.patch(f"{OWN}/{provider}", json=wish),
        ):
            assert answer.status_code == 422
            (fault,) = answer.json()["errors"]
            assert fault["pointer"] == "/vouches_for_second_factor"
            assert "by a platform administrator for a provider of the installation alone" in fault["detail"]
        assert (await caller.patch(f"{OWN}/{provider}", json={"vouches_for_second_factor": False})).status_code == 200
    with pytest.raises(IntegrityError, match="ck_identity_providers_vouches"):
        async with api.db.tenant_session("acme") as session:
            (await session.get_one(IdentityProvider, provider)).vouches_for_second_factor = True
    user, proof = await account(api, "bob@acme.example", acme="viewer"), sessions.Proof(second_factor="provider")
    with pytest.raises(IntegrityError, match="ck_user_sessions_vouched"):
        async with api.db.platform_session() as session:
            await sessions.open_session(session, user_id=user.id, tenant_id="acme", now=api.state.clock(), proof=proof)


async def test_the_account_for_the_worst_day_shows_its_own_whatever_a_provider_says(
    api: Api, source: Pretender
) -> None:
    glass = await account(api, EMAIL, platform_admin=True)
    async with api.db.platform_session() as session:
        (await session.get_one(User, glass.id)).is_break_glass = True
    provider = await of_installation(api, source.url, email_domains=["acme.example"])
    source.claims = {"amr": ["mfa"]}
    client, where = await arrive(api, source, provider)
    assert where == STEP
    assert (await enrol(client, password="not this one at all"))[0].status_code == 422, "its password confirms it"
    assert (await enrol(client))[0].status_code == 200
    assert ("console.break_glass", "success", "code", "Acme") in await entries(api, PLATFORM)


# -- enrolling without a password ------------------------------------------------------------------------------------


async def test_who_has_no_password_enrols_in_a_fresh_session_and_is_asked_from_then_on(
    api: Api, source: Pretender
) -> None:
    api.state.sign_in_rules = NEEDED
    provider = await register(api, source.url)
    client, where = await arrive(api, source, provider)
    assert where == STEP
    page = (await client.get("/second-factor")).text
    assert "must have a second factor" in page
    assert 'name="password"' not in page
    before = session_of(client)
    enrolled, _ = await enrol(client, password="")
    assert enrolled.status_code == 200
    assert enrolled.text.count("<li><code>") == 10
    assert (await client.get(AGENTS)).status_code == 200
    assert (await (await api.client(Cookie=f"{SESSION_COOKIE}={before}")).get(AGENTS)).status_code == 401
    (held,) = await open_sessions(api)
    assert (held.method, str(held.provider_id), held.second_factor) == ("oidc", provider, "code")
    assert await entries(api) == [
        ("person.role", "success", None, None),
        ("person.second_factor", "success", None, None),
        ("console.sign_in", "success", "code", "Acme"),
    ]
    account_page = (await client.get("/account")).text
    assert "10 of 10 recovery codes" in account_page
    other, where = await arrive(api, source, provider)
    assert where == STEP
    assert "Code of your authenticator app" in (await other.get("/second-factor")).text


async def test_a_session_that_is_not_fresh_confirms_nothing(
    api: Api, source: Pretender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds a browser open sets no app up and makes no recovery codes; nor does changing the tenant help."""
    await api.tenant("globex")
    rules = [*FOR_ACME, {"group": DESK, "role": "operator", "tenant_id": "globex"}]
    provider = await of_installation(api, source.url, trusted=False, role_rules=rules)
    client, _ = await arrive(api, source, provider)
    offered = await fields_of(client, "/second-factor")
    monkeypatch.setattr(sessions, "IDLE", timedelta(hours=12))
    start = datetime.now(UTC)
    api.state.clock = lambda: start + sessions.FRESH + timedelta(seconds=1)
    late = await client.post("/second-factor/app", data={**offered, "code": "123456"})
    assert late.status_code == 422, "the code is looked at first"
    switched = await client.post("/account/tenant", data={"csrf": csrf_of(client), "tenant_id": "globex"})
    assert switched.status_code == 303
    page = (await client.get("/second-factor?next=/account")).text
    assert "It is a while since you signed in" in page
    assert f'action="/login/sso/{provider}"' in page
    assert 'value="/second-factor?next=/account"' in page, "and back to where the person was"
    assert 'class="qr"' not in page
    phone = await phone_of(api, await user_of(api))
    async with api.db.platform_session() as session:
        for one in await session.scalars(select(UserSession)):
            one.second_factor = "code"
    assert f'action="/login/sso/{provider}"' in (await client.get("/account")).text
    csrf = csrf_of(client)
    for path in ("/account/recovery-codes", "/account/second-factor/remove"):
        answer = await client.post(path, data={"csrf": csrf, "password": PASSWORD})
        assert (answer.status_code, "once more" in answer.text) == (409, True), path
    api.state.clock = lambda: start
    assert (await client.post("/account/recovery-codes", data={"csrf": csrf})).status_code == 200
    removed = await client.post("/account/second-factor/remove", data={"csrf": csrf_of(client)})
    assert removed.status_code == 303
    assert (await client.get(AGENTS)).status_code == 200
    (held,) = await open_sessions(api)
    assert (held.method, held.second_factor) == ("oidc", None), "it stays the provider's session"
    assert (await show(client, phone.code())).status_code == 409


async def test_a_role_that_begins_to_need_one_asks_who_came_long_ago_to_sign_in_anew(
    api: Api, source: Pretender
) -> None:
    provider = await register(api, source.url)
    client, _ = await arrive(api, source, provider)
    offered = await fields_of(client, "/second-factor")
    api.state.sign_in_rules = NEEDED
    start = datetime.now(UTC)
    api.state.clock = lambda: start + sessions.FRESH + timedelta(seconds=1)
    assert (await client.get("/account")).headers["location"] == "/second-factor?next=/account"
    page = (await client.get("/second-factor?next=/account")).text
    assert (f'action="/login/sso/{provider}"' in page, 'value="/account"' in page) == (True, True)
    assert (await client.post("/second-factor/app", data={**offered, "code": "1"})).status_code == 422
    async with api.db.platform_session() as session:
        assert (await session.scalars(select(SecondFactor))).all() == []


@pytest.mark.parametrize("reach", ["another tenant", "the platform"])
async def test_a_tenants_word_chooses_no_app_for_an_account_that_reaches_further(
    api: Api, source: Pretender, reach: str
) -> None:
    """Who runs acme's provider comes as a technician: an app of theirs would shut the technician out everywhere."""
    await api.tenant("globex")
    user = await account(api, EMAIL, acme="viewer")
    provider = await register(api, source.url, email_domains=["acme.example"])
    client, _ = await arrive(api, source, provider)
    html = (await client.get("/second-factor")).text
    secret = re.findall(r'id="secret">([A-Z2-7 ]+)<', html)[0].replace(" ", "")
    offered = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', html))
    async with api.db.platform_session() as session:
        if reach == "another tenant":
            session.add(Membership(tenant_id="globex", user_id=user.id, role="viewer"))
        else:
            (await session.get_one(User, user.id)).is_platform_admin = True
    own = await browser(api, EMAIL, "acme")
    code = TOTP(secret).at(api.state.clock())
    answer = await client.post("/second-factor/app", data={**offered, "code": code})
    assert (answer.status_code, "works in more than acme" in answer.text) == (409, True)
    for api.state.sign_in_rules in (SignInRules(), NEEDED):
        client, _ = await arrive(api, source, provider)
        page = (await client.get("/second-factor")).text
        assert ("works in more than acme" in page, 'class="qr"' in page) == (True, False)
    async with api.db.platform_session() as session:
        assert (await session.scalars(select(SecondFactor))).all() == []
    api.state.sign_in_rules = SignInRules()
    assert (await own.get("/account")).status_code == 200, "what was open elsewhere is"
    assert (await enrol(own))[0].status_code == 200, "with the own password it is the person's to choose"
    phone = await phone_again(api, user)
    client, where = await arrive(api, source, provider)
    assert where == STEP
    wrong = phone.wrong()
    tried = [(await show(client, wrong)).status_code for _ in range(tries.PER_ACCOUNT + 1)]
    assert tried == [401] * tries.PER_ACCOUNT + [429]
    stranger = await api.client(Accept="text/html")
    await sign_in_with_password(stranger, EMAIL)
    assert (await show(stranger, phone.code())).status_code == 303, "those tries were not the person's"


async def phone_again(api: Api, user: User) -> Any:
    async with api.db.platform_session() as session:
        await session.delete((await session.scalars(select(SecondFactor))).one())
    return await phone_of(api, user)


async def test_nor_does_a_password_that_a_tenants_administrator_may_know(api: Api) -> None:
    await api.tenant("globex")
    user = await account(api, EMAIL, acme="viewer", globex="viewer")
    async with api.db.platform_session() as session:
        (await session.get_one(User, user.id)).password_vouched_in = "acme"
    client = await browser(api, EMAIL, "acme")
    page = (await client.get("/second-factor")).text
    assert ("works in more than acme" in page, 'class="qr"' in page, "/login/sso/" in page) == (True, False, False)
