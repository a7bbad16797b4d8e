"""The functions that may cross tenants: this list is all there are, and each is shut as tightly as it can be."""

from __future__ import annotations

import time

import asyncpg
import pytest
from tests.support.logins import TENANT_KEY
from tests.support.tenancy import set_process, set_tenant

from deskhand.kit.db.proofs import LIFETIME, Prover

# Adding one here is a decision about tenancy: say in the migration what it may answer, and to whom.
ACROSS_TENANTS = {
    "accept_events(jsonb)",
    "begin_steps(jsonb)",
    "claim_knowledge_job(double precision)",
    "due_schedules(integer)",
    "end_steps(jsonb)",
    "find_api_key(bytea)",
    "find_approval_link(bytea)",
    "find_desk_secret(text,text)",
    "find_platform_key(bytea)",
    "find_tenant_hook(text,text)",
    "find_user_session(bytea)",
    "find_webhook_triggers(uuid)",
    "finish_executions(jsonb)",
    "forget_worker(text)",
    "fire_schedules(uuid[],timestamp with time zone[],text[],uuid[],timestamp with time zone[])",
    "heartbeat_executions(text,uuid[],integer[])",
    "move_execution_clock(bigint)",
    "note_use(bytea,timestamp with time zone)",
    "prune_history(text,interval,integer)",
    "prune_audit_log(interval,integer)",
    "queue_depth()",
    "record_delivery(text,uuid,text,text,text,integer,text,text,text,text,text,integer,jsonb)",
    "schedule_delay()",
    "show_worker(text,integer,integer)",
    "start_executions(jsonb)",
    "sweep_executions(double precision)",
    "tenants_due_history(integer)",
    "tenants_in_lab(integer)",
    "tenants_to_notify(integer)",
    "tenants_to_refresh(integer)",
    "tenants_to_tell(integer)",
    "touch_history(jsonb)",
    "wake_listener(text,uuid,text,text)",
    "writes_on_ticket(text,text,text,integer)",
}
BY_HASH = {
    "find_api_key(bytea)",
    "find_approval_link(bytea)",
    "find_platform_key(bytea)",
    "find_user_session(bytea)",
    "note_use(bytea,timestamp with time zone)",
}  # whoever knows the key of which it is may ask whose it is
FOR_THE_DOOR = {
    "accept_events(jsonb)",
    "find_desk_secret(text,text)",
    "find_tenant_hook(text,text)",
    "find_webhook_triggers(uuid)",
    "queue_depth()",
    "record_delivery(text,uuid,text,text,text,integer,text,text,text,text,text,integer,jsonb)",
    "touch_history(jsonb)",
    "wake_listener(text,uuid,text,text)",
    "writes_on_ticket(text,text,text,integer)",
}
OF_ITS_OWN_TENANT = {
    "approving_members()",
    "members_to_tell()",
}  # read accounts, which belong to no tenant; answer members
CHECKERS = {"session_proof()", "session_companies()"}  # read the key, so they are its owner's and nobody else's

DEFINERS = """
    SELECT p.oid::regprocedure::text AS signature, pg_get_userbyid(p.proowner) AS owner, p.proconfig AS config,
           has_function_privilege('public', p.oid, 'EXECUTE') AS open_to_all,
           has_function_privilege('deskhand_app', p.oid, 'EXECUTE') AS open_to_app
      FROM pg_proc p
     WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
"""


async def test_the_list_is_complete_and_each_is_shut(acme):
    found = {row["signature"]: row for row in await acme.fetch(DEFINERS)}
    assert set(found) == {*ACROSS_TENANTS, *OF_ITS_OWN_TENANT, *CHECKERS}
    for signature, row in found.items():
        assert row["owner"] == ("deskhand_owner" if signature in CHECKERS else "deskhand_platform"), signature
        assert row["config"] == ["search_path=pg_catalog, public, pg_temp"], signature
        assert (row["open_to_all"], row["open_to_app"]) == (False, True), signature


def call(signature: str) -> str:
    """A call with something of each type."""
    name, types = signature.rstrip(")").split("(")
    samples = {"interval": "'9 years'::interval", "jsonb": "'[{}]'::jsonb"}
    values = [samples.get(kind, f"NULL::{kind}") for kind in types.split(",") if kind]
    return f"SELECT count(*) FROM {name}({', '.join(values)}) x"


async def show_forged(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT set_config('app.proof', '9999999999.worker.' || repeat('0', 64), true)")


async def show_ended(connection: asyncpg.Connection) -> None:
    yesterday = Prover(TENANT_KEY, clock=lambda: time.time() - LIFETIME - 1)
    await connection.execute("SELECT set_config('app.proof', $1, true)", yesterday.of_process("worker"))


SHOWN = {
    "nothing": lambda connection: connection.execute("SELECT 1"),
    "a forged proof": show_forged,
    "one that has ended": show_ended,
    "a tenant's": lambda connection: set_tenant(connection, "acme"),
    "the door's": lambda connection: set_process(connection, "door"),
}


@pytest.mark.parametrize("shown", SHOWN)
async def test_each_answers_its_process_alone(nobody, shown):
    """What the login can show by itself, and what a process that was taken over could: its own proof."""
    await SHOWN[shown](nobody)
    for signature in sorted(ACROSS_TENANTS - BY_HASH - (FOR_THE_DOOR if shown == "the door's" else set())):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="has not proven"):
            async with nobody.transaction():
                await nobody.fetchval(call(signature))


