"""The second factor: what a password alone opens, each code once, and who must have one."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from pyotp import TOTP
from sqlalchemy import select
from tests.access.test_permissions import NEEDED, routes_of
from tests.support.api import Api
from tests.support.factors import Phone, csrf_of, enrol, phone_of, session_of, show
from tests.support.identity import DESK, Pretender, pretender, register
from tests.support.identity import sign_in as sign_in_elsewhere
from tests.support.people import PASSWORD, account, browser, sign_in

from deskhand.access import sessions
from deskhand.access.authentication import principal_of_cookie
from deskhand.access.cookies import DEVICE_COOKIE
from deskhand.access.models import Membership, RecoveryCode, SecondFactor, User, UserSession
from deskhand.access.people import signing_in, tries
from deskhand.access.people.confirmation import confirm_password
from deskhand.access.people.factor import repository, service
from deskhand.appstate import SignInRules
from deskhand.audit.models import AuditLog
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.ui.csrf import SESSION_COOKIE

ANN = "ann@example.com"
AGENTS = "/api/v1/agents"
ARRIVING = {"/second-factor", "/second-factor/app"}


@pytest.fixture
def still(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands, so that a test's codes stay of one step; failures are answered at once."""
    now = datetime.now(UTC)
    api.state.clock = lambda: now
    monkeypatch.setattr(signing_in, "FAILURE_SECONDS", 0.0)


async def entries(api: Api) -> list[tuple[str, str, object]]:
    async with api.db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.tenant_id == "acme").order_by(AuditLog.sequence)
        rows = (await session.scalars(query)).all()
    return [(row.operation, row.status, row.details.get("shown")) for row in rows if "person" in row.resource_type]


