"""The check that tenants are kept apart: what the catalog must say about every table with a tenant.

Used by ``deskhand doctor`` and by the tests, which break each part in turn and expect it to be reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import asyncpg

from deskhand.kit.db.base import Base, CompanyModel, TenantModel
from deskhand.kit.db.companies import COMPANY_CONDITION
from deskhand.kit.db.limited import LIMIT_CONDITIONS
from deskhand.kit.db.readers import READERS_CONDITIONS
from deskhand.kit.db.roles import APP_ROLE, PLATFORM_LOGIN, PLATFORM_ROLE

POLICY_CONDITION = "tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')"
PROOF_CONDITION = "(SELECT session_proof()) = ANY (ARRAY['tenant', 'unsealed'])"
PLATFORM_CONDITION = "(SELECT NULLIF(current_setting('app.current_tenant_id', true), '')) IS NULL"
QUEUE_POLICIES = {
    "pgqueuer": ("pgqueuer_worker_policy", "pgqueuer_own_job_policy", "pgqueuer_hand_over_policy"),
    "pgqueuer_log": ("pgqueuer_log_worker_policy",),
    "pgqueuer_schedules": ("pgqueuer_schedules_worker_policy",),
    "pgqueuer_statistics": ("pgqueuer_statistics_worker_policy",),
}
"""PgQueuer's tables and who is let in beside the platform role: a worker, and a tenant's session to its own jobs."""

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
    SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcanlogin,
           has_table_privilege(r.oid, to_regclass('public.proof_keys'), 'SELECT') AS reads_key,
           pg_has_role(r.oid, (SELECT p.oid FROM pg_roles p WHERE p.rolname = $2), 'MEMBER') AS reaches_platform
      FROM pg_roles r WHERE r.rolname IN ($1, $2, $3)
"""
# Harmless where they are let through: each is rolled back, and nothing is old enough to be pruned.
_ATTEMPTS = {
    "become the platform": ("SET LOCAL ROLE deskhand_platform",),
    "make a platform key": ("INSERT INTO platform_keys (name, prefix, key_hash) VALUES ('x', 'x', sha256('x'))",),
    "read the key of proofs": ("SELECT 1 FROM proof_keys",),
    "prune history": ("SELECT prune_history('deliveries', '2000 years', 1)",),
    "read what we wrote on tickets": ("SELECT 1 FROM writes_on_ticket('x', 'x', 'x', 1)",),
    "look up a tenant's webhooks": ("SELECT 1 FROM find_tenant_hook('x', 'x')",),
    "write in a tenant it names": (
        "SELECT set_config('app.current_tenant_id', 'x', true)",
        "INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted) VALUES ('x', 'x', 'x')",
    ),
    "put a job into the queue": (
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'x', 'x:x', 'queued')",
    ),
    "move the queue's clock": ("SELECT setval('execution_clock', 1)",),
}
_HAS_PROOFS = "SELECT to_regprocedure('public.session_proof()') IS NOT NULL"


def tenant_policies() -> dict[str, str]:
    """Every table of a ``TenantModel`` and the name of its policy; complete once ``deskhand.models`` is imported."""
    policies: dict[str, str] = {}
    for mapper in Base.registry.mappers:
        if issubclass(mapper.class_, TenantModel):
            table = str(mapper.local_table)
            policies[table] = mapper.class_.__tenant_policy__ or f"{table}_tenant_isolation_policy"
    return policies


def company_tables() -> frozenset[str]:
    """Every table of a ``CompanyModel``; complete once ``deskhand.models`` is imported."""
    return frozenset(
        str(mapper.local_table) for mapper in Base.registry.mappers if issubclass(mapper.class_, CompanyModel)
    )


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
    expected = [*policies, *QUEUE_POLICIES]
    faults = [f"table {name} is missing" for name in expected if name not in tables]
    for name, table in tables.items():
        own = [rule for rule in rules if rule["tablename"] == name]
        if name in policies:
            faults += [*_wall_faults(table), *_table_faults(name, own, policies[name])]
        elif name in QUEUE_POLICIES:
            faults += [*_wall_faults(table), *_openings(name, own, QUEUE_POLICIES[name])]
        # A table that somebody made by hand would have no policy, and nobody would notice.
        elif table["has_tenant"]:
            faults.append(f"table {name} has a tenant_id and no TenantModel")
    for role in await connection.fetch(_ROLES, APP_ROLE, PLATFORM_ROLE, PLATFORM_LOGIN):
        faults += _role_faults(role)
    if await connection.fetchval(_HAS_PROOFS) and await connection.fetchval("SELECT session_proof()") == "unsealed":
        faults.append(
            "there is no key for the proofs of sessions, so whoever has the application's login reaches every tenant:"
            " set DESKHAND_TENANT_KEY and run `deskhand db upgrade`"
        )
    return faults


