"""A tenant whose desk is a simulator in this event loop, and what keeps its knowledge fresh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from tests.knowledge.desks import SolvingDesk, solving_desk
from tests.support.desks import KINDS
from tests.support.lent import LENDER
from tests.support.logins import KEY, PROVER

from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.knowledge.embedding import Embedder, LexicalOnly
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.keeper import KnowledgeKeeper, Reach
from deskhand.knowledge.upkeep.models import JobState, KnowledgeJob
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.schemas import TenantConfigCreate
from deskhand.tenants.service import TenantService

TENANT = "acme"


@dataclass
class Upkeep:
    """The tenant ``acme`` on one desk."""

    db: Database
    desk: SolvingDesk
    keeper: KnowledgeKeeper
    key: str

    async def job(self, kind: str = "history") -> KnowledgeJob:
        """The newest job of a kind."""
        async with self.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            page = await jobs.list_jobs(session)
            return next(job for job in page.items if job.kind == kind)

    async def asked(self) -> KnowledgeJob:
        """The job that connecting the desk has queued."""
        await self.keeper.tend()
        return await self.job()

    async def worked(self, kind: str = "history") -> KnowledgeJob:
        """The job, once the keeper finds nothing more that it may do at this moment."""
        while await self.keeper.work() == 0.0:
            pass
        return await self.job(kind)

    async def paused(self, job_id: UUID) -> None:
        async with self.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            assert (await jobs.pause(session, job_id, actor="test")).state == JobState.PAUSED

    async def resumed(self, job_id: UUID) -> None:
        async with self.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            assert (await jobs.resume(session, job_id, actor="test")).state == JobState.QUEUED

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            result = await session.execute(text(statement), values)
            return [tuple(row) for row in result.all()] if result.returns_rows else []

    async def known(self) -> set[str]:
        """Subjects of the history."""
        return {row[0] for row in await self.rows("SELECT subject FROM ticket_history")}


async def connect(db: Database, secrets: SecretBox, desk: SolvingDesk) -> None:
    """Make the tenant, as a platform administrator does."""
    kind = KINDS[desk.tool_type]
    extras = kind.extras(desk.simulator, desk.url)
    data = {
        "tenant_id": TENANT,
        "name": "Acme",
        "tool_type": desk.tool_type,
        **kind.connection(desk.simulator, desk.url),
        **({"connection_extras": {desk.tool_type: extras}} if extras else {}),
    }
    async with db.platform_session() as session:
        service = TenantService(session, secrets=secrets, plugins=PluginManager.installed())
        await service.create_tenant(TenantConfigCreate.model_validate(data))


def reach_of(db: Database, key: str, embedder: Embedder) -> Reach:
    """What a keeper needs besides its pool."""
    return Reach(db, SecretBox((key,)), HttpClientFactory(allow_private=True), PluginManager.installed(), embedder)


@asynccontextmanager
async def running_upkeep(
    db: Database, app_url: str, tool_type: str = "servicedesk_plus", *, lease: float = 30.0
) -> AsyncIterator[Upkeep]:
    """Desk, tenant and keeper; the test moves the keeper by hand."""
    key = KEY
    pool = await LENDER.pool(app_url, min_size=1, max_size=2, process="worker", prover=PROVER)
    try:
        async with solving_desk(tool_type) as desk:
            await connect(db, SecretBox((key,)), desk)
            keeper = KnowledgeKeeper(pool, reach_of(db, key, LexicalOnly()), poll=0.05, lease=lease)
            yield Upkeep(db, desk, keeper, key)
    finally:
        await pool.close()
