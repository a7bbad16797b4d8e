"""What becomes a fact, in the transaction in which it happens, and what does not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.notices import ANN, BOB
from tests.support.told import Told, told_of

from deskhand.audit.service import PLATFORM, ChainReport
from deskhand.notifications import service
from deskhand.storms.schemas import StormView

UNKNOWN = "The worker died. Nobody knows whether this was done: reply."


ENDED: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({}, ["failure"]),
    ({"code": "worker-died", "message": UNKNOWN}, ["doubt", "failure"]),
    ({"status": "waiting", "code": "in-doubt"}, ["doubt"]),
    ({"status": "cancelled", "code": None, "message": UNKNOWN}, ["doubt"]),
    ({"status": "queued", "code": "desk-unavailable"}, ["connection"]),
    ({"code": "desk-auth"}, ["connection", "failure"]),
    ({"status": "queued", "code": "model-timeout"}, ["connection"]),
    ({"status": "completed", "code": None, "output": '{"degraded": true}'}, ["connection"]),
    ({"status": "completed", "code": None, "output": '{"degraded": false}'}, []),
    (
        {
            "status": "completed",
            "code": None,
            "output": '{"degraded": true, "degraded_reason": "The budget of 5 dollars for the tenant is used."}',
        },
        [],
    ),
    ({"status": "waiting", "code": "requester"}, []),
    ({"status": "cancelled", "code": None}, []),
)


async def test_a_run_leaves_what_people_may_be_told_of(told: Told) -> None:
    agent = await told.agent()
    for ended, kinds in ENDED:
        await told.end(**ended)
        found = await told.facts()
        assert sorted(kind for kind, _, _ in found) == kinds, ended
        desk = str(ended.get("code")).startswith("desk")
        causes = {
            "failure": f"{agent}:{ended.get('code', 'desk-permission')}",
            "doubt": str(agent),
            "connection": "desk:servicedesk_plus" if desk else "model:gpt-4",
        }
        assert all(cause == causes[kind] for kind, cause, _ in found), ended
        async with told.api.db.tenant_session("acme") as session:
            await session.execute(text("DELETE FROM notification_facts"))


async def test_a_fact_comes_and_goes_with_its_transaction_and_is_one(told: Told) -> None:
    (run,) = await told.end()
    again = text("UPDATE agent_executions SET status = :to WHERE id = :run")
    async with told.api.db.tenant_session("acme") as session:
        for state in ("queued", "failed"):  # the same try
            await session.execute(again, {"run": run, "to": state})
    async with told.api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE agent_executions SET status = 'queued', attempt = 2"))
        await session.execute(again, {"run": run, "to": "failed"})
        await session.rollback()  # the worker dies here
    assert len(await told.facts()) == 1
    async with told.api.db.tenant_session("acme") as session:
        await session.execute(text("UPDATE agent_executions SET mode = 'dry_run', status = 'queued', attempt = 3"))
        await session.execute(again, {"run": run, "to": "failed"})
    assert len(await told.facts()) == 1, "whoever tries something out looks at it"


async def test_a_call_a_budget_and_a_halted_schedule_are_facts_once(told: Told, database_urls: DatabaseUrls) -> None:
    await told.office.call()
    budget = {"scope": "tenant", "period": "month", "amount_usd": "5"}
    made = await told.office.admin.post("/api/v1/budgets", json=budget)
    schedule = {"trigger_type": "schedule", "schedule_cron": "0 9 * * *"}
    await told.api.agent(told.office.admin, name="Digest", status="active", triggers=[schedule])
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        use = "INSERT INTO budget_use (tenant_id, budget_id, period_start) VALUES ('acme', $1, '2026-11-01')"
        await connection.execute(use, made.json()["id"])
        for change in ("warned_at = now()", "warned_at = now(), reached_at = now()", "used_usd = 6"):
            await connection.execute(f"UPDATE budget_use SET {change}")
        # As fire_schedules() leaves a trigger whose expression has no next time.
        await connection.execute("UPDATE agent_triggers SET next_fire_at = NULL WHERE next_fire_at IS NOT NULL")
        # A person's change takes it away as well, and is no halt.
        await connection.execute("UPDATE agent_triggers SET next_fire_at = now()")
        await connection.execute("UPDATE agent_triggers SET next_fire_at = NULL, updated_at = now()")
    finally:
        await connection.close()
    assert [kind for kind, _, _ in await told.facts()] == ["approval", "budget_warning", "budget_stop", "schedule"]
    assert (await told.name(mail=["ann@acme.example"])).is_success
    await told.look()
    said = told.office.words()
    assert "The budget of 5 dollars a month for the tenant is near its end" in said
    assert "is used up: calls of models are refused" in said
    assert "A schedule of Digest stopped" in said
    assert "1 call of Triage notes waits for a yes" in said


async def test_a_log_that_does_not_verify_is_told_to_administrators_once(told: Told) -> None:
    await told.name(mail=[ANN, BOB])
    reports = [
        ChainReport("acme", broken_at=7, reason="an entry was changed"),
        ChainReport(PLATFORM, broken_at=1),
        ChainReport("acme"),
    ]
    for _ in range(2):  # as a nightly `deskhand audit verify` finds it again
        async with told.api.db.platform_session() as session:
            await service.note_broken_chains(session, reports)
        await told.look(after=120)
    assert told.subjects() == ["The audit log does not verify (Acme)"]
    assert told.office.mailbox.envelopes[0].rcpt_tos == [BOB]


async def test_an_outage_is_told_once_to_whom_the_tenant_names_for_it(told: Told) -> None:
    rules = {"enhancement_preferences": {"storms": {"tell": ["ann@acme.example"]}}}
    assert (await told.office.admin.patch("/api/v1/tenants/acme", json=rules)).is_success
    stranger = {"enhancement_preferences": {"storms": {"tell": ["zoe@acme.example"]}}}
    refused = await told.office.admin.patch("/api/v1/tenants/acme", json=stranger)
    assert refused.json()["errors"][0]["pointer"] == "/enhancement_preferences/storms/tell/0"
    at = told.api.state.clock()
    named = {"id": UUID(int=9), "tool_type": "jira", "company": "c", "company_name": "Nordwind"}
    first = {"first_ticket_id": "7", "first_number": "IT-7", "execution_id": UUID(int=1)}
    sized = {"tickets": 12, "requesters": 11, "usual": 1}
    times = dict.fromkeys(("began_at", "last_at", "over_at", "recognised_at"), at)
    storm = StormView.model_validate({**named, **first, **sized, **times})
    await told.end()  # of which nobody is told
    for _ in range(2):
        async with told.api.db.tenant_session("acme") as session:
            await service.note_storm(session, "acme", storm)
        await told.look(after=120)
    assert told.subjects() == ["An outage on jira: 12 tickets report the same (Acme)"]
    assert told.office.mailbox.envelopes[0].rcpt_tos == [ANN]
    assert "Tickets: IT-7" in told.office.words()
    assert "Nordwind" not in told.office.words(), "a message names no client"


async def test_doctor_hears_of_what_is_held_up_and_of_what_failed(told: Told) -> None:
    await told_of(told.api, "mail:a@acme.example", closed_at=told.api.state.clock())
    await told_of(told.api, "mail:b@acme.example", state="open", why="No mail server.")
    await told_of(told.api, "mail:c@acme.example", state="sent", why="")
    async with told.api.db.platform_session() as session:
        assert await service.troubles(session) == ["acme: 1 held up, 1 failed within a day"]
