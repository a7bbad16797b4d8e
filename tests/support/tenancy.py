"""A bare connection's way into a tenant."""

from __future__ import annotations

import asyncpg

from deskhand.kit.db.session import TENANT_SETTING


async def set_tenant(connection: asyncpg.Connection, tenant_id: str) -> None:
    """Set the tenant for the transaction that is open on ``connection``."""
    await connection.execute(f"SELECT set_config('{TENANT_SETTING}', $1, true)", tenant_id)