@pytest.mark.parametrize(
    "change",
    [
        "SELECT set_config('app.current_tenant_id', 'globex', true)",
        "SELECT set_config('app.proof', replace(current_setting('app.proof'), '.tenant.', '.worker.'), true)",
        "SELECT set_config('app.proof', '9' || substr(current_setting('app.proof'), 2), true)",
        "SELECT set_config('app.proof', '', true)",
        "SELECT set_config('app.proof', 'x.unsealed.', true)",
        "SELECT set_config('app.proof', current_setting('app.proof') || '0', true)",
    ],
)
async def test_a_proof_holds_for_its_tenant_and_as_it_was_made(acme, change):
    assert await acme.fetchval("SELECT session_proof()") == "tenant"
    await acme.execute(change)
    assert await acme.fetchval("SELECT session_proof()") is None
    assert await acme.fetchval("SELECT count(*) FROM tenant_configs") == 0


async def test_members_are_told_to_their_own_tenant_alone(acme, nobody, database_urls):
    superuser = await asyncpg.connect(database_urls.superuser_url)
    try:
        await superuser.execute("UPDATE memberships SET role = 'operator'")
    finally:
        await superuser.close()
    members = "SELECT email, role FROM approving_members()"
    assert [tuple(row) for row in await acme.fetch(members)] == [("acme@example.com", "operator")]
    await acme.execute("SELECT set_config('app.current_tenant_id', 'globex', true)")
    assert await acme.fetch(members) == []
    for process in ("door", "worker"):
        await set_process(nobody, process)
        await nobody.execute("SELECT set_config('app.current_tenant_id', 'globex', true)")
        assert await nobody.fetch(members) == []


async def test_the_doors_proof_opens_no_table(nobody):
    for process in ("door", "worker"):
        await set_process(nobody, process)
        await nobody.execute("SELECT set_config('app.current_tenant_id', 'globex', true)")
        assert await nobody.fetchval("SELECT count(*) FROM agents") == 0


@pytest.mark.parametrize(
    ("kind", "keep"),
    [("executions", "23 hours"), ("deliveries", "47 hours"), ("schedule_fires", "0"), ("execution_starts", "1 hour"),
     ("queue_log", "-1 days"), ("deliveries", None)],
)  # fmt: skip
async def test_not_even_a_worker_prunes_what_is_young(nobody, kind, keep):
    await set_process(nobody, "worker")
    with pytest.raises(asyncpg.InvalidParameterValueError, match="kept for"):
        await nobody.fetchval(f"SELECT prune_history('{kind}', $1::text::interval, 100000)", keep)


JOBS = """INSERT INTO pgqueuer (priority, entrypoint, payload, status)
          VALUES (0, 'execution', '{t}:20000000-0000-4000-8000-00000000000d', 'queued')"""


async def test_a_tenant_sees_and_hands_over_its_own_jobs_and_takes_none(acme, database_urls):
    superuser = await asyncpg.connect(database_urls.superuser_url)
    try:
        for tenant in ("acme", "globex"):
            await superuser.execute(JOBS.format(t=tenant))
        await superuser.execute("INSERT INTO pgqueuer (priority, entrypoint, status) VALUES (0, 'execution', 'queued')")
    finally:
        await superuser.close()
    assert await acme.fetchval("SELECT count(*) FROM pgqueuer") == 1
    assert await acme.execute("DELETE FROM pgqueuer") == "DELETE 0"
    assert await acme.execute("UPDATE pgqueuer SET status = 'picked'") == "UPDATE 0"
    await acme.execute(JOBS.format(t="acme"))
    for payload in ("globex", "acm", "", "acme2"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with acme.transaction():
                await acme.execute(JOBS.format(t=payload))
    await acme.execute("SELECT set_config('app.proof', '', true)")
    assert await acme.fetchval("SELECT count(*) FROM pgqueuer") == 0
    await set_process(acme, "door")
    assert await acme.fetchval("SELECT count(*) FROM pgqueuer") == 0
    await set_process(acme, "worker")
    assert await acme.fetchval("SELECT count(*) FROM pgqueuer") == 4


async def test_the_platform_role_cannot_create_functions(database_urls):
    connection = await asyncpg.connect(database_urls.platform_url)
    try:
        await connection.execute("SET ROLE deskhand_platform")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM proof_keys")
    finally:
        await connection.close()


async def test_keys_are_found_by_their_hash_alone(nobody):
    found = await nobody.fetch("SELECT tenant_id, role, prefix FROM find_api_key(sha256('globex'))")
    assert [tuple(row) for row in found] == [("globex", "viewer", "dhk_globex")]
    assert await nobody.fetch("SELECT * FROM find_api_key(sha256('unknown'))") == []
    assert await nobody.fetch("SELECT * FROM find_platform_key(sha256('globex'))") == []


async def test_a_hook_is_found_by_agent_and_by_tenant_and_tool(nobody):
    agent = "20000000-0000-4000-8000-00000000000a"
    await set_process(nobody, "door")
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
