"""An account joins a second tenant by its person's yes, and what one tenant says of it stays in that tenant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.identity import register
from tests.support.people import account, browser, form, sign_in, token_of

from deskhand.access import authentication, sessions
from deskhand.access.models import Membership, User
from deskhand.access.people.factor import repository as factors
from deskhand.access.people.invitations import repository, service
from deskhand.audit.models import AuditLog
from deskhand.ui.csrf import SESSION_COOKIE

ANN = "ann@example.com"
KNOWN = "glacier whistle tandem orchid"
PLATFORM = [{"group": "Admins", "role": "platform_admin"}]
OWN = "walnut ferry ribbon eclipse"


def people(tenant: str) -> str:
    return f"/api/v1/tenants/{tenant}/people"


@dataclass
class Two:
    """Acme, whose administrator made Ann's account and knows its password, and Globex, which invites her later."""

    api: Api
    acme: httpx2.AsyncClient
    globex: httpx2.AsyncClient
    person: str = ""

    async def guest(self, password: str) -> httpx2.AsyncClient:
        """A browser in which Ann, or who knows her password, tried to sign in."""
        client = await self.api.client(Accept="text/html")
        await sign_in(client, ANN, password)
        return client

    async def invitation(self, role: str = "operator") -> dict[str, Any]:
        """Globex invites Ann."""
        made = await self.globex.post(people("globex"), json={"email": ANN, "role": role})
        return dict(made.json())


@pytest.fixture
async def two(api: Api) -> Two:
    two = Two(api, await api.tenant("acme"), await api.tenant("globex"))
    made = (await two.acme.post(people("acme"), json={"email": ANN, "role": "viewer"})).json()
    two.person = made["id"]
    await use(api, made["link"]["url"], KNOWN)
    return two


async def use(api: Api, url: str, password: str) -> None:
    """Set a password with a link."""
    fields = {"token": token_of(url), "password": password, "again": password}
    assert (await (await api.client()).post("/set-password", data=fields)).status_code == 303


def path_of(url: str) -> str:
    """A link's path on whatever server."""
    return f"/{url.split('/', 3)[3]}"


async def enters(client: httpx2.AsyncClient, tenant: str) -> bool:
    """Whether a browser's person gets into a tenant."""
    if (await client.get("/account")).status_code != 200:
        return False
    moved = await form(client, "/account", "/account/tenant", tenant_id=tenant)
    return moved.status_code == 303 and (await client.get("/api/v1/agents")).status_code == 200


async def test_who_made_an_account_does_not_enter_where_its_person_is_invited_later(two: Two) -> None:
    assert await enters(await two.guest(KNOWN), "acme")
    await two.invitation()
    intruder = await two.guest(KNOWN)
    assert not await enters(intruder, "globex")
    assert await enters(intruder, "acme"), "what was there before goes on"


async def test_the_person_says_yes_with_the_link_and_a_password_of_ones_own(two: Two) -> None:
    made = await two.invitation("operator")
    assert made["link"]["url"].startswith(f"{two.api.state.public_url}/join?token=dhj_")
    assert (await two.globex.get(people("globex"))).json()["items"] == [], "no membership at once"
    known, other = await two.guest(KNOWN), await two.guest(KNOWN)
    link = {"token": token_of(made["link"]["url"])}

    page = await known.get("/join", params=link)

    for words in ("globex", "Operator", ANN, made["created_by"], "Present password"):
        assert words in page.text
    assert await enters(known, "acme"), "opening the page uses nothing up"
    answer = {**link, "current": KNOWN, "password": OWN, "again": OWN}
    assert (await known.post("/join", data=answer)).status_code == 403, "without the form's token"
    for wrong in (
        {"current": OWN},
        {"password": KNOWN, "again": KNOWN},
        {"again": KNOWN},
        {"password": "", "again": ""},
    ):
        refused = await form(known, f"/join?token={link['token']}", "/join", **{**answer, **wrong})
        assert refused.status_code == 422, wrong
    joined = await form(known, f"/join?token={link['token']}", "/join", **answer)
    assert (joined.status_code, joined.headers["location"]) == (303, "/")
    assert (await known.get("/api/v1/agents")).status_code == 200
    assert await enters(known, "acme")
    assert await enters(known, "globex")
    assert (await other.get("/api/v1/agents")).status_code == 401, "what the known password opened has ended"
    assert not await enters(await two.guest(KNOWN), "acme"), "and it opens nothing any more"
    assert (await known.get("/join", params=link)).status_code == 404, "a link works once"
    member = (await two.globex.get(people("globex"))).json()["items"][0]
    assert (member["email"], member["role"]) == (ANN, "operator")
    assert await operations(two.api, "globex") == ["person.invite", "person.join"]
    assert (await operations(two.api, "acme"))[-1] == "person.password_change"


