"""The functions that may cross tenants: this list is all there are, and each is shut as tightly as it can be."""

from __future__ import annotations

import asyncpg
import pytest

# Adding one here is a decision about tenancy: say in the migration what it may answer, and to whom.
ACROSS_TENANTS = {
    "due_schedules(integer)",
    "find_api_key(bytea)",
    "find_platform_key(bytea)",
    "find_tenant_hook(text,text)",
    "find_webhook_triggers(uuid)",
    "fire_schedules(uuid[],timestamp with time zone[],text[],uuid[],timestamp with time zone[])",
    "heartbeat_executions(text,uuid[],integer[])",
    "prune_history(text,interval,integer)",
    "queue_depth()",
    "schedule_delay()",
    "sweep_executions(double precision)",
}

DEFINERS = """
    SELECT p.oid::regprocedure::text AS signature, pg_get_userbyid(p.proowner) AS owner, p.proconfig AS config,
           has_function_privilege('public', p.oid, 'EXECUTE') AS open_to_all,
           has_function_privilege('deskhand_app', p.oid, 'EXECUTE') AS open_to_app
      FROM pg_proc p
     WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
"""


async def test_the_list_is_complete_and_each_is_shut(acme):
    found = {row["signature"]: row for row in await acme.fetch(DEFINERS)}
    assert set(found) == ACROSS_TENANTS
    for signature, row in found.items():
        assert row["owner"] == "deskhand_platform", signature
        assert row["config"] == ["search_path=pg_catalog, public, pg_temp"], signature
        assert (row["open_to_all"], row["open_to_app"]) == (False, True), signature


async def test_the_platform_role_cannot_create_functions(nobody):
    await nobody.execute("SET LOCAL ROLE deskhand_platform")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await nobody.execute("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")


async def test_keys_are_found_by_their_hash_alone(nobody):
    found = await nobody.fetch("SELECT tenant_id, role, prefix FROM find_api_key(sha256('globex'))")
    assert [tuple(row) for row in found] == [("globex", "viewer", "dhk_globex")]
    assert await nobody.fetch("SELECT * FROM find_api_key(sha256('unknown'))") == []
    assert await nobody.fetch("SELECT * FROM find_platform_key(sha256('globex'))") == []


async def test_a_hook_is_found_by_agent_and_by_tenant_and_tool(nobody):
    agent = "20000000-0000-4000-8000-00000000000a"
    by_agent = await nobody.fetch("SELECT * FROM find_webhook_triggers($1)", agent)
    by_tool = await nobody.fetch("SELECT * FROM find_tenant_hook('globex', 'jira')")
    assert by_agent == by_tool
    assert len(by_agent) == 1
    row = dict(by_agent[0])
    assert row["tenant_id"] == "globex"
    assert str(row["agent_id"]) == agent
    assert (row["agent_status"], row["tool_ids"], row["tenant_is_active"]) == ("active", ["jira"], True)
    assert row["hmac_secret"] == row["webhook_signing_secret_encrypted"] == "secret of globex"
    assert row["rate_limits"]["concurrent_executions"] == 5
    assert await nobody.fetch("SELECT * FROM find_tenant_hook('globex', 'zendesk')") == []
