"""The account for the day on which the identity provider is down: who may use a password then, and how loud that is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from structlog.testing import capture_logs
from tests.support.api import Api
from tests.support.factors import enrol, phone_of, show
from tests.support.people import PASSWORD, account, browser, sign_in

from deskhand.access.models import User
from deskhand.access.people import administration, links, signing_in
from deskhand.access.people.events import STRANGER
from deskhand.appstate import SignInRules
from deskhand.audit.models import AuditLog
from deskhand.audit.service import PLATFORM, verify
from deskhand.errors import ConflictError, NotFoundError
from deskhand.settings import Settings

ANN, GLASS = "ann@example.com", "glass@example.com"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are answered as soon as they are known."""
    monkeypatch.setattr(signing_in, "FAILURE_SECONDS", 0.0)


@pytest.fixture
def standing(api: Api) -> datetime:
    """The clock stands, so that a code stays of one step."""
    now = datetime.now(UTC)
    api.state.clock = lambda: now
    return now


async def break_glass(api: Api, email: str, *, undo: bool = False) -> links.Link | None:
    async with api.db.platform_session() as session:
        return await administration.mark_break_glass(
            session, email=email, is_break_glass=not undo, actor="command-line", now=datetime.now(UTC)
        )


async def platform_log(api: Api) -> list[AuditLog]:
    async with api.db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.tenant_id == PLATFORM).order_by(AuditLog.sequence)
        return list(await session.scalars(query))


def uses(api: Api, outcome: str) -> float:
    return (
        api.state.telemetry.registry.get_sample_value("deskhand_break_glass_sign_ins_total", {"outcome": outcome}) or 0
    )


async def test_where_a_provider_signs_people_in_a_password_opens_break_glass_alone(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="tenant_admin")
    await account(api, GLASS, platform_admin=True)
    assert await break_glass(api, GLASS) is None, "it has a password"
    api.state.sign_in_rules = SignInRules(break_glass_only=True)
    said = set()
    for email, password in ((ANN, PASSWORD), (ANN, "wrong"), ("nobody@example.com", PASSWORD), (GLASS, "wrong")):
        answer = await sign_in(await api.client(), email, password)
        said.add((answer.status_code, answer.json()["detail"]))
    assert len(said) == 1, "which accounts a password opens is told to nobody"
    assert "identity provider" in said.pop()[1]
    client = await api.client(Accept="text/html")
    assert (await sign_in(client, GLASS)).headers["location"] == "/second-factor?next=/"
    assert (await client.get("/tenants")).status_code == 303, "a second factor comes first, whatever the roles need"
    assert (await enrol(client))[0].status_code == 200
    assert (await client.get("/tenants")).status_code == 200


async def test_each_use_is_loud(api: Api, standing: datetime) -> None:
    await api.tenant()
    user = await account(api, GLASS, platform_admin=True)
    await break_glass(api, GLASS)
    phone = await phone_of(api, user)
    client = await api.client(Accept="text/html")
    with capture_logs() as lines:
        await sign_in(client, GLASS, "wrong")
        await sign_in(client, GLASS)
        assert uses(api, "success") == 0, "the password alone is no use yet"
        await show(client, phone.wrong())
        assert (await show(client, phone.code())).status_code == 303
    loud = [(line["event"], line["log_level"]) for line in lines if line["event"].startswith("break_glass")]
    assert loud == [("break_glass_refused", "warning")] * 2 + [("break_glass_sign_in", "warning")]
    assert (uses(api, "denied"), uses(api, "success")) == (2, 1)
    assert (await client.post("/logout")).status_code == 303
    seen = [(entry.operation, entry.status) for entry in await platform_log(api) if entry.actor == f"user:{GLASS}"]
    assert seen == [
        ("console.sign_in", "denied"),
        ("console.sign_in", "denied"),
        ("console.sign_in", "success"),
        ("console.break_glass", "success"),
        ("console.sign_out", "success"),
    ]


async def test_it_is_made_for_platform_administrators_and_unmade(api: Api) -> None:
    await api.tenant()
    await account(api, ANN, acme="tenant_admin")
    with pytest.raises(ConflictError, match="no platform administrator"):
        await break_glass(api, ANN)
    link = await break_glass(api, GLASS)
    assert link is not None, "an account that was made here begins with a link"
    async with api.db.platform_session() as session:
        assert await administration.usable_break_glass_accounts(session) == ([], [GLASS])
    client = await api.client(Accept="text/html")
    fields = {"token": link.token, "password": PASSWORD, "again": PASSWORD}
    assert (await client.post("/set-password", data=fields)).status_code == 303
    await sign_in(client, GLASS)
    await enrol(client)
    async with api.db.platform_session() as session:
        assert await administration.usable_break_glass_accounts(session) == ([GLASS], [])
    assert await break_glass(api, GLASS, undo=True) is None
    assert (await client.get("/tenants")).status_code == 303, "what was open was opened under other rules"
    with pytest.raises(NotFoundError):
        await break_glass(api, "other@example.com", undo=True)
    async with api.db.platform_session() as session:
        assert await administration.usable_break_glass_accounts(session) == ([], [])
        assert (await session.scalars(select(User.email).where(User.is_break_glass))).all() == []
    done = [entry.operation for entry in await platform_log(api) if entry.actor == "command-line"]
    assert [name for name in done if "glass" in name] == ["person.break_glass", "person.break_glass_undo"]


async def test_who_is_in_no_tenant_leaves_a_trace_in_the_installations_own_log(api: Api) -> None:
    await api.tenant()
    await account(api, "root@example.com", platform_admin=True, acme="viewer")
    for email in ("nobody@example.com", "a password in the wrong field"):
        await sign_in(await api.client(), email, "wrong")
    await sign_in(await api.client(), "root@example.com", "wrong")
    client = await api.client(Accept="text/html")
    await sign_in(client, "root@example.com")
    platform = await browser(api, "root@example.com")
    assert (await platform.post("/logout")).status_code == 303
    assert (await platform.post("/logout")).status_code == 303, "and a second time changes nothing"
    seen = [(one.actor, one.operation, one.status) for one in await platform_log(api) if one.resource_type == "person"]
    assert seen == [
        (STRANGER, "console.sign_in", "denied"),
        (STRANGER, "console.sign_in", "denied"),
        ("user:root@example.com", "console.sign_in", "denied"),
        ("user:root@example.com", "console.sign_in", "success"),
        ("user:root@example.com", "console.sign_out", "success"),
    ]
    typed = [one.details["email"] for one in await platform_log(api) if one.actor == STRANGER]
    assert typed == ["nobody@example.com", ""], "what does not look like an address may be a password"
    async with api.db.platform_session() as session:
        reports = {report.tenant_id: report.ok for report in await verify(session)}
    assert reports[PLATFORM]


@pytest.mark.parametrize("roles", ["admin", "viewer,owner", "tenant-admin"])
def test_a_role_with_a_slip_in_it_refuses_the_start(roles: str) -> None:
    with pytest.raises(ValidationError, match="no such role"):
        Settings(second_factor_roles=roles)


def test_the_settings_take_what_they_describe() -> None:
    settings = Settings(second_factor_roles=" tenant_admin, platform_admin", password_sign_in="break_glass")
    assert settings.break_glass_only
    assert not Settings().break_glass_only