async def test_neither_the_link_nor_the_session_alone_lets_anybody_in(two: Two) -> None:
    made = await two.invitation()
    link = path_of(made["link"]["url"])
    stranger = await two.api.client(Accept="text/html")
    assert (await stranger.get(link)).headers["location"].startswith("/login?next=/join%3Ftoken%3D")
    fields = {"token": token_of(link), "password": OWN, "again": OWN}
    assert (await stranger.post("/join", data=fields)).headers["location"] == "/login"
    assert (await stranger.post("/set-password", data=fields)).status_code == 404, "it sets no password"
    assert (await two.globex.post("/join", data=fields)).status_code == 403, "a key is no person"
    await account(two.api, "bob@example.com", globex="tenant_admin")
    bob = await browser(two.api, "bob@example.com", "globex")
    assert (await bob.get(link)).status_code == 404, "another person's session"
    reset = (await two.globex.post(f"{people('globex')}/{two.person}/password-links")).status_code
    assert reset == 404, "the account is not Globex's to reset"
    ann = await two.guest(KNOWN)
    assert (await ann.get("/join", params={"token": "dhj_" + "x" * 43})).status_code == 404


async def test_an_invitation_ends_with_its_week_the_next_one_and_its_inviter(two: Two) -> None:
    first = token_of((await two.invitation())["link"]["url"])
    made = await two.invitation("viewer")
    ann, listed = await two.guest(KNOWN), "/api/v1/tenants/globex/invitations"
    assert (await ann.get("/join", params={"token": first})).status_code == 404
    assert [one["id"] for one in (await two.globex.get(listed)).json()["items"]] == [made["id"]]
    async with two.api.db.platform_session() as session:
        page = await repository.pending(session, "globex", now=two.api.state.clock(), limit=5, cursor=None)
    assert token_of(made["link"]["url"]).encode() not in page.items[0].invitation.secret_hash
    assert (await two.acme.delete(f"{listed}/{made['id']}")).status_code == 404
    assert (await two.globex.delete(f"{listed}/{made['id']}")).status_code == 204
    assert (await two.globex.delete(f"{listed}/{made['id']}")).status_code == 404
    assert (await ann.get("/join", params={"token": token_of(made["link"]["url"])})).status_code == 404

    boss = await account(two.api, "boss@example.com", globex="tenant_admin")
    console = await browser(two.api, "boss@example.com", "globex")
    asked = await form(console, "/tenants/globex/people", "/tenants/globex/people", email=ANN, role="viewer")
    assert "Ann" not in asked.text, "of the account it shows no more than was typed"
    link = re.search(r"/join\?token=(dhj_[\w-]+)", asked.text)
    assert link is not None
    assert (await ann.get("/join", params={"token": link[1]})).status_code == 200
    await two.globex.patch(f"{people('globex')}/{boss.id}", json={"role": "viewer"})
    assert (await ann.get("/join", params={"token": link[1]})).status_code == 404, "who may not invite any more"

    token = token_of((await two.invitation())["link"]["url"])
    start = two.api.state.clock()
    two.api.state.clock = lambda: start + service.LIFETIME + timedelta(seconds=1)
    late = await two.guest(KNOWN)
    assert (await late.get("/join", params={"token": token})).status_code == 404
    assert (await two.globex.get(listed)).json()["items"] == []


async def test_a_password_that_a_tenants_link_set_opens_that_tenant_alone_however_more_is_given(two: Two) -> None:
    """As single sign-on gives memberships, and a platform's administration, to an account that exists."""
    async with two.api.db.platform_session() as session:
        session.add(Membership(tenant_id="globex", user_id=UUID(two.person), role="tenant_admin"))
        user = await session.get_one(User, UUID(two.person))
        user.is_platform_admin = True
    guest = await two.guest(KNOWN)
    assert await enters(guest, "acme")
    assert not await enters(guest, "globex")
    for path in ("/api/v1/tenants", "/api/v1/tenants/globex", "/tenants"):
        assert (await guest.get(path)).status_code in (403, 404), path
    change = {"current": KNOWN, "new": OWN, "again": OWN}
    assert (await form(guest, "/account", "/account/password", **change)).status_code == 303
    assert not await enters(guest, "globex"), "whoever knew it can change it"
    await two.acme.delete(f"{people('acme')}/{two.person}")
    assert not await enters(await two.guest(OWN), "globex")
    platform = await two.api.platform()
    await use(two.api, (await platform.post(f"{people('globex')}/{two.person}/password-links")).json()["url"], KNOWN)
    assert await enters(await two.guest(KNOWN), "globex"), "the platform's link is nobody's word but its own"


