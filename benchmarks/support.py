"""What benchmarks share: a PostgreSQL of their own with one tenant in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.logins import PROVER, TENANT_KEY

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.session import Database
from deskhand.tenants.models import TenantConfig


def open_database(server: EmbeddedPostgres, *, pool_size: int = 10) -> Database:
    """Sessions of one process, platform administration included."""
    return Database(server.app_url, platform_url=server.platform_url, prover=PROVER, pool_size=pool_size)


@contextmanager
def migrated_server(directory: Path) -> Iterator[EmbeddedPostgres]:
    """A migrated PostgreSQL as it is shipped (default durability, default memory); stopped afterwards."""
    with EmbeddedPostgres(directory) as server:
        admin.upgrade(server.owner_url)
        admin.seal(server.owner_url, [TENANT_KEY])
        yield server


async def add_tenants(db: Database, *tenants: str) -> None:
    """Make these tenants."""
    async with db.platform_session() as session:
        session.add_all(
            TenantConfig(
                tenant_id=one, name=one, servicedesk_url="https://desk.example.com",
                servicedesk_api_key_encrypted="none", webhook_signing_secret_encrypted="none",
            )
            for one in tenants
        )  # fmt: skip


@asynccontextmanager
async def tenant_database(directory: Path, *tenants: str) -> AsyncIterator[Database]:
    """A migrated database with these tenants, as ``deskhand_app``; gone afterwards."""
    with migrated_server(directory) as server:
        db = open_database(server)
        await add_tenants(db, *tenants)
        try:
            yield db
        finally:
            await db.dispose()
