"""Whom a provider may vouch for, and how far: across tenants, towards accounts that exist, towards the platform."""

from __future__ import annotations

from typing import Any

import httpx2
from sqlalchemy import select
from tests.support.api import Api
from tests.support.identity import DESK, EMAIL, Pretender, body, register, sentence, sign_in
from tests.support.people import account, browser

from deskhand.access.models import IdentityProvider, Membership, User, UserIdentity
from deskhand.audit import service as audit
from deskhand.audit.models import AuditLog
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

AGENTS = "/api/v1/agents"
ADMINS = "Admins"
STAFF = [
    {"group": DESK, "role": "operator", "tenant_id": "acme"},
    {"group": DESK, "role": "viewer", "tenant_id": "globex"},
    {"group": ADMINS, "role": "platform_admin"},
]


async def roles(api: Api, email: str = EMAIL) -> dict[str, str]:
    async with api.db.platform_session() as session:
        query = select(Membership.tenant_id, Membership.role).join(User, User.id == Membership.user_id)
        return {row[0]: row[1] for row in await session.execute(query.where(User.email == email))}


async def user(api: Api, email: str = EMAIL) -> User | None:
    async with api.db.platform_session() as session:
        return (await session.scalars(select(User).where(User.email == email))).one_or_none()


async def switch(client: httpx2.AsyncClient, tenant_id: str) -> int:
    token = csrf_token_of(client.cookies[SESSION_COOKIE].strip('"'))
    return (await client.post("/account/tenant", data={"csrf": token, "tenant_id": tenant_id})).status_code


async def status(client: httpx2.AsyncClient, path: str = AGENTS) -> int:
    return (await client.get(path)).status_code


# -- what groups give ------------------------------------------------------------------------------------------------


async def test_the_first_rule_that_fits_decides_and_is_read_anew_each_time(api: Api, source: Pretender) -> None:
    rules = [{"group": "Leads", "role": "tenant_admin"}, {"group": DESK, "role": "operator"}]
    provider = await register(api, source.url, role_rules=rules)
    client, old = await api.client(), await api.client()
    for groups, role in (([DESK], "operator"), ([DESK, "Leads"], "tenant_admin"), ("Leads", "tenant_admin")):
        source.claims = {"groups": groups}
        assert (await sign_in(client, source, provider)).status_code == 303
        assert await roles(api) == {"acme": role}
    old.cookies.set(SESSION_COOKIE, client.cookies[SESSION_COOKIE])
    assert await status(old) == 200

    source.claims = {"groups": [DESK.lower(), {"name": DESK}, None, 7]}
    answer = await sign_in(client, source, provider)

    assert answer.status_code == 403
    assert "none of your groups there gives access here" in sentence(answer)
    assert await roles(api) == {}
    assert await status(old) == 401, "what was open ends, too"
    async with api.db.tenant_session("acme") as session:
        logged = select(AuditLog).where(AuditLog.operation == "person.role").order_by(AuditLog.sequence)
        changes = (await session.scalars(logged)).all()
    told = sorted((one.details["before"] or "", one.details["role"] or "") for one in changes)
    assert told == [("", "operator"), ("operator", "tenant_admin"), ("tenant_admin", "")]