async def test_an_authenticator_set_up_under_a_known_password_counts_no_more(two: Two) -> None:
    async with two.api.db.platform_session() as session:
        await factors.put_factor(session, UUID(two.person), secret="never read", step=0, codes=[])
    made = await two.invitation()
    ann = await signed_in(two, sessions.Proof(second_factor="code"))
    link = path_of(made["link"]["url"])
    answer = {"token": token_of(link), "current": KNOWN, "password": OWN, "again": OWN}
    assert (await form(ann, link, "/join", **answer)).status_code == 303
    async with two.api.db.platform_session() as session:
        assert await factors.factor_of(session, UUID(two.person)) is None


async def test_a_tenants_provider_says_yes_in_nobodys_name(two: Two) -> None:
    link = path_of((await two.invitation())["link"]["url"])
    for tenant, expected in (("acme", 403), (None, 303)):
        provider = await register(
            two.api, "https://login.example.com", tenant, **({} if tenant else {"role_rules": PLATFORM})
        )
        proof = sessions.Proof(method="oidc", provider_id=UUID(provider))
        ann = await signed_in(two, proof)
        assert (await ann.get(link)).status_code == (403 if tenant else 200)
        assert (await form(ann, "/account", "/join", token=token_of(link))).status_code == expected
    async with two.api.db.platform_session() as session:
        user = await session.get_one(User, UUID(two.person))
        assert user.password_vouched_in == "acme", "the password goes on as what it is"
    assert not await enters(await two.guest(KNOWN), "globex")


async def test_who_has_a_password_of_ones_own_just_says_yes(two: Two) -> None:
    await account(two.api, "tech@example.com", acme="operator")
    made = (await two.globex.post(people("globex"), json={"email": "tech@example.com", "role": "viewer"})).json()
    tech, other = [await browser(two.api, "tech@example.com", "acme") for _ in range(2)]
    link = path_of(made["link"]["url"])
    assert "Present password" not in (await tech.get(link)).text
    assert (await form(tech, link, "/join", token=token_of(link))).status_code == 303
    assert (await tech.get("/api/v1/agents")).status_code == 200
    assert await enters(other, "globex"), "nothing else ends"
    assert (
        await two.globex.post(people("globex"), json={"email": "tech@example.com", "role": "viewer"})
    ).status_code == 409


async def test_an_account_that_opens_nothing_begins_anew_with_who_lets_it_in(two: Two) -> None:
    await two.acme.delete(f"{people('acme')}/{two.person}")
    made = await two.globex.post(people("globex"), json={"email": ANN, "role": "viewer"})
    assert (made.status_code, made.json()["has_password"]) == (201, False)
    assert not await enters(await two.guest(KNOWN), "globex"), "the password of before is void"
    await use(two.api, made.json()["link"]["url"], OWN)
    assert await enters(await two.guest(OWN), "globex")


async def signed_in(two: Two, proof: sessions.Proof) -> httpx2.AsyncClient:
    """Ann in Acme, having shown this."""
    async with two.api.db.platform_session() as session:
        digest = await sessions.open_session(
            session, user_id=UUID(two.person), tenant_id="acme", now=two.api.state.clock(), proof=proof
        )
    client = await two.api.client(Accept="text/html")
    cookie = authentication.cookie_of_person(two.api.state.secrets, digest)
    client.cookies.set(SESSION_COOKIE, cookie, domain=str(httpx2.URL(two.api.url).host))
    return client


async def operations(api: Api, tenant: str) -> list[str]:
    """What the tenant's log says of people, in order."""
    async with api.db.tenant_session(tenant) as session:
        query = select(AuditLog.operation).where(AuditLog.operation.like("person.%")).order_by(AuditLog.sequence)
        return list(await session.scalars(query))