async def half_signed_in(api: Api, *, role: str = "viewer") -> tuple[httpx2.AsyncClient, Phone]:
    await api.tenant()
    phone = await phone_of(api, await account(api, ANN, acme=role))
    client = await api.client(Accept="text/html")
    answer = await sign_in(client, ANN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/second-factor?next=/")
    return client, phone


async def half_signed_in_elsewhere(api: Api, source: Pretender) -> tuple[httpx2.AsyncClient, Phone]:
    """As ``half_signed_in``, with an identity provider of the tenant's own."""
    await api.tenant()
    phone = await phone_of(api, await account(api, ANN, acme="viewer"))
    rules = [{"group": DESK, "role": "tenant_admin"}]
    provider = await register(api, source.url, email_domains=["example.com"], role_rules=rules)
    client = await api.client(Accept="text/html")
    source.claims = {"email": ANN, "amr": ["pwd", "mfa"]}
    answer = await sign_in_elsewhere(client, source, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/second-factor?next=/")
    return client, phone


@pytest.mark.parametrize("way", ["password", "provider"])
async def test_the_password_alone_opens_the_page_of_the_code_and_nothing_else(api: Api, still: None, way: str) -> None:
    async with pretender() as source:
        if way == "password":
            client, phone = await half_signed_in(api, role="tenant_admin")
        else:
            client, phone = await half_signed_in_elsewhere(api, source)
        await opens_the_step_alone(api, client, phone)


async def opens_the_step_alone(api: Api, client: httpx2.AsyncClient, phone: Phone) -> None:
    values = {"tenant_id": "acme", "tool_type": "jira", "number": "1"}
    csrf = csrf_of(client)
    opened = []
    for route in routes_of(api.app):
        if NEEDED.get(route.name) == "public" or route.path in ARRIVING:
            continue
        path = re.sub(
            r"{(\w+)}", lambda match: values.get(match[1], "0" * 8 + "-0000-4000-8000-" + "0" * 12), route.path
        )
        answer = await client.request(route.method, path, data={"csrf": csrf} if route.is_page else None)
        led = answer.status_code == 303 and answer.headers["location"].startswith("/second-factor")
        refused = answer.status_code == 403 and answer.json()["code"] == "second-factor-needed"
        if not (led if route.is_page else refused):
            opened.append(f"{route.name}: {answer.status_code}")
    assert not opened, "\n".join(opened)
    assert DEVICE_COOKIE not in client.cookies, "who has the password alone stays a stranger"
    assert (await client.post("/second-factor/app", data={"csrf": csrf})).headers["location"] == "/second-factor"
    assert (await show(client, phone.code())).status_code == 303
    assert (await client.get(AGENTS)).status_code == 200


async def test_the_session_is_another_one_after_the_code(api: Api, still: None) -> None:
    client, phone = await half_signed_in(api)
    before = session_of(client)
    assert (await show(client, phone.code())).headers["location"] == "/"
    after = session_of(client)
    assert before != after
    old = await api.client(Cookie=f"{SESSION_COOKIE}={before}")
    assert (await old.get(AGENTS)).status_code == 401
    assert DEVICE_COOKIE in client.cookies
    assert ("console.sign_in", "success", "code") in await entries(api)


async def test_a_code_opens_one_session_whoever_sends_it_how_often(api: Api, still: None) -> None:
    client, phone = await half_signed_in(api)
    clients = [client]
    for _ in range(2):
        clients.append(await api.client(Accept="text/html"))
        await sign_in(clients[-1], ANN)
    code = phone.code()
    answers = await asyncio.gather(*(show(one, code) for one in clients))
    assert sorted(answer.status_code for answer in answers) == [303, 401, 401]
    late = await api.client(Accept="text/html")
    await sign_in(late, ANN)
    assert (await show(late, phone.code(steps=-1))).status_code == 401, "nor an older one after it"
    assert (await show(late, phone.code(steps=1))).status_code == 303


async def test_a_recovery_code_signs_in_once_and_is_on_record(api: Api, still: None) -> None:
    client, phone = await half_signed_in(api)
    code = phone.codes[3].upper().replace("-", " ")
    assert (await show(client, code)).status_code == 303
    assert (await client.get(AGENTS)).status_code == 200
    again = await api.client(Accept="text/html")
    await sign_in(again, ANN)
    refused = await show(again, code)
    assert refused.status_code == 401
    assert "recovery code is wrong" in refused.text
    assert (await show(again, phone.codes[4])).status_code == 303
    seen = await entries(api)
    assert seen.count(("console.sign_in", "success", "recovery_code")) == 2
    assert ("console.sign_in", "denied", "recovery_code") in seen
    assert [operation for operation, *_ in seen].count("person.recovery_code") == 2
    assert "8 of 10 recovery codes" in (await again.get("/account")).text
    async with api.db.platform_session() as session:
        stored = (await session.scalars(select(RecoveryCode.code_hash))).all()
    assert len(stored) == 10
    assert all(code.encode() not in digest for code in phone.codes for digest in stored)


async def test_guessing_codes_ends_and_does_not_shut_the_owner_out(api: Api, still: None) -> None:
    owner, phone = await half_signed_in(api)
    await show(owner, phone.code())
    thief = await api.client(Accept="text/html")
    await sign_in(thief, ANN)
    wrong = phone.wrong()
    statuses = [(await show(thief, wrong)).status_code for _ in range(tries.PER_ACCOUNT + 1)]
    assert statuses == [401] * tries.PER_ACCOUNT + [429]
    assert (await show(thief, phone.code(steps=1))).status_code == 429, "the right one comes too late"
    await sign_in(owner, ANN)
    assert (await show(owner, phone.code(steps=1))).status_code == 303


async def test_a_day_holds_fewer_guesses_than_its_quarters_of_an_hour(api: Api, still: None) -> None:
    await api.tenant()
    start = api.state.clock()
    allowed = 0
    for quarter in range(24 * 4 - 1):
        now = start + quarter * (tries.WINDOW + timedelta(seconds=1))
        buckets = tries.buckets_of_codes(api.state.secrets, account=ANN, address=f"10.0.0.{quarter}", device=None)
        for _ in range(tries.PER_ACCOUNT):
            try:
                async with api.db.platform_session() as session:
                    await tries.take(session, buckets, now=now)
                allowed += 1
            except tries.RateLimitedError:
                break
    assert allowed == tries.CODES_PER_DAY


async def test_an_unfinished_session_lives_for_minutes(api: Api, still: None) -> None:
    client, phone = await half_signed_in(api)
    start = api.state.clock()
    api.state.clock = lambda: start + sessions.UNFINISHED_LIFETIME + timedelta(seconds=1)
    page = await client.get("/second-factor")
    assert page.headers["location"].startswith("/login")
    csrf = csrf_of(client)
    late = await client.post("/second-factor", data={"csrf": csrf, "code": phone.code()})
    assert late.headers["location"].startswith("/login")


@pytest.mark.parametrize("role", ["tenant_admin", "platform_admin", "viewer"])
async def test_who_must_have_one_is_led_to_it_before_anything_else(api: Api, role: str) -> None:
    await api.tenant()
    api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"tenant_admin", "platform_admin"}))
    roles = {} if role == "platform_admin" else {"acme": role}
    await account(api, ANN, platform_admin=role == "platform_admin", **roles)
    client = await api.client(Accept="text/html")
    answer = await sign_in(client, ANN)
    if role == "viewer":
        assert answer.headers["location"] == "/"
        assert (await client.get(AGENTS)).status_code == 200
        return
    assert answer.headers["location"] == "/second-factor?next=/"
    assert (await client.get("/account")).headers["location"] == "/second-factor?next=/account"
    assert (await client.get(AGENTS)).json()["code"] == "second-factor-needed"
    assert "must have a second factor" in (await client.get("/second-factor")).text
    before = session_of(client)
    enrolled, _ = await enrol(client)
    assert enrolled.status_code == 200
    assert len(re.findall(r"<li><code>", enrolled.text)) == 10
    assert (await client.get("/account")).status_code == 200
    assert (await (await api.client(Cookie=f"{SESSION_COOKIE}={before}")).get("/account")).status_code in (303, 401)
    again = await api.client(Accept="text/html")
    await sign_in(again, ANN)
    assert "Code of your authenticator app" in (await again.get("/second-factor")).text


