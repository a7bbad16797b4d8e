"""Keys that are refused are on record, whatever is wrong with them, and a flood of them writes a few entries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select, update
from tests.conftest import MakeTenant
from tests.support.api import Api
from tests.support.factors import csrf_of, phone_of, show
from tests.support.identity import come_back, depart, pretender, register
from tests.support.people import PASSWORD, account, browser, sign_in
from tests.support.product import until

from deskhand.access.cookies import SSO_COOKIE
from deskhand.access.models import ApiKey
from deskhand.access.people import signing_in, tries
from deskhand.access.people.events import TOO_MANY
from deskhand.audit.models import AuditLog
from deskhand.audit.refusals import KEY, KINDS_PER_LOG, MANY, WINDOW, Refusals
from deskhand.audit.service import PLATFORM, verify
from deskhand.audit.source import Source, acting_from
from deskhand.kit.crypto import new_api_key
from deskhand.kit.db.session import Database

EVERYBODY = {"group": "Service desk", "role": "operator", "tenant_id": "acme"}
START = datetime(2026, 5, 4, 9, tzinfo=UTC)


async def refused(db: Database, operation: str = "api_key.refused") -> list[AuditLog]:
    async with db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.operation == operation).order_by(AuditLog.sequence)
        return list(await session.scalars(query))


async def sign_ins_with(db: Database, reason: str, *, least: int) -> list[AuditLog]:
    """Refused sign-ins of which the log says this, once there are so many."""
    entries: list[AuditLog] = []

    async def written() -> bool:
        entries[:] = [
            one for one in await refused(db, "console.sign_in") if reason in str(one.details.get("reason", ""))
        ]
        return len(entries) >= least

    await until(written)
    return entries


async def test_each_way_of_failing_is_on_record_where_it_belongs(api: Api) -> None:
    acme = await api.tenant()
    made = {}
    for name in ("expired", "revoked", "good"):
        body = {"name": name, "role": "tenant_admin"}
        made[name] = (await acme.post("/api/v1/tenants/acme/api-keys", json=body)).json()
    assert (await acme.delete(f"/api/v1/tenants/acme/api-keys/{made['revoked']['id']}")).status_code == 200
    async with api.db.tenant_session("acme") as session:
        past = datetime.now(UTC) - timedelta(hours=1)
        await session.execute(update(ApiKey).where(ApiKey.id == made["expired"]["id"]).values(expires_at=past))
    unknown, unknown_platform = new_api_key(), new_api_key("dhp")
    for key in (made["expired"]["api_key"], made["revoked"]["api_key"], unknown, unknown_platform, "hunter2-of-others"):
        assert (await (await api.client(key)).get("/api/v1/agents")).status_code == 401
        assert (await (await api.client()).post("/login", data={"api_key": key})).status_code == 401
    assert (await (await api.client(made["good"]["api_key"])).get("/api/v1/tenants/globex")).status_code == 404

    async def all_written() -> bool:
        return len(await refused(api.db)) >= 6

    await until(all_written)
    entries = await refused(api.db)
    said = {(entry.tenant_id, entry.resource_id, entry.details["reason"]) for entry in entries}
    assert said == {
        ("acme", made["expired"]["prefix"], "expired"),
        ("acme", made["revoked"]["prefix"], "revoked"),
        ("acme", made["good"]["prefix"], "used for another tenant"),
        (PLATFORM, unknown[:12], "unknown"),
        (PLATFORM, unknown_platform[:12], "unknown"),
        (PLATFORM, None, "not a key"),
    }
    assert {(entry.address, entry.status) for entry in entries} == {("127.0.0.1", "denied")}
    assert all(entry.request_id and entry.user_agent for entry in entries), "the first of each is found in the log"
    assert not any("hunter2" in str(vars(entry)) or unknown[12:] in str(vars(entry)) for entry in entries)


@pytest.mark.parametrize("tenant_id", [PLATFORM, "acme"])
async def test_a_flood_writes_a_few_entries_and_every_refusal_is_counted(
    clean_db: Database, make_tenant: MakeTenant, tenant_id: str
) -> None:
    await make_tenant("acme")
    now = [START]
    refusals = Refusals(lambda: now[0])
    for number in range(500):
        with acting_from(Source(address=f"192.0.2.{number % 250}")):
            refusals.note(KEY, name=f"dhk_{number:08}", reason="unknown", tenant_id=tenant_id)
    await refusals.write(clean_db, is_over=False)
    first = await refused(clean_db)
    assert len(first) == KINDS_PER_LOG + 1
    await refusals.write(clean_db, is_over=False)
    assert len(await refused(clean_db)) == len(first), "what is on record is not written again"
    refusals.note(KEY, name="dhk_00000000", reason="unknown", tenant_id=tenant_id)
    now[0] += WINDOW
    await refusals.write(clean_db, is_over=True)
    entries = await refused(clean_db)
    assert sum(entry.details["count"] for entry in entries) == 501
    assert [entry.details["reason"] for entry in entries].count(MANY) <= 2
    await refusals.write(clean_db, is_over=True)
    assert len(await refused(clean_db)) == len(entries), "a window in which nothing was refused writes nothing"
    async with clean_db.platform_session() as session:
        assert all(report.ok for report in await verify(session))


FOREIGN = {
    "no cookie": ("no sign-in was begun in this browser", {"state": "x" * 43, "code": "c"}),
    "no state": ("the answer has no state", {"code": "c"}),
    "another's state": ("the answer is of another sign-in", {"state": "x" * 43, "code": "c"}),
    "used already": ("the sign-in is over", {}),
    "no such provider": ("there is no such provider", {"state": "x" * 43}),
}


async def bring_what_is_foreign(client: httpx2.AsyncClient, provider: str, way: str) -> httpx2.Response:
    asked = await depart(client, provider) if way != "no cookie" else {}
    if way == "no such provider":
        return await come_back(client, str(UUID(int=7)), **FOREIGN[way][1])
    if way != "used already":
        return await come_back(client, provider, **FOREIGN[way][1])
    answer, kept = {"state": asked["state"], "error": "access_denied"}, client.cookies[SSO_COOKIE]
    await come_back(client, provider, **answer)
    client.cookies = {SSO_COOKIE: kept}  # as a thief keeps it, whatever the server says
    return await come_back(client, provider, **answer)


async def test_answers_of_a_provider_that_belong_to_no_sign_in_are_on_record(api: Api) -> None:
    """Each in the log of whose provider it is, with the request that brought it, and nothing of its address."""
    await api.tenant()
    async with pretender() as source:
        theirs, ours = await register(api, source.url), await register(api, source.url, None, role_rules=[EVERYBODY])
        for number, (way, (reason, _)) in enumerate(FOREIGN.items()):
            for provider in (theirs, ours):
                client = await api.client(**{"X-Request-ID": f"foreign-{number}", "User-Agent": "a-thief/1.0"})
                refusal = await bring_what_is_foreign(client, provider, way)
                assert refusal.status_code == 401, (way, refusal.text)
            entries = await sign_ins_with(api.db, reason, least=1 if way == "no such provider" else 2)
            assert {one.tenant_id for one in entries} == {PLATFORM, *([] if way == "no such provider" else ["acme"])}
            for entry in entries:
                assert entry.status == "denied"
                assert (entry.address, entry.user_agent) == ("127.0.0.1", "a-thief/1.0"), way
                assert entry.request_id == f"foreign-{number}"
                assert "xxxx" not in str(vars(entry)), "what came in the address is anybody's"


async def test_lock_outs_are_on_record_in_the_logs_that_the_account_concerns(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_in, "FAILURE_SECONDS", 0.0)
    for name in ("PER_ACCOUNT", "PER_DEVICE"):
        monkeypatch.setattr(tries, name, 1)
    await api.tenant()
    await api.tenant("globex")
    phone = await phone_of(api, await account(api, "ann@example.com", acme="viewer", globex="viewer"))
    client = await api.client(**{"X-Request-ID": "guess", "User-Agent": "a-thief/1.0"})
    ann = await browser(api, "ann@example.com", "acme")
    for _ in range(3):
        await sign_in(client, "nobody@example.com", "wrong")
        await sign_in(client, "hunter2-in-the-wrong-field", "wrong")
        await sign_in(client, "ann@example.com", "wrong")
        answer = await show(ann, phone.wrong())
    assert answer.status_code == 429
    entries = await sign_ins_with(api.db, TOO_MANY, least=6)
    said = {(one.tenant_id, one.details.get("email")) for one in entries}
    assert said == {
        ("acme", "ann@example.com"),
        ("globex", "ann@example.com"),
        (PLATFORM, "nobody@example.com"),
        (PLATFORM, None),
    }
    assert {one.status for one in entries} == {"denied"}
    assert {one.details["reason"] for one in entries} == {f"{TOO_MANY} (password)", f"{TOO_MANY} (code)"}
    assert all(one.address == "127.0.0.1" and one.request_id and one.user_agent for one in entries)
    assert "hunter2" not in str([vars(one) for one in entries])


async def test_a_wrong_password_at_an_open_session_is_on_record(api: Api) -> None:
    await api.tenant()
    await account(api, "ann@example.com", acme="viewer")
    ann = await browser(api, "ann@example.com", "acme")
    form = {"csrf": csrf_of(ann), "current": "a guess", "new": PASSWORD + "!", "again": PASSWORD + "!"}
    assert (await ann.post("/account/password", data=form)).status_code == 422
    [entry] = await refused(api.db, "console.sign_in")
    assert (entry.tenant_id, entry.status, entry.details["shown"]) == ("acme", "denied", "confirmation")
