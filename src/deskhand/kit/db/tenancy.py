"""The check that tenants are kept apart: what the catalog must say about every table with a tenant.

Used by ``deskhand doctor`` and by the tests, which break each part in turn and expect it to be reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import asyncpg

from deskhand.kit.db.base import Base, TenantModel
from deskhand.kit.db.roles import APP_ROLE, PLATFORM_ROLE

POLICY_CONDITION = "tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')"

_TABLES = """
    SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
           EXISTS (SELECT 1 FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
"""
_POLICIES = """
    SELECT tablename, policyname, permissive, roles::text[] AS roles, cmd, qual, with_check
      FROM pg_policies WHERE schemaname = 'public'
"""
_ROLES = """
    SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname IN ($1, $2)
"""


def tenant_policies() -> dict[str, str]:
    """Every table of a ``TenantModel`` and the name of its policy; complete once ``deskhand.models`` is imported."""
    found: dict[str, str] = {}
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, TenantModel):
            table = str(mapper.local_table)
            found[table] = mapper.class_.__tenant_policy__ or f"{table}_tenant_isolation_policy"
    return found


async def tenancy_faults(connection: asyncpg.Connection, policies: Mapping[str, str]) -> list[str]:
    """Everything in the database that would let one tenant meet another's rows.

    Args:
        connection: Any login; the catalog is readable to all.
        policies: Table to policy name, from ``tenant_policies()``.

    Returns:
        One sentence per fault; empty if tenancy holds.
    """
    tables = {row["name"]: row for row in await connection.fetch(_TABLES)}
    rules = await connection.fetch(_POLICIES)
    faults = [f"table {name} is missing" for name in policies if name not in tables]
    for name, table in tables.items():
        if name in policies:
            own = [rule for rule in rules if rule["tablename"] == name]
            faults += _table_faults(table, own, policies[name])
        elif table["has_tenant"]:
            faults.append(f"table {name} has a tenant_id and no TenantModel")
    for role in await connection.fetch(_ROLES, APP_ROLE, PLATFORM_ROLE):
        if role["rolsuper"] or role["rolbypassrls"]:
            faults.append(f"role {role['rolname']} is not bound by row-level security")
        if role["rolname"] == PLATFORM_ROLE and role["rolcanlogin"]:
            faults.append(f"role {PLATFORM_ROLE} may log in")
    return faults


def _table_faults(table: asyncpg.Record, rules: list[asyncpg.Record], policy: str) -> list[str]:
    name = table["name"]
    faults = []
    if not table["enabled"]:
        faults.append(f"table {name}: row-level security is disabled")
    if not table["forced"]:
        faults.append(f"table {name}: row-level security is not forced on its owner")
    by_name = {rule["policyname"]: rule for rule in rules}
    own = by_name.pop(policy, None)
    if own is None:
        faults.append(f"table {name}: policy {policy} is missing")
    elif not _is_the_tenant_policy(own):
        faults.append(f"table {name}: policy {policy} is not USING and WITH CHECK ({POLICY_CONDITION})")
    faults += [
        f"table {name}: policy {rule['policyname']} opens it to {', '.join(rule['roles'])}"
        for rule in by_name.values()
        if rule["permissive"] == "PERMISSIVE" and rule["roles"] != [PLATFORM_ROLE]
    ]
    return faults


def _is_the_tenant_policy(rule: asyncpg.Record) -> bool:
    # The catalog prints the expression with casts and brackets; without them it must be ours to the letter.
    expected = _plain(POLICY_CONDITION)
    written_alike = _plain(rule["qual"]) == expected and _plain(rule["with_check"]) == expected
    return written_alike and rule["cmd"] == "ALL" and rule["roles"] == ["public"]


def _plain(expression: str | None) -> str:
    return re.sub(r"::(text|character varying)|[()\s]", "", expression or "")