async def test_a_role_that_begins_to_need_one_counts_at_the_next_request(api: Api) -> None:
    await api.tenant()
    api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"operator"}))
    user = await account(api, ANN, acme="viewer")
    client = await browser(api, ANN, "acme")
    assert (await client.get(AGENTS)).status_code == 200
    async with api.db.platform_session() as session:
        (await session.get_one(Membership, ("acme", user.id))).role = "operator"
    assert (await client.get(AGENTS)).json()["code"] == "second-factor-needed"
    # By then somebody else may sit before the open session, so the password is asked for.
    refused, _ = await enrol(client, password="not this one at all")
    assert refused.status_code == 422
    assert (await enrol(client))[0].status_code == 200


async def test_enrolling_ends_other_sessions_and_a_stale_page_enrols_nothing(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    client, other = await browser(api, ANN, "acme"), await browser(api, ANN, "acme")
    wrong, secret = await enrol(client, code="12345")
    assert wrong.status_code == 422
    assert secret in wrong.text.replace(" ", ""), "the app that was filled a moment ago stays right"
    theirs = dict(re.findall(r'name="([a-z]+)" value="([^"]*)"', (await other.get("/second-factor")).text))
    csrf = csrf_of(client)
    foreign = {"csrf": csrf, "token": theirs["token"], "code": TOTP(secret).now(), "password": PASSWORD}
    for token in (theirs["token"], "x", "x" * 900):
        answer = await client.post("/second-factor/app", data={**foreign, "token": token})
        assert answer.status_code == 422
        assert "too old" in answer.text
    enrolled, kept = await enrol(client)
    assert enrolled.status_code == 200
    assert (await client.get(AGENTS)).status_code == 200
    assert (await other.get(AGENTS)).status_code == 401
    async with api.db.platform_session() as session:
        stored = (await session.scalars(select(SecondFactor))).one()
    assert kept not in stored.secret_encrypted
    assert api.state.secrets.decrypt(stored.secret_encrypted) == kept
    assert [name for name, *_ in await entries(api) if name.startswith("person.")] == ["person.second_factor"]


async def test_the_first_code_is_used_up_by_enrolling(api: Api, still: None) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    client = await browser(api, ANN, "acme")
    _, secret = await enrol(client)
    again = await api.client(Accept="text/html")
    await sign_in(again, ANN)
    assert (await show(again, TOTP(secret).at(api.state.clock()))).status_code == 401


async def test_changing_and_removing_need_the_password_and_a_role_may_forbid_removing(api: Api, still: None) -> None:
    client, phone = await half_signed_in(api)
    await show(client, phone.code())

    async def post(path: str, password: str = PASSWORD) -> httpx2.Response:
        csrf = csrf_of(client)
        return await client.post(path, data={"csrf": csrf, "password": password})

    for path in ("/account/recovery-codes", "/account/second-factor/remove"):
        assert (await post(path, "not this one at all")).status_code == 422
    codes = re.findall(r"<li><code>([a-z2-7-]+)<", (await post("/account/recovery-codes")).text)
    assert len(codes) == 10
    assert not set(codes) & set(phone.codes)
    api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"viewer"}))
    assert (await post("/account/second-factor/remove")).status_code == 409
    api.state.sign_in_rules = SignInRules()
    assert (await post("/account/second-factor/remove")).status_code == 303
    assert (await client.get(AGENTS)).status_code == 200
    fresh = await api.client(Accept="text/html")
    assert (await sign_in(fresh, ANN)).headers["location"] == "/"
    done = [name for name, *_ in await entries(api) if name.startswith("person.")]
    assert done == ["person.recovery_codes", "person.second_factor_remove"]


