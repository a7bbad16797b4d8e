"""A tenant goes: every row, secret and job of it. What stays is its name, so that nobody takes it, and its log."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.engine.status import ExecutionStatus
from deskhand.erasure.scan import tenant_tables
from deskhand.kit.crypto import SecretBox, new_webhook_secret
from deskhand.kit.db.base import Base
from deskhand.tenants.rest import ensure_at_rest

STAYS = frozenset({"audit_log", "tenant_configs"})
"""The log goes with its retention, for which its tenant must be known; a new tenant of the name would continue it."""
WITH_OTHERS = frozenset({"agent_versions", "budget_use", "cost_corrections", "model_spending"})
"""Nobody may delete from these; they go with the agent, budget or run that they are of."""
NAMELESS = "(erased)"

# What is not a tenant's own and knows it all the same: sessions and links of people, who may be in other tenants.
_PEOPLE = """DELETE FROM users u WHERE u.id = ANY(CAST(:people AS uuid[])) AND NOT u.is_platform_admin
   AND NOT u.is_break_glass AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id)
   AND NOT EXISTS (SELECT 1 FROM invitations i WHERE i.user_id = u.id)"""
_THEIRS = """SELECT user_id FROM memberships WHERE tenant_id = :tenant
   UNION SELECT user_id FROM invitations WHERE tenant_id = :tenant"""
_JOBS = "DELETE FROM pgqueuer WHERE starts_with(convert_from(payload, 'UTF8'), :tenant || ':')"
_BLANK = """UPDATE tenant_configs SET name = :name, webhook_signing_secret_encrypted = :secret,
   enhancement_preferences = '{{}}', company_mapping = '{{}}', note_trials = '{{}}',
   rate_limits = NULL, history_due_at = NULL, {columns}
   WHERE tenant_id = :tenant"""
_CONNECTION = (
    *("servicedesk_url", "servicedesk_api_key_encrypted", "jira_url", "jira_api_token_encrypted", "jira_project_key"),
    *("zendesk_subdomain", "zendesk_api_token_encrypted", "servicenow_instance_url", "servicenow_api_key_encrypted"),
    "connection_extras_encrypted",
)


@dataclass(frozen=True, slots=True)
class Gone:
    """What went.

    Attributes:
        rows: By table.
        people: Accounts that were in no other tenant.
        left: Rows that are still there, by table, beside what stays; empty unless something is wrong.
    """

    rows: dict[str, int]
    people: int
    left: dict[str, int]


async def rows_of(session: AsyncSession, tenant_id: str) -> dict[str, int]:
    """How many rows a tenant has, by table; those without one are left out."""
    counted = {table: await _count(session, table, tenant_id) for table in tenant_tables()}
    return {table: count for table, count in counted.items() if count}


async def erase_tenant(session: AsyncSession, *, tenant_id: str, secrets: SecretBox, actor: str) -> Gone:
    """Delete everything of a tenant, in the caller's transaction.

    Args:
        session: A platform session.
        tenant_id: Which.
        secrets: Encrypts the secret that nobody knows and that takes the place of the tenant's own.
        actor: Who does it.

    Raises:
        NotFoundError: There is no such tenant.
        ConflictError: It is active, or runs of it have not ended.
    """
    told = {"tenant": tenant_id}
    # What is queued or waits goes with the rest; only a worker in the middle of a run would write behind us.
    nothing = "so that nothing is accepted meanwhile. Nothing was changed"
    await ensure_at_rest(session, tenant_id, ended=[ExecutionStatus.RUNNING], because=nothing)
    before = await rows_of(session, tenant_id)
    people = list(await session.scalars(text(_THEIRS), told))
    await session.execute(text(_JOBS), told)
    for table in tenant_tables():
        if table not in STAYS | WITH_OTHERS:
            await session.execute(text(f"DELETE FROM {table} WHERE tenant_id = :tenant"), told)  # noqa: S608 - our models
    for table, column in _named_elsewhere():
        await session.execute(text(f"DELETE FROM {table} WHERE {column} = :tenant"), told)  # noqa: S608 - our models
    gone_people = await session.execute(text(_PEOPLE), {"people": people})
    blank = _BLANK.format(columns=", ".join(f"{column} = NULL" for column in _CONNECTION))
    unknown = {"name": NAMELESS, "secret": secrets.encrypt(new_webhook_secret())}
    await session.execute(text(blank), {**told, **unknown})
    left = {table: count for table, count in (await rows_of(session, tenant_id)).items() if table not in STAYS}
    rows = {table: count for table, count in before.items() if table not in STAYS}
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="tenant.erase",
        resource_type="tenant",
        resource_id=tenant_id,
        details={"rows": rows},
    )
    return Gone(rows, int(gone_people.rowcount), left)  # type: ignore[attr-defined]  # of a DELETE, a cursor's result


async def _count(session: AsyncSession, table: str, tenant_id: str) -> int:
    statement = text(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant")  # noqa: S608 - a name of our models
    return int(await session.scalar(statement, {"tenant": tenant_id}) or 0)


def _named_elsewhere() -> list[tuple[str, str]]:
    """Columns of other names that refer to a tenant."""
    return [
        (table.name, column.name)
        for table in reversed(Base.metadata.sorted_tables)
        for column in table.columns
        if column.name != "tenant_id" and any(key.column.table.name == "tenant_configs" for key in column.foreign_keys)
    ]
