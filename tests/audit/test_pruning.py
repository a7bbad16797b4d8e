"""The oldest entries go, the chain says so, and no other way of losing entries passes for it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from tests.conftest import DatabaseUrls, MakeTenant
from tests.support.logins import open_pool

from deskhand.audit.models import AuditLog
from deskhand.audit.repository import last_entry
from deskhand.audit.service import PLATFORM, ChainReport, entry_digest, verify
from deskhand.cli.common import read_settings
from deskhand.engine.retention import Housekeeper, Retention
from deskhand.errors import ConfigurationError
from deskhand.kit.db.session import Database

TODAY = datetime.now(UTC)
KEEP = Retention(audit_days=100)


async def write(db: Database, tenant_id: str, *ages: int) -> None:
    """Entries of so many days ago, chained as ``record`` does."""
    for age in ages:
        async with db.platform_session() as session:
            previous, _ = await last_entry(session, tenant_id)
            entry = AuditLog(
                id=uuid.uuid4(), tenant_id=tenant_id, actor="a", operation="o", resource_type="r", status="success",
                details={"n": age}, previous_hash=previous, created_at=TODAY - timedelta(days=age), address="192.0.2.1",
            )  # fmt: skip
            entry.entry_hash = entry_digest(entry)
            session.add(entry)


async def reports(db: Database) -> dict[str, ChainReport]:
    async with db.platform_session() as session:
        return {report.tenant_id: report for report in await verify(session)}


async def prune(urls: DatabaseUrls, **options: int) -> int:
    pool = await open_pool(urls.app_url, min_size=1, max_size=1, process="worker")
    try:
        return (await Housekeeper(pool, KEEP, **options, pause=0.0).prune())["audit"]
    finally:
        await pool.close()


@pytest.mark.parametrize("batch", [500, 2])
async def test_what_is_too_old_goes_from_every_chain_and_each_stays_whole(
    clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant, batch: int
) -> None:
    for tenant_id in ("acme", "globex", "initech"):
        await make_tenant(tenant_id)
    await write(clean_db, "acme", 300, 200, 102, 99, 1)
    await write(clean_db, "globex", 99, 1)
    await write(clean_db, "initech", 300)
    await write(clean_db, PLATFORM, 400, 2)
    assert await prune(database_urls, batch=batch) == 5
    found = await reports(clean_db)
    assert all(report.ok for report in found.values()), found
    async with clean_db.platform_session() as session:
        kept = (
            await session.execute(
                select(AuditLog.tenant_id, AuditLog.operation, AuditLog.details).order_by(AuditLog.sequence)
            )
        ).all()
        ages = sorted((tenant, details["n"]) for tenant, operation, details in kept if operation == "o")
    assert ages == [("", 2), ("acme", 1), ("acme", 99), ("globex", 1), ("globex", 99)]
    said = [int(details["entries"]) for tenant, operation, details in kept if operation == "audit.prune"]
    assert sum(said) == 5
    assert await prune(database_urls, batch=batch) == 0, "nothing is left for today, the record of it neither"


async def test_entries_that_go_without_a_record_are_missed(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await write(clean_db, "acme", 300, 200, 1)
    async with clean_db.platform_session() as session:
        oldest = await session.scalar(text("SELECT min(sequence) FROM audit_log"))
        await session.execute(text("DELETE FROM audit_log WHERE sequence = :oldest"), {"oldest": oldest})
    report = (await reports(clean_db))["acme"]
    assert (report.ok, report.reason) == (False, "the entries before it are missing, and no pruning is recorded")


async def test_nobody_deletes_what_is_young_or_changes_what_is_old(
    clean_db: Database, database_urls: DatabaseUrls, make_tenant: MakeTenant
) -> None:
    await make_tenant("acme")
    await write(clean_db, "acme", 300, 89)
    for statement in ("DELETE FROM audit_log", "UPDATE audit_log SET actor = 'x'", "TRUNCATE audit_log"):
        with pytest.raises(DBAPIError):
            async with clean_db.platform_session() as session:
                await session.execute(text(statement))
    pool = await open_pool(database_urls.app_url, min_size=1, max_size=1, process="worker")
    try:
        for days in (0, 30, 89):
            with pytest.raises(asyncpg.InvalidParameterValueError, match="90 days"):
                await pool.fetchval("SELECT prune_history('audit', $1, 10)", timedelta(days=days))
    finally:
        await pool.close()
    async with clean_db.tenant_session("acme") as session:
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT prune_audit_log('100 days', 10)"))
    assert (await reports(clean_db))["acme"].entries == 2


@pytest.mark.parametrize("days", ["1", "89", "-1"])
def test_a_setting_that_keeps_too_little_is_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("DESKHAND_KEEP_AUDIT_DAYS", days)
    with pytest.raises(ConfigurationError, match="DESKHAND_KEEP_AUDIT_DAYS"):
        read_settings()
    with pytest.raises(ValueError, match="kept for"):
        Retention(audit_days=int(days))