async def test_what_was_shown_goes_along_to_another_tenant_and_a_new_password(api: Api, still: None) -> None:
    await api.tenant()
    await api.tenant("globex")
    phone = await phone_of(api, await account(api, ANN, acme="viewer", globex="viewer"))
    client = await api.client(Accept="text/html")
    await sign_in(client, ANN)
    await show(client, phone.code())
    csrf = csrf_of(client)
    assert (await client.post("/account/tenant", data={"csrf": csrf, "tenant_id": "globex"})).status_code == 303
    assert (await client.get(AGENTS)).status_code == 200
    csrf = csrf_of(client)
    new = "glacier whistle tandem orchid"
    fields = {"csrf": csrf, "current": PASSWORD, "new": new, "again": new}
    assert (await client.post("/account/password", data=fields)).status_code == 303
    assert (await client.get(AGENTS)).status_code == 200
    async with api.db.platform_session() as session:
        shown = (await session.scalars(select(UserSession.second_factor).where(UserSession.ended_at.is_(None)))).all()
    assert set(shown) == {"code"}


async def test_an_administrator_resets_it_for_people_of_the_tenant_alone(api: Api, still: None) -> None:
    acme = await api.tenant()
    await api.tenant("globex")
    ann = await account(api, ANN, acme="viewer")
    technician = await account(api, "tech@example.com", acme="viewer", globex="viewer")
    phone, _ = await phone_of(api, ann), await phone_of(api, technician)
    client = await api.client(Accept="text/html")
    await sign_in(client, ANN)
    await show(client, phone.code())
    people = "/api/v1/tenants/acme/people"
    has = {one["email"]: one["has_second_factor"] for one in (await acme.get(people)).json()["items"]}
    assert has == {ANN: True, "tech@example.com": True}
    assert (await acme.delete(f"{people}/{ann.id}/second-factor")).status_code == 204
    assert (await acme.delete(f"{people}/{ann.id}/second-factor")).status_code == 409
    assert (await client.get(AGENTS)).status_code == 401
    assert (await sign_in(client, ANN)).headers["location"] == "/"
    assert (await acme.delete(f"{people}/{technician.id}/second-factor")).status_code == 403
    assert (await (await api.platform()).delete(f"{people}/{technician.id}/second-factor")).status_code == 204
    assert [name for name, *_ in await entries(api)].count("person.second_factor_reset") == 2
    async with api.db.platform_session() as session:
        left = (await session.scalars(select(RecoveryCode))).all()
        assert left == [], "a recovery code of before would be a way in"
        assert (await session.scalars(select(User.id).where(User.id == ann.id))).one() == ann.id


async def test_an_offer_and_a_confirmation_have_their_limits(api: Api, still: None) -> None:
    await api.tenant()
    user = await account(api, ANN, acme="viewer")
    client = await browser(api, ANN, "acme")
    principal = await principal_of_cookie(api.db, api.state.secrets, session_of(client), now=api.state.clock())
    assert principal.person is not None
    shown = service.offer(api.state, principal)
    assert service.offered_again(api.state, principal, shown.token).secret == shown.secret
    start = api.state.clock()
    api.state.clock = lambda: start + service.OFFER_LIFETIME
    with pytest.raises(InvalidInputError, match="too old"):
        service.offered_again(api.state, principal, shown.token)
    # Somebody whom a provider signs in has no password to confirm with, and no second factor of ours.
    async with api.db.platform_session() as session:
        (await session.get_one(User, user.id)).password_hash = None
        assert await repository.factor_of(session, user.id) is None
    with pytest.raises(ConflictError, match="identity provider"):
        await confirm_password(api.state, principal.person, PASSWORD, address="192.0.2.7", pointer="/password")