async def login_faults(connection: asyncpg.Connection) -> list[str]:
    """What the application's login gets by itself, tried out; every attempt is taken back.

    Args:
        connection: As ``deskhand_app``, with nothing set.

    Returns:
        One sentence for each attempt that was not refused; empty if the login alone opens nothing.
    """
    faults = []
    for attempt, statements in _ATTEMPTS.items():
        # Each attempt in a transaction of its own, since the refusal of one ends it.
        transaction = connection.transaction()
        await transaction.start()
        try:
            for statement in statements:
                await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            pass  # refused, as it should be
        except asyncpg.UndefinedFunctionError:
            faults.append("the schema is older than this version")
        else:
            faults.append(f"the application's login alone may {attempt}")
        finally:
            await transaction.rollback()
    return faults


def _role_faults(role: asyncpg.Record) -> list[str]:
    name = role["rolname"]
    faults = {
        f"role {name} is not bound by row-level security": role["rolsuper"] or role["rolbypassrls"],
        f"role {name} may log in": name == PLATFORM_ROLE and role["rolcanlogin"],
        f"role {name} may become {PLATFORM_ROLE}": name == APP_ROLE and role["reaches_platform"],
        f"role {name} may read proof_keys": role["reads_key"],
    }
    return [fault for fault, present in faults.items() if present]


def _wall_faults(table: asyncpg.Record) -> list[str]:
    faults = []
    if not table["enabled"]:
        faults.append(f"table {table['name']}: row-level security is disabled")
    if not table["forced"]:
        faults.append(f"table {table['name']}: row-level security is not forced on its owner")
    return faults


def _openings(name: str, rules: list[asyncpg.Record], known: tuple[str, ...]) -> list[str]:
    return [
        f"table {name}: policy {rule['policyname']} opens it to {', '.join(rule['roles'])}"
        for rule in rules
        if rule["permissive"] == "PERMISSIVE" and rule["policyname"] not in known and rule["roles"] != [PLATFORM_ROLE]
    ]


def _table_faults(name: str, rules: list[asyncpg.Record], policy: str) -> list[str]:
    proof, platform = f"{name}_proof_policy", f"{name}_platform_policy"
    forms = {
        policy: (POLICY_CONDITION, ("PERMISSIVE", "ALL", ["public"])),
        proof: (PROOF_CONDITION, ("RESTRICTIVE", "ALL", [APP_ROLE])),
        platform: (PLATFORM_CONDITION, ("PERMISSIVE", "ALL", [PLATFORM_ROLE])),
    }
    if name in company_tables():
        forms[f"{name}_company_policy"] = (COMPANY_CONDITION, ("RESTRICTIVE", "ALL", [APP_ROLE]))
    if name in READERS_CONDITIONS:
        forms[f"{name}_readers_policy"] = (READERS_CONDITIONS[name], ("RESTRICTIVE", "ALL", [APP_ROLE]))
    if name in LIMIT_CONDITIONS:
        forms[f"{name}_limit_policy"] = (LIMIT_CONDITIONS[name], ("RESTRICTIVE", "ALL", [APP_ROLE]))
    by_name = {rule["policyname"]: rule for rule in rules}
    faults = []
    for one, (condition, form) in forms.items():
        rule = by_name.get(one)
        if rule is None:
            faults.append(f"table {name}: policy {one} is missing")
        elif not _is_as_written(rule, condition, form):
            faults.append(f"table {name}: policy {one} is not USING and WITH CHECK ({condition})")
    return [*faults, *_openings(name, rules, (policy, platform))]


def _is_as_written(rule: asyncpg.Record, condition: str, form: tuple[str, str, list[str]]) -> bool:
    # The catalog prints the expression with casts, names and brackets; without them it must be ours to the letter.
    expected = _plain(condition)
    written = {_plain(rule["qual"]), _plain(rule["with_check"]) or expected}  # without a check, the condition is it
    return written == {expected} and (rule["permissive"], rule["cmd"], rule["roles"]) == form


def _plain(expression: str | None) -> str:
    return re.sub(r'::(text|character varying)|\sAS\s"?\w+"?|[()\s]', "", expression or "")
