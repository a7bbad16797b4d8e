"""A bare connection's way into a tenant."""

from __future__ import annotations

import asyncpg
from tests.support.logins import PROVER

from deskhand.kit.db.companies import COMPANIES_SETTING, Scope, scope_text
from deskhand.kit.db.proofs import COMPANIES_PROOF_SETTING, PROOF_SETTING, Process
from deskhand.kit.db.session import TENANT_SETTING


async def set_tenant(connection: asyncpg.Connection, tenant_id: str) -> None:
    """Set the tenant, with the proof for it, for the transaction that is open on ``connection``."""
    await connection.execute(
        f"SELECT set_config('{TENANT_SETTING}', $1, true), set_config('{PROOF_SETTING}', $2, true)",
        tenant_id, PROVER.of_tenant(tenant_id),
    )  # fmt: skip


async def set_companies(connection: asyncpg.Connection, tenant_id: str, scope: Scope) -> None:
    """Say for which client companies the open transaction works, with the proof for it."""
    text = scope_text(scope)
    await connection.execute(
        f"SELECT set_config('{COMPANIES_SETTING}', $1, true), set_config('{COMPANIES_PROOF_SETTING}', $2, true)",
        text, PROVER.of_companies(tenant_id, text),
    )  # fmt: skip


async def set_process(connection: asyncpg.Connection, process: Process) -> None:
    """Show that the transaction belongs to one of our processes."""
    await connection.execute(f"SELECT set_config('{PROOF_SETTING}', $1, true)", PROVER.of_process(process))