async def test_who_has_no_group_gets_no_account(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    for groups in (None, [], "", 7, {"Service desk": True}):
        source.claims = {"groups": groups}
        assert (await sign_in(await api.client(), source, provider)).status_code == 403
    assert await user(api) is None


async def test_the_claim_of_groups_has_the_name_that_is_set(api: Api, source: Pretender) -> None:
    provider = await register(
        api, source.url, groups_claim="hd", role_rules=[{"group": "acme.example", "role": "viewer"}]
    )
    source.claims = {"hd": "acme.example"}
    assert (await sign_in(await api.client(), source, provider)).status_code == 303
    assert await roles(api) == {"acme": "viewer"}


async def test_the_installations_provider_gives_roles_in_many_tenants_and_takes_back_its_own_alone(
    api: Api, source: Pretender
) -> None:
    for tenant in ("globex", "initech"):
        await api.tenant(tenant)
    gone = {"group": DESK, "role": "viewer", "tenant_id": "no-such-tenant"}
    provider = await register(api, source.url, None, role_rules=[*STAFF, gone])
    client = await api.client()
    assert "Sign in with Acme" in (await client.get("/login")).text, "offered to everybody"
    assert (await sign_in(client, source, provider)).status_code == 303
    assert await roles(api) == {"acme": "operator", "globex": "viewer"}
    one = await user(api)
    assert one is not None
    async with api.db.platform_session() as session:
        session.add(Membership(tenant_id="initech", user_id=one.id, role="editor"))
    assert await switch(client, "initech") == 303, "a session of the installation's provider is for all its tenants"

    source.claims = {"groups": []}
    assert (await sign_in(await api.client(), source, provider)).status_code == 403
    assert await roles(api) == {"initech": "editor"}, "what an administrator gave stays"


async def test_a_platform_administrator_by_group_is_one_while_in_the_group(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url, None, role_rules=STAFF)
    source.claims = {"groups": [ADMINS]}
    client, old = await api.client(), await api.client()
    assert (await sign_in(client, source, provider)).status_code == 303
    assert await status(client, "/api/v1/tenants") == 200
    old.cookies.set(SESSION_COOKIE, client.cookies[SESSION_COOKIE])
    source.claims = {"groups": [DESK]}
    assert (await sign_in(client, source, provider)).status_code == 303
    assert await status(client, "/api/v1/tenants") == 403
    assert await status(old, "/api/v1/tenants") == 401
    async with api.db.platform_session() as session:
        entries = (
            await session.scalars(
                select(AuditLog).where(AuditLog.tenant_id == audit.PLATFORM).order_by(AuditLog.sequence)
            )
        ).all()
    assert [one.details["role"] for one in entries if one.operation == "person.role"] == ["platform_admin", None]
    assert "console.sign_in" in {one.operation for one in entries}


async def test_one_whom_the_command_line_made_administrator_stays_one(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url, None, role_rules=STAFF, email_domains=["acme.example"])
    await account(api, EMAIL, platform_admin=True)
    assert (await sign_in(await api.client(), source, provider)).status_code == 303
    known = await user(api)
    assert known is not None
    assert known.is_platform_admin


# -- a tenant's own provider stays in its tenant ---------------------------------------------------------------------


async def test_a_tenants_provider_says_nothing_of_the_platform_or_of_other_tenants(api: Api, source: Pretender) -> None:
    await api.tenant("globex")
    admin = await api.member("acme", "tenant_admin")
    path = "/api/v1/tenants/acme/identity-providers"
    for rule in (STAFF[1], STAFF[2], {"group": DESK, "role": "platform_admin", "tenant_id": "acme"}):
        assert (await admin.post(path, json=body(source.url, role_rules=[rule]))).status_code == 422
    provider = await register(api, source.url)
    # And past the door, as if a row had been written by somebody else.
    async with api.db.platform_session() as session:
        row = await session.get_one(IdentityProvider, provider)
        row.role_rules = [STAFF[1], STAFF[2], {"group": DESK, "role": "viewer", "tenant_id": None}]
    source.claims = {"groups": [DESK, ADMINS]}
    assert (await sign_in(await api.client(), source, provider)).status_code == 303
    assert await roles(api) == {"acme": "viewer"}
    known = await user(api)
    assert known is not None
    assert not known.is_platform_admin


async def test_a_session_of_a_tenants_provider_stays_in_that_tenant_whoever_it_is(api: Api, source: Pretender) -> None:
    """Who runs acme's provider signs in as a technician who works for globex, too, and administers the platform."""
    await api.tenant("globex")
    provider = await register(api, source.url, email_domains=["ACME.example"])
    technician = await account(api, EMAIL, platform_admin=True, acme="viewer", globex="tenant_admin")
    client = await api.client(Accept="text/html")

    assert (await sign_in(client, source, provider)).status_code == 303

    assert await status(client) == 200
    assert "globex" not in (await client.get("/account")).text.lower()
    assert await switch(client, "globex") == 404
    assert await switch(client, "") == 404
    assert await status(client, "/api/v1/tenants/globex/people") == 404
    assert await status(client, "/api/v1/tenants") == 403
    assert await status(client) == 200, "and what was tried has not ended it"
    assert await switch(client, "acme") == 303
    assert await switch(client, "globex") == 404, "nor has the new session got out"
    own = await browser(api, EMAIL, "acme")
    assert await switch(own, "globex") == 303, "with the password the person goes where the person belongs"
    assert technician.is_platform_admin


async def test_an_account_that_exists_is_connected_only_where_all_conditions_hold(api: Api, source: Pretender) -> None:
    await api.tenant("globex")
    provider = await register(api, source.url, email_domains=["acme.example", "mail.acme.example"])
    cases: list[tuple[str, dict[str, Any], dict[str, str], bool]] = [
        ("not-a-member@acme.example", {}, {"globex": "viewer"}, False),
        ("nowhere@acme.example", {}, {}, False),
        ("unverified@acme.example", {"email_verified": False}, {"acme": "viewer"}, False),
        ("silent@acme.example", {"email_verified": None}, {"acme": "viewer"}, False),
        ("in-words@acme.example", {"email_verified": "true"}, {"acme": "viewer"}, False),
        ("elsewhere@globex.example", {}, {"acme": "viewer"}, False),
        ("below@sub.acme.example", {}, {"acme": "viewer"}, False),
        ("beside@evil-acme.example", {}, {"acme": "viewer"}, False),
        ("good@acme.example", {}, {"acme": "viewer"}, True),
        ("GOOD2@acme.example", {}, {"acme": "viewer"}, True),
    ]
    for email, claims, held, right in cases:
        await account(api, email.lower(), **held)
        source.claims = {"email": email, "sub": email, **claims}
        answer = await sign_in(await api.client(), source, provider)
        assert answer.status_code == (303 if right else 403), email
        assert await roles(api, email.lower()) == ({"acme": "operator"} if right else held), email
        if not right:
            assert sentence(answer).startswith(f"Acme may not vouch for {email.lower()}: there is an account"), email
    async with api.db.platform_session() as session:
        assert len((await session.scalars(select(UserIdentity))).all()) == 2


async def test_what_one_tenant_has_connected_counts_nowhere_else(api: Api, source: Pretender) -> None:
    """One issuer that anybody can be a client of, known to two tenants and to the installation."""
    await api.tenant("globex")
    own = await register(api, source.url, email_domains=["acme.example"])
    others = await register(api, source.url, "globex")
    everybodys = await register(api, source.url, None, role_rules=STAFF)
    await account(api, EMAIL, acme="viewer", globex="tenant_admin")
    assert (await sign_in(await api.client(), source, own)).status_code == 303
    for foreign in (others, everybodys):
        assert (await sign_in(await api.client(), source, foreign)).status_code == 403
    assert await roles(api) == {"acme": "operator", "globex": "tenant_admin"}


async def test_an_address_is_needed_and_must_be_one(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    for email in (None, "", 7, "ann", "ann@acme.example\n", "<ann>@acme.example", "a" * 250 + "@acme.example"):
        source.claims = {"email": email}
        answer = await sign_in(await api.client(), source, provider)
        assert answer.status_code == 403
        assert "did not tell your email address" in sentence(answer)


async def test_a_name_is_what_can_be_shown(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    source.claims = {"name": "Ann\u0000\u202e Lee" + "x" * 300}
    assert (await sign_in(await api.client(), source, provider)).status_code == 303
    known = await user(api)
    assert known is not None
    assert known.name is not None
    assert known.name.startswith("Ann")
    assert known.name.isprintable()
    assert len(known.name) == 200


async def test_a_disabled_account_stays_out(api: Api, source: Pretender) -> None:
    provider = await register(api, source.url)
    client = await api.client()
    await sign_in(client, source, provider)
    async with api.db.platform_session() as session:
        (await session.scalars(select(User))).one().is_active = False
    answer = await sign_in(await api.client(), source, provider)
    assert (answer.status_code, sentence(answer)) == (403, "Your account is disabled. Ask an administrator.")
    assert await status(client) == 401
