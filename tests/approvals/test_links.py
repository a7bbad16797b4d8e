"""A link in a mail: it shows before it counts, counts once and for its person, and never past what guards the door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs
from tests.conftest import DatabaseUrls
from tests.support.api import running_api
from tests.support.notices import ANN, BOB, Office, running_office
from tests.support.people import browser, token_of

from deskhand.access.models import Membership, SecondFactor, User
from deskhand.approvals.link_pages import router
from deskhand.approvals.links import link_behind
from deskhand.appstate import SignInRules
from deskhand.kit.db.session import Database

PAGE = "/approvals/link"


@pytest.fixture
async def office(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Office]:
    async with running_api(database_urls.app_url) as api, running_office(api, database_urls.app_url, mail=[ANN]) as one:
        yield one


async def told(office: Office, **columns: Any) -> tuple[UUID, str]:
    """A call that Ann was told of, and the secret of her link."""
    call = await office.call(**columns)
    await office.look()
    links = [link for link in office.links() if "token=" in link]
    assert len(links) == 1, links
    assert links[0].startswith(f"{office.api.url}{PAGE}?token=dha_")
    return call, token_of(links[0])


async def stranger(office: Office) -> httpx2.AsyncClient:
    """A browser in which nobody is signed in."""
    return await office.api.client(Accept="text/html")


async def rows(office: Office, query: str, tenant_id: str = "acme") -> list[Any]:
    async with office.api.db.tenant_session(tenant_id) as session:
        return list((await session.execute(text(query))).all())


async def state(office: Office) -> str:
    return str((await rows(office, "SELECT state FROM approvals"))[0].state)


async def test_a_link_shows_what_it_is_about_and_answers_it_once_in_its_persons_name(office: Office) -> None:
    call, token = await told(office)
    reader = await stranger(office)
    with capture_logs() as log:
        for _ in range(2):  # a scanner looks, and its reader does
            page = await reader.get(PAGE, params={"token": token})
            assert page.status_code == 200, page.text
        assert (await reader.head(PAGE, params={"token": token})).status_code in (200, 405)
    assert token not in str(log)
    for words in ("Update ticket", "Payroll of the board leaked", "high", "Half the floor reports it.", ANN):
        assert words in page.text
    # No other site hears the address; with "no-referrer" browsers would send the form from an origin "null".
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert await state(office) == "waiting"
    assert not reader.cookies

    done = await reader.post(PAGE, data={"token": token, "verb": "approve"})
    assert (done.status_code, "Approved" in done.text, token in done.text) == (200, True, False), done.text
    assert not reader.cookies
    for verb in ("approve", "decline"):
        again = await reader.post(PAGE, data={"token": token, "verb": verb, "reason": "No."})
        assert (again.status_code, f"approved already by user:{ANN}" in again.text) == (409, True)
    closed = await reader.get(PAGE, params={"token": token})
    assert (closed.status_code, "Payroll" in closed.text) == (409, False)
    log = (await office.admin.get("/api/v1/audit", params={"resource_id": str(call)})).json()["items"]
    assert [(one["operation"], one["actor"], one["details"]["by"]) for one in log] == [
        ("approval.approve", f"user:{ANN}", "a link in a mail")
    ]
    secrets = await rows(office, "SELECT secret_hash, digest FROM approval_notices")
    assert len(secrets) == 1
    assert token.encode() not in bytes(secrets[0].secret_hash)


async def test_a_no_wants_its_reason_and_no_other_site_sends_one(office: Office) -> None:
    _, token = await told(office)
    reader = await stranger(office)
    form = {"token": token, "verb": "decline", "reason": "Not today."}
    elsewhere = await reader.post(PAGE, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    assert (await reader.post(PAGE, data={**form, "reason": " "})).status_code == 422
    assert await state(office) == "waiting"
    assert "Declined" in (await reader.post(PAGE, data=form)).text
    assert [row.answer for row in await rows(office, "SELECT answer FROM approvals")] == ["Not today."]


async def lost_role(office: Office) -> None:
    async with office.api.db.platform_session() as session:
        await session.execute(update(Membership).values(role="viewer").where(Membership.role == "operator"))


async def deactivated(office: Office) -> None:
    async with office.api.db.platform_session() as session:
        await session.execute(update(User).values(is_active=False).where(User.email == ANN))


async def left(office: Office) -> None:
    async with office.api.db.platform_session() as session:
        await session.execute(text("DELETE FROM memberships WHERE role = 'operator'"))


async def stopped(office: Office) -> None:
    platform = await office.api.platform()
    assert (await platform.post("/api/v1/tenants/acme/deactivate")).is_success


async def changed(office: Office) -> None:
    await rows_of(office, f"digest = '{'9' * 64}', changed_by = 'user:bob'")


async def given_up(office: Office) -> None:
    await rows_of(office, "expires_at = now() - interval '1 minute'")


async def raised(office: Office) -> None:
    await rows_of(office, "approver = 'tenant_admin'")


async def rows_of(office: Office, change: str) -> None:
    async with office.api.db.tenant_session("acme") as session:
        await session.execute(text(f"UPDATE approvals SET {change}"))


async def protected(office: Office) -> None:
    async with office.api.db.platform_session() as session:
        ann = (await session.execute(text("SELECT id FROM users WHERE email = :e"), {"e": ANN})).scalar_one()
        session.add(SecondFactor(user_id=ann, secret_encrypted="x", last_step=0))


async def role_needs_a_code(office: Office) -> None:
    office.api.state.sign_in_rules = SignInRules(second_factor_roles=frozenset({"operator"}))


async def signed_in_elsewhere(office: Office) -> None:
    office.api.state.sign_in_rules = SignInRules(break_glass_only=True)


async def four_eyes(office: Office) -> None:
    assert (await office.set_notices(mail=[ANN], four_eyes=True)).is_success


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        (lost_role, 404),
        (left, 404),
        (deactivated, 404),
        (stopped, 404),
        (raised, 403),
        (changed, 409),
        (given_up, 409),
        (protected, 303),
        (role_needs_a_code, 303),
        (signed_in_elsewhere, 303),
        (four_eyes, 303),
    ],
    ids=lambda one: one.__name__ if callable(one) else str(one),
)
async def test_a_link_holds_no_longer_than_what_it_stands_for(
    office: Office, happens: Callable[[Office], Awaitable[None]], status: int
) -> None:
    call, token = await told(office)
    await happens(office)
    reader = await stranger(office)
    looked = await reader.get(PAGE, params={"token": token})
    answered = await reader.post(PAGE, data={"token": token, "verb": "approve"})
    assert (looked.status_code, answered.status_code) == (status, status), looked.text
    assert "Payroll" not in looked.text + answered.text
    if status == 303:
        # To the call, which the console shows to whoever signs in.
        assert looked.headers["location"] == answered.headers["location"] == f"/approvals/acme/{call}"
        assert (await reader.get(looked.headers["location"])).headers["location"].startswith("/login?next=/approvals/")
    assert await state(office) == "waiting"


async def test_a_link_opens_nothing_else(office: Office) -> None:
    await office.api.tenant("globex")
    call, token = await told(office)
    reader = await stranger(office)
    for wrong in ("", "dha_" + "x" * 43, token[:-1], token + "x"):
        answer = await reader.get(PAGE, params={"token": wrong})
        assert answer.status_code == 404, wrong
        assert (await reader.post(PAGE, data={"token": wrong, "verb": "approve"})).status_code == 404
    link = await link_behind(office.api.state, token)
    assert (link.page, link.email, link.holder.role) == (f"/approvals/acme/{call}", ANN, "operator")
    assert (link.holder.kind, link.holder.person, link.holder.actor) == ("link", None, f"user:{ANN}")
    assert [route.path for route in router.routes] == [PAGE, PAGE]
    # In another tenant there is no such call, whoever asks with whatever link.
    assert await rows(office, "SELECT 1 FROM approval_notices", "globex") == []
    bob = await browser(office.api, BOB, "acme")
    assert (await bob.get(f"/approvals/globex/{call}", params={"token": token})).status_code in (404, 422)
    for path in (f"/approvals/acme/{call}", "/approvals", "/api/v1/approvals"):
        assert (await reader.get(path)).status_code in (303, 401)
    headers = {"Authorization": f"Bearer {token}"}
    assert (await reader.get("/api/v1/approvals", headers=headers)).status_code == 401
    assert await state(office) == "waiting"
