from __future__ import annotations

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.api import Api

from deskhand.audit.models import AuditLog
from deskhand.audit.service import PLATFORM, ChainReport, record, verify
from deskhand.kit.db.session import Database


async def _write(db: Database, tenant_id: str = "acme", **details: Any) -> None:
    async with db.tenant_session(tenant_id) as session:
        await record(
            session,
            tenant_id=tenant_id,
            actor="api-key:dhk_12345678",
            operation="thing.change",
            resource_type="thing",
            resource_id=uuid.uuid4(),
            details=details,
        )


async def _write_then_fail(db: Database) -> None:
    async with db.tenant_session("acme") as session:
        await record(session, tenant_id="acme", actor="a", operation="o", resource_type="r", resource_id=None)
        raise RuntimeError("after the entry")


async def _verify(db: Database, tenant_id: str = "acme") -> list[ChainReport]:
    async with db.tenant_session(tenant_id) as session:
        return await verify(session)


async def test_concurrent_writers_make_one_chain(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await make_tenant("globex")
    await asyncio.gather(*(_write(clean_db, tenant, n=n) for n in range(10) for tenant in ("acme", "globex")))
    (report,) = await _verify(clean_db)
    assert (report.ok, report.entries, report.tenant_id) == (True, 10, "acme")
    async with clean_db.platform_session() as session:
        assert {(found.tenant_id, found.entries, found.ok) for found in await verify(session)} == {
            ("acme", 10, True),
            ("globex", 10, True),
        }


async def _write_for_the_platform(session: AsyncSession) -> None:
    await record(
        session, tenant_id=PLATFORM, actor="user:root", operation="o", resource_type="person", resource_id=None
    )


async def test_what_is_done_in_no_tenant_has_a_chain_that_no_tenant_reaches(
    clean_db: Database, make_tenant: MakeTenant
) -> None:
    await make_tenant("acme")
    await _write(clean_db)
    for _ in range(2):
        async with clean_db.platform_session() as session:
            await _write_for_the_platform(session)
    async with clean_db.platform_session() as session:
        reports = {report.tenant_id: report for report in await verify(session)}
    assert {name: (report.entries, report.ok) for name, report in reports.items()} == {
        "acme": (1, True),
        PLATFORM: (2, True),
    }
    async with clean_db.tenant_session("acme") as session:
        assert {entry.tenant_id for entry in await session.scalars(select(AuditLog))} == {"acme"}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with clean_db.tenant_session("acme") as session:
            await _write_for_the_platform(session)
    async with clean_db.anonymous_session() as session:
        assert (await session.scalars(select(AuditLog))).all() == []


async def test_an_entry_is_there_only_if_the_change_is(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await _write(clean_db)
    with pytest.raises(RuntimeError, match="after the entry"):
        await _write_then_fail(clean_db)
    await _write(clean_db)
    (report,) = await _verify(clean_db)
    assert (report.ok, report.entries) == (True, 2)


@pytest.mark.parametrize(
    ("tampering", "broken", "reason"),
    [
        ("UPDATE audit_log SET actor = 'nobody' WHERE sequence = $1", 2, "content"),
        ('UPDATE audit_log SET details = \'{"n": "2"}\' WHERE sequence = $1', 2, "content"),
        ("UPDATE audit_log SET created_at = created_at - interval '1 second' WHERE sequence = $1", 2, "content"),
        ("UPDATE audit_log SET status = 'failure' WHERE sequence = $1", 2, "content"),
        ("DELETE FROM audit_log WHERE sequence = $1", 3, "missing"),
    ],
)
async def test_tampering_shows_where_it_happened(
    clean_db: Database,
    database_urls: DatabaseUrls,
    make_tenant: MakeTenant,
    tampering: str,
    broken: int,
    reason: str,
) -> None:
    await make_tenant("acme")
    for number in range(1, 5):
        await _write(clean_db, n=number)
    async with clean_db.tenant_session("acme") as session:
        sequences = (await session.scalars(select(AuditLog.sequence).order_by(AuditLog.sequence))).all()
    superuser = await asyncpg.connect(database_urls.superuser_url)
    try:  # past the append-only trigger, as someone with the database's superuser could
        await superuser.execute("SET session_replication_role = replica")
        await superuser.execute(tampering, sequences[1])
    finally:
        await superuser.close()
    (report,) = await _verify(clean_db)
    assert not report.ok
    assert report.broken_at == sequences[broken - 1]
    assert reason in report.reason


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"])
async def test_the_application_can_only_append(clean_db: Database, make_tenant: MakeTenant, statement: str) -> None:
    await make_tenant("acme")
    await _write(clean_db)
    connection = await clean_db.engine.raw_connection()
    try:
        driver = connection.driver_connection
        assert driver is not None
        with pytest.raises(asyncpg.PostgresError):
            await driver.execute(f"SELECT set_config('app.current_tenant_id', 'acme', false); {statement}")
    finally:
        await driver.execute("RESET ALL")
        connection.close()
    (report,) = await _verify(clean_db)
    assert (report.ok, report.entries) == (True, 1)


texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=st.dictionaries(texts, values, max_size=4))
@example(details={"zero": -0.0})
@example(details={"many digits": 10**40 + 1, "float": 1e22})
async def test_any_details_survive_the_round_trip(
    clean_db: Database, make_tenant: MakeTenant, details: dict[str, Any]
) -> None:
    async with clean_db.platform_session() as session:
        known = (await session.execute(select(AuditLog.id).limit(1))).first()
    if known is None:
        await make_tenant("acme")
    await _write(clean_db, **{"details": details})
    (report,) = await _verify(clean_db)
    assert report.ok, (details, report)


async def test_every_change_over_the_api_is_recorded_without_secrets(api: Api) -> None:
    acme = await api.tenant()
    agent = await api.agent(acme)
    url = f"/api/v1/agents/{agent['id']}"
    await acme.patch(url, json={"name": "Renamed"})
    await acme.patch("/api/v1/tenants/acme", json={"servicedesk_api_key": "a-brand-new-key"})
    rotated = (await acme.post(f"{url}/rotate-secret", json={})).json()
    for step in ("activate", "suspend", "resume"):
        await acme.post(f"{url}/{step}")
    await acme.delete(url)
    refused = await acme.post(f"{url}/activate")
    assert refused.status_code == 409
    async with api.db.tenant_session("acme") as session:
        entries = (await session.scalars(select(AuditLog).order_by(AuditLog.sequence))).all()
        (report,) = await verify(session)
    assert [entry.operation for entry in entries] == [
        "tenant.create", "api_key.create", "agent.create", "agent.update", "tenant.update", "agent.rotate_secret",
        "agent.activate", "agent.suspend", "agent.resume", "agent.delete",
    ]  # fmt: skip
    assert report.ok
    written = str([(entry.actor, entry.details) for entry in entries])
    secrets = ["a-brand-new-key", rotated["secret"], agent["webhook_secrets"][0]["secret"], "the-technician-key"]
    assert not any(secret in written for secret in secrets)
    assert entries[2].actor.startswith("api-key:dhk_")
    assert entries[0].actor.startswith("platform-key:dhp_")
