"""Who is let in and by whom, passwords and their links, and people of many tenants."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.people import PASSWORD, account, browser, form, sign_in, token_of

from deskhand.access.models import Membership, PasswordLink, User
from deskhand.access.people import administration, links
from deskhand.audit.models import AuditLog
from deskhand.errors import InvalidInputError
from deskhand.kit.passwords import MAX_LENGTH, ensure_good_password
from deskhand.ui.csrf import SESSION_COOKIE

ANN = "ann@example.com"
PEOPLE = "/api/v1/tenants/acme/people"
OTHER_PASSWORD = "glacier whistle tandem orchid"


async def invited(acme: httpx2.AsyncClient, role: str = "operator") -> dict[str, object]:
    answer = await acme.post(PEOPLE, json={"email": ANN, "name": "Ann Lee", "role": role})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_an_invitation_becomes_a_person_who_signs_in(api: Api) -> None:
    acme = await api.tenant()
    made = await invited(acme)
    assert made["has_password"] is False
    link = made["link"]
    assert isinstance(link, dict)
    token = token_of(link["url"])
    client = await api.client()
    for _ in range(2):  # a mail scanner opens the address first
        assert ANN in (await client.get("/set-password", params={"token": token})).text

    fields = {"token": token, "password": PASSWORD, "again": PASSWORD}
    browsers = [await api.client() for _ in range(3)]
    answers = await asyncio.gather(*(one.post("/set-password", data=fields) for one in browsers))

    assert sorted(answer.status_code for answer in answers) == [303, 404, 404], "a link works once"
    assert (await sign_in(client, ANN)).status_code == 303
    assert (await client.get("/api/v1/agents")).status_code == 200
    one = (await acme.get(PEOPLE)).json()["items"][0]
    assert (one["role"], one["has_password"], one["name"]) == ("operator", True, "Ann Lee")
    async with api.db.platform_session() as session:
        user = (await session.scalars(select(User))).one()
        stored = (await session.scalars(select(PasswordLink.secret_hash))).one()
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert token.encode() not in stored


async def test_a_link_ends_with_its_day_and_with_the_next_one(api: Api) -> None:
    acme = await api.tenant()
    made = await invited(acme)
    first = token_of(made["link"]["url"])  # type: ignore[index]
    second = token_of((await acme.post(f"{PEOPLE}/{made['id']}/password-links")).json()["url"])
    client = await api.client()
    assert (await client.get("/set-password", params={"token": first})).status_code == 404
    assert (await client.get("/set-password", params={"token": second})).status_code == 200
    start = datetime.now(UTC)
    api.state.clock = lambda: start + links.LINK_LIFETIME + timedelta(seconds=1)
    fields = {"token": second, "password": PASSWORD, "again": PASSWORD}
    assert (await client.post("/set-password", data=fields)).status_code == 404
    crossing = await client.post("/set-password", data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert crossing.status_code == 403


REFUSED = {
    "short": "turnip lantern",
    "short, and of every kind of character": "kX9#vQ2m!pL7zR",
    "common, twice": "passwordpassword",
    "common, with numbers": "Password12345678",
    "one key": "aaaaaaaaaaaaaaaaaaaa",
    "a row of keys": "qwertyuiopasdfghjkl",
    "counting": "123456789012345678",
    "the address": "ann.lee@example.com",
    "the name and a year": "AnnLeeAnnLee2026",
    "the product": "deskhanddeskhand1",
    "too long": "turnip lantern river comet " * 10,
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_password_that_is_tried_first_is_refused(case: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        ensure_good_password(REFUSED[case], about=("ann.lee@example.com", "Ann Lee"))
    assert raised.value.errors[0].pointer == "/password"
    assert REFUSED[case] not in str(raised.value)


@pytest.mark.parametrize(
    "password",
    [PASSWORD, "ich gehe heute baden", "дом облако тетрадь снег", "kX9#vQ2m!pL7zR4w", PASSWORD + " x" * 90],
)
def test_length_is_enough_whatever_the_characters(password: str) -> None:
    assert len(password) <= MAX_LENGTH
    ensure_good_password(password, about=("ann.lee@example.com", "Ann Lee"))


async def test_a_bad_password_leaves_the_link_good(api: Api) -> None:
    acme = await api.tenant()
    token = token_of((await invited(acme))["link"]["url"])  # type: ignore[index]
    client = await api.client()
    for password, again in (("short", "short"), (PASSWORD, "another")):
        refused = await client.post("/set-password", data={"token": token, "password": password, "again": again})
        assert refused.status_code == 422
        assert f'value="{password}"' not in refused.text
    fields = {"token": token, "password": PASSWORD, "again": PASSWORD}
    assert (await client.post("/set-password", data=fields)).status_code == 303


async def test_changing_the_password_ends_every_other_session(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="viewer")
    here, there = await browser(api, ANN, "acme"), await browser(api, ANN, "acme")
    change = {"current": PASSWORD, "new": OTHER_PASSWORD, "again": OTHER_PASSWORD}
    assert (await here.post("/account/password", data=change)).status_code == 403, "without the form's token"
    for wrong in ({"current": "not this"}, {"new": "short", "again": "short"}, {"again": "another"}):
        refused = await form(here, "/account", "/account/password", **{**change, **wrong})
        assert refused.status_code == 422
    before = here.cookies[SESSION_COOKIE]

    assert (await form(here, "/account", "/account/password", **change)).status_code == 303

    assert (await here.get("/api/v1/agents")).status_code == 200
    old = await api.client(Cookie=f"{SESSION_COOKIE}={before}")
    assert (await old.get("/api/v1/agents")).status_code == 401
    assert (await there.get("/api/v1/agents")).status_code == 401
    client = await api.client()
    assert (await sign_in(client, ANN, OTHER_PASSWORD)).status_code == 303


async def test_a_person_of_many_tenants_changes_between_them(api: Api) -> None:
    for tenant in ("acme", "globex", "initech"):
        await api.tenant(tenant)
    await account(api, ANN, acme="operator", globex="tenant_admin")
    client = await browser(api, ANN, "acme")
    before = client.cookies[SESSION_COOKIE]
    assert (await client.get("/api/v1/tenants/globex/people")).status_code == 404, "the tenant is the session's"

    moved = await form(client, "/account", "/account/tenant", tenant_id="globex")

    assert (moved.status_code, moved.headers["location"]) == (303, "/")
    assert (await client.get("/api/v1/tenants/globex/people")).status_code == 200
    assert (await client.get("/api/v1/tenants/acme/people")).status_code == 404
    old = await api.client(Cookie=f"{SESSION_COOKIE}={before}")
    assert (await old.get("/api/v1/agents")).status_code == 401, "a copied cookie does not follow"
    for foreign in ("initech", "nowhere", ""):
        assert (await form(client, "/account", "/account/tenant", tenant_id=foreign)).status_code == 404
    assert "initech" not in (await client.get("/account")).text
    again = await api.client()
    await sign_in(again, ANN)
    assert (await again.get("/api/v1/tenants/globex/people")).status_code == 200, "where the person was last"


async def test_who_works_elsewhere_too_gets_no_link_from_one_tenants_administrator(api: Api) -> None:
    acme, globex = await api.tenant("acme"), await api.tenant("globex")
    user = await account(api, ANN, globex="operator")
    root = await account(api, "root@example.com", platform_admin=True, globex="viewer")
    joined = await acme.post(PEOPLE, json={"email": "ANN@example.com", "role": "viewer"})
    assert joined.status_code == 202
    assert "/join?token=" in joined.json()["link"]["url"], "and none by inviting the person"
    async with api.db.platform_session() as session:
        session.add(Membership(tenant_id="acme", user_id=user.id, role="viewer"))
    for client, tenant, whom in ((acme, "acme", user), (globex, "globex", user), (globex, "globex", root)):
        refused = await client.post(f"/api/v1/tenants/{tenant}/people/{whom.id}/password-links")
        assert refused.status_code == 403
    platform = await api.platform()
    assert (await platform.post(f"{PEOPLE}/{user.id}/password-links")).status_code == 201
    assert (await acme.post(PEOPLE, json={"email": ANN, "role": "viewer"})).status_code == 409


async def test_another_tenants_people_do_not_exist(api: Api) -> None:
    acme = await api.tenant("acme")
    await api.tenant("globex")
    user = await account(api, ANN, globex="operator")
    for method, path, body in (
        ("PATCH", f"{PEOPLE}/{user.id}", {"role": "viewer"}),
        ("DELETE", f"{PEOPLE}/{user.id}", None),
        ("POST", f"{PEOPLE}/{user.id}/password-links", None),
        ("GET", "/api/v1/tenants/globex/people", None),
        ("PATCH", f"/api/v1/tenants/globex/people/{user.id}", {"role": "viewer"}),
    ):
        assert (await acme.request(method, path, json=body)).status_code == 404
    assert (await acme.get(PEOPLE)).json()["items"] == []
    async with api.db.platform_session() as session:
        assert (await session.scalars(select(Membership.role))).all() == ["operator"]


async def test_an_administrator_neither_demotes_nor_removes_oneself(api: Api) -> None:
    await api.tenant()
    user = await account(api, ANN, acme="tenant_admin")
    client = await browser(api, ANN, "acme")
    assert (await client.patch(f"{PEOPLE}/{user.id}", json={"role": "viewer"})).status_code == 409
    assert (await client.delete(f"{PEOPLE}/{user.id}")).status_code == 409


async def test_a_removed_person_is_out_and_each_change_is_on_record(api: Api) -> None:
    acme = await api.tenant()
    made = await invited(acme)
    person = f"{PEOPLE}/{made['id']}"
    assert (await acme.patch(person, json={"role": "viewer"})).json()["role"] == "viewer"
    client = await browser(api, ANN, "acme")
    assert (await acme.delete(person)).status_code == 204
    assert (await client.get("/api/v1/agents")).status_code == 401
    async with api.db.tenant_session("acme") as session:
        entries = (
            await session.execute(select(AuditLog.operation, AuditLog.details).order_by(AuditLog.sequence))
        ).all()
    recorded = {operation: details for operation, details in entries if operation.startswith("person.")}
    assert set(recorded) == {"person.invite", "person.role", "person.remove"}
    assert recorded["person.role"] == {"email": ANN, "before": {"role": "operator"}, "after": {"role": "viewer"}}


async def test_a_platform_administrator_looks_after_people_and_not_into_tenants(api: Api) -> None:
    await api.tenant()
    await account(api, "root@example.com", platform_admin=True)
    client = await browser(api, "root@example.com")
    page = await client.get("/tenants")
    assert "/tenants/acme/people" in page.text
    assert (await client.get("/api/v1/agents")).status_code == 403
    asked = await form(
        client, "/tenants/acme/people", "/tenants/acme/people", email="root@example.com", role="tenant_admin"
    )
    assert asked.status_code == 200
    link = re.search(r"/join\?token=([\w-]+)", asked.text)
    assert link is not None
    assert (await form(client, link[0], "/join", token=link[1])).status_code == 303
    assert (await client.get("/api/v1/agents")).status_code == 200
    assert (await client.get("/api/v1/tenants")).status_code == 403, "in a tenant, the tenant's role counts"


async def test_the_first_start_makes_one_administrator_until_the_link_was_used(api: Api) -> None:
    async def start() -> links.Link | None:
        async with api.db.platform_session() as session:
            return await administration.first_administrator(session, actor="command-line", now=datetime.now(UTC))

    first, second = await start(), await start()
    assert first is not None
    assert second is not None
    client = await api.client()
    fields = {"password": PASSWORD, "again": PASSWORD}
    assert (await client.post("/set-password", data={"token": first.token, **fields})).status_code == 404
    assert (await client.post("/set-password", data={"token": second.token, **fields})).status_code == 303
    assert await start() is None
    assert (await sign_in(client, administration.FIRST_ADMINISTRATOR)).status_code == 303
    assert (await client.get("/tenants")).status_code == 200


async def test_a_keys_successor_takes_over_within_a_day(api: Api) -> None:
    acme = await api.tenant()
    keys = "/api/v1/tenants/acme/api-keys"
    old = (await acme.post(keys, json={"name": "pipeline", "role": "viewer"})).json()
    assert old["last_used_at"] is None
    made = await acme.post(f"{keys}/{old['id']}/rotate")
    assert made.status_code == 201
    new = made.json()
    assert (new["name"], new["role"], new["expires_at"]) == ("pipeline", "viewer", None)
    both = [await api.client(key["api_key"]) for key in (old, new)]
    assert [(await one.get("/api/v1/agents")).status_code for one in both] == [200, 200]
    listed = {key["id"]: key for key in (await acme.get(keys)).json()["items"]}
    assert listed[old["id"]]["last_used_at"] is not None
    start = datetime.now(UTC)
    api.state.clock = lambda: start + timedelta(hours=25)
    assert [(await one.get("/api/v1/agents")).status_code for one in both] == [401, 200]
    assert (await acme.post(f"{keys}/{old['id']}/rotate")).status_code == 409
