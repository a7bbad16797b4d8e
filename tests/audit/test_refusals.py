"""Keys that are refused are on record, whatever is wrong with them, and a flood of them writes a few entries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from tests.conftest import MakeTenant
from tests.support.api import Api
from tests.support.product import until

from deskhand.access.models import ApiKey
from deskhand.audit.models import AuditLog
from deskhand.audit.refusals import KINDS_PER_LOG, MANY, WINDOW, KeyRefusals
from deskhand.audit.service import PLATFORM, verify
from deskhand.audit.source import Source, acting_from
from deskhand.kit.crypto import new_api_key
from deskhand.kit.db.session import Database

START = datetime(2026, 5, 4, 9, tzinfo=UTC)


async def refused(db: Database) -> list[AuditLog]:
    async with db.platform_session() as session:
        query = select(AuditLog).where(AuditLog.operation == "api_key.refused").order_by(AuditLog.sequence)
        return list(await session.scalars(query))


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
    assert not any("hunter2" in str(vars(entry)) or unknown[12:] in str(vars(entry)) for entry in entries)


@pytest.mark.parametrize("tenant_id", [PLATFORM, "acme"])
async def test_a_flood_writes_a_few_entries_and_every_refusal_is_counted(
    clean_db: Database, make_tenant: MakeTenant, tenant_id: str
) -> None:
    await make_tenant("acme")
    now = [START]
    refusals = KeyRefusals(lambda: now[0])
    for number in range(500):
        with acting_from(Source(address=f"192.0.2.{number % 250}")):
            refusals.note(prefix=f"dhk_{number:08}", reason="unknown", tenant_id=tenant_id)
    await refusals.write(clean_db, is_over=False)
    first = await refused(clean_db)
    assert len(first) == KINDS_PER_LOG + 1
    await refusals.write(clean_db, is_over=False)
    assert len(await refused(clean_db)) == len(first), "what is on record is not written again"
    refusals.note(prefix="dhk_00000000", reason="unknown", tenant_id=tenant_id)
    now[0] += WINDOW
    await refusals.write(clean_db, is_over=True)
    entries = await refused(clean_db)
    assert sum(entry.details["count"] for entry in entries) == 501
    assert [entry.details["reason"] for entry in entries].count(MANY) <= 2
    await refusals.write(clean_db, is_over=True)
    assert len(await refused(clean_db)) == len(entries), "a window in which nothing was refused writes nothing"
    async with clean_db.platform_session() as session:
        assert all(report.ok for report in await verify(session))
