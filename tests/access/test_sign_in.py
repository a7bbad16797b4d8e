"""People sign in: what a stranger learns, how often one may fail, and what ends a session."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from argon2 import extract_parameters
from sqlalchemy import select
from tests.support.api import Api
from tests.support.people import PASSWORD, account, browser, sign_in

from deskhand.access import sessions
from deskhand.access.models import Membership, User
from deskhand.access.people import signing_in, tries
from deskhand.audit.models import AuditLog
from deskhand.ui.csrf import SESSION_COOKIE

ANN = "ann@example.com"
AGENTS = "/api/v1/agents"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are answered as soon as they are known."""
    monkeypatch.setattr(signing_in, "FAILURE_SECONDS", 0.0)


async def status(client: httpx2.AsyncClient) -> int:
    return (await client.get(AGENTS)).status_code


async def test_a_password_opens_a_guarded_session_in_the_persons_tenant(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    client = await api.client()

    answer = await client.post("/login", data={"email": " Ann@Example.com ", "password": PASSWORD, "next": "//evil"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    for cookie in answer.headers.get_list("set-cookie"):
        assert {"HttpOnly", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}
    assert await status(client) == 200
    assert (await client.post(AGENTS, json={})).status_code == 403
    async with api.db.tenant_session("acme") as session:
        entry = (await session.scalars(select(AuditLog).where(AuditLog.operation == "console.sign_in"))).one()
    assert (entry.actor, entry.status) == (f"user:{ANN}", "success")


async def test_who_has_an_account_is_told_by_neither_words_nor_work(
    api: Api, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    gone = await account(api, "gone@example.com", acme="viewer")
    async with api.db.platform_session() as session:
        (await session.get_one(User, gone.id)).is_active = False
    checked: list[str] = []
    matches = api.state.passwords._matches
    monkeypatch.setattr(
        api.state.passwords, "_matches", lambda stored, typed: checked.append(stored) or matches(stored, typed)
    )
    answers = []
    for email, password in (
        (ANN, "wrong"),
        ("gone@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
        ("%", ""),
    ):
        answer = await sign_in(await api.client(), email, password)
        answers.append((answer.status_code, answer.json()["detail"], answer.headers.get("set-cookie")))
    assert set(answers) == {(401, "The email address or the password is wrong.", None)}
    assert len({repr(extract_parameters(stored)) for stored in checked}) == 1, "each costs what a real one costs"
    assert len(checked) == 4
    async with api.db.tenant_session("acme") as session:
        denied = (
            await session.scalars(select(AuditLog.actor).where(AuditLog.status == "denied").order_by(AuditLog.sequence))
        ).all()
    assert sorted(denied) == [f"user:{ANN}", "user:gone@example.com"]


async def test_a_failure_waits_for_the_time_that_all_take(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.tenant()
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(signing_in, "FAILURE_SECONDS", 1000.0)
    monkeypatch.setattr(signing_in, "_pause", wait)
    await sign_in(await api.client(), "nobody@example.com", "wrong")
    assert [900 < seconds <= 1000 for seconds in waits] == [True]


@pytest.mark.parametrize("email", [ANN, "nobody@example.com"])
async def test_guessing_shuts_an_account_to_strangers_and_never_to_its_owner(
    api: Api, email: str, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    owner = await api.client()
    assert (await sign_in(owner, ANN)).status_code == 303
    monkeypatch.setattr(api.state.passwords, "_matches", lambda stored, typed: typed == PASSWORD)

    thief = await api.client()
    guesses = await asyncio.gather(
        *(sign_in(thief, email, f"guess {number}") for number in range(tries.PER_ACCOUNT + 5))
    )

    assert sorted(answer.status_code for answer in guesses) == [401] * tries.PER_ACCOUNT + [429] * 5
    shut = await sign_in(thief, email)
    assert shut.status_code == 429
    assert 0 < int(shut.headers["retry-after"]) <= tries.WINDOW.total_seconds()
    assert (await sign_in(owner, ANN)).status_code == 303, "the browser that was here before counts for itself"
    start = datetime.now(UTC)
    api.state.clock = lambda: start + tries.WINDOW + timedelta(seconds=1)
    assert (await sign_in(thief, email)).status_code == (303 if email == ANN else 401)


async def test_a_known_browser_may_not_guess_for_ever_either(
    api: Api, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    await account(api, "bob@example.com", acme="viewer")
    monkeypatch.setattr(api.state.passwords, "_matches", lambda stored, typed: typed == PASSWORD)
    client = await api.client()
    await sign_in(client, ANN)
    statuses = [(await sign_in(client, ANN, "wrong")).status_code for _ in range(tries.PER_DEVICE + 1)]
    assert statuses == [401] * tries.PER_DEVICE + [429]
    # Its cookie speaks for Ann alone.
    others = [(await sign_in(client, "bob@example.com", "wrong")).status_code for _ in range(tries.PER_ACCOUNT + 1)]
    assert others == [401] * tries.PER_ACCOUNT + [429]
    assert (await sign_in(await api.client(), "bob@example.com")).status_code == 429


async def test_one_address_may_not_go_through_all_accounts(
    api: Api, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.state.passwords, "_matches", lambda stored, typed: False)
    client = await api.client()
    answers = [await sign_in(client, f"user{number}@example.com", "x") for number in range(tries.PER_ADDRESS + 1)]
    assert [answer.status_code for answer in answers] == [401] * tries.PER_ADDRESS + [429]


def test_an_ipv6_customer_is_one_address() -> None:
    assert tries._network("2001:db8:1:2:aaaa::1") == tries._network("2001:db8:1:2:bbbb::2")
    assert tries._network("2001:db8:1:3::1") != tries._network("2001:db8:1:2::1")
    assert tries._network("192.0.2.7") != tries._network("192.0.2.8")


async def test_a_session_planted_before_sign_in_is_worth_nothing_after(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    await account(api, "thief@example.com", acme="viewer")
    thief = await browser(api, "thief@example.com", "acme")
    victim = await api.client()
    planted = thief.cookies[SESSION_COOKIE]
    victim.cookies.set(SESSION_COOKIE, planted)
    await sign_in(victim, ANN)
    fresh = [cookie.value for cookie in victim.cookies.jar if cookie.name == SESSION_COOKIE]
    assert planted not in fresh[-1:]
    assert await status(thief) == 401, "the planted session ended where it was replaced"


async def changed(api: Api, change: str) -> None:
    async with api.db.platform_session() as session:
        user = (await session.scalars(select(User).where(User.email == ANN))).one()
        member = (await session.scalars(select(Membership).where(Membership.user_id == user.id))).one()
        if change == "disabled":
            user.is_active = False
        elif change == "removed":
            await session.delete(member)
        else:
            await session.delete(user)


@pytest.mark.parametrize("change", ["disabled", "removed", "deleted"])
async def test_a_person_who_is_not_of_the_tenant_any_more_is_out_at_the_next_request(api: Api, change: str) -> None:
    await api.tenant()
    await account(api, ANN, acme="tenant_admin")
    client = await browser(api, ANN, "acme")
    token = (await client.post("/api/v1/tenants/acme/sign-in-tokens")).json()["token"]
    other = (await client.post("/api/v1/tenants/acme/sign-in-tokens")).json()["token"]
    made = await api.client()
    assert (await made.post("/login", data={"token": token})).status_code == 303
    assert (await status(client), await status(made)) == (200, 200)

    await changed(api, change)

    assert (await status(client), await status(made)) == (401, 401), "and so is what the person made"
    assert (await (await api.client()).post("/login", data={"token": other})).status_code == 401


async def test_a_role_counts_from_the_next_request_on(api: Api) -> None:
    await api.tenant()
    user = await account(api, ANN, acme="tenant_admin")
    client = await browser(api, ANN, "acme")
    assert (await client.get("/api/v1/tenants/acme/people")).status_code == 200
    async with api.db.platform_session() as session:
        (await session.get_one(Membership, ("acme", user.id))).role = "viewer"
    assert (await client.get("/api/v1/tenants/acme/people")).status_code == 403


async def test_a_session_falls_idle_and_ends_after_half_a_day(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    start = datetime.now(UTC)

    def at(elapsed: timedelta) -> None:
        api.state.clock = lambda: start + elapsed

    at(timedelta())
    client = await browser(api, ANN, "acme")
    for minutes in (50, 100, 150):
        at(timedelta(minutes=minutes))
        assert await status(client) == 200, "who works stays"
    at(timedelta(minutes=150) + sessions.IDLE + timedelta(seconds=2))
    assert await status(client) == 401

    at(timedelta())
    idle = await browser(api, ANN, "acme")
    for minutes in (20, 40, 55):
        at(timedelta(minutes=minutes))
        polled = await idle.get(AGENTS, headers={"HX-Request": "true"})
        assert polled.status_code == 200
    at(sessions.IDLE + timedelta(minutes=1))
    assert await status(idle) == 401, "a page that asks by itself is nobody at work"

    at(timedelta())
    busy = await browser(api, ANN, "acme")
    elapsed = timedelta()
    while elapsed + timedelta(minutes=50) < sessions.LIFETIME:
        elapsed += timedelta(minutes=50)
        at(elapsed)
        assert await status(busy) == 200
    at(sessions.LIFETIME + timedelta(seconds=2))
    assert await status(busy) == 401


async def test_a_session_of_a_key_falls_idle_too(api: Api) -> None:
    acme = await api.tenant()
    made = (await acme.post("/api/v1/tenants/acme/api-keys", json={"name": "me", "role": "viewer"})).json()
    client = await api.client()
    await client.post("/login", data={"api_key": made["api_key"]})
    start = datetime.now(UTC)
    api.state.clock = lambda: start + timedelta(minutes=50)
    assert await status(client) == 200
    api.state.clock = lambda: start + timedelta(minutes=50) + sessions.IDLE + timedelta(seconds=2)
    assert await status(client) == 401


async def test_signing_out_ends_a_persons_session_on_the_server(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    client = await browser(api, ANN, "acme")
    stolen = await api.client(Cookie=f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}")
    assert await status(stolen) == 200
    assert (await client.post("/logout")).status_code == 303
    assert await status(stolen) == 401


async def test_an_account_in_no_tenant_does_not_get_in(api: Api) -> None:
    await account(api, ANN)
    answer = await sign_in(await api.client(), ANN)
    assert answer.status_code == 403
    assert "no tenant" in answer.json()["detail"]
