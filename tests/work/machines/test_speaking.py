"""A condition is one run's to speak of: until it was quiet, or that run ended without a word."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from tests.support.runs import AGENT_ID, execution, run_of, ticket

import deskhand.work.machines as machines
from deskhand.engine.journal import Journal
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Person
from deskhand.tenants.models import TenantConfig
from deskhand.work.machines.speaking import why_quiet
from deskhand.work.run import Run

NAGIOS = {"name": "Nagios", "requester": ["@nagios.test"], "speak": "once", "quiet_hours": 2}
SPOKEN = (
    "By the tenant's rule 'Nagios' a machine made this ticket, and its condition has been spoken of on ticket 10017."
)


def run(number: int, *, agent: UUID = AGENT_ID, begun: bool = False, mode: str = "live", **rule: Any) -> Run:
    made = run_of(execution(id=UUID(int=number), agent_id=agent, mode=mode, tool_type="jira", ticket_ref="10017"))
    tenant = TenantConfig(
        tenant_id="acme", name="Acme", tool_type="jira", enhancement_preferences={"machines": [{**NAGIOS, **rule}]}
    )
    journal = cast(Journal, SimpleNamespace(begun_writes=frozenset({"add_note:note"} if begun else ())))
    return replace(made, tenant=tenant, journal=journal)


def alert(subject: str = "PROBLEM: srv-1/disk is CRITICAL", sender: str = "x@nagios.test") -> Any:
    return ticket(subject=subject, requester=Person(email=sender))


@pytest.fixture
async def db(clean_db: Database, make_tenant: Any) -> Database:
    await make_tenant("acme")
    return clean_db


async def age(db: Database, hours: int) -> None:
    async with db.tenant_session("acme") as session:
        await session.execute(
            text("UPDATE alert_conditions SET last_at = last_at - make_interval(hours => :hours)"), {"hours": hours}
        )


async def test_the_first_run_speaks_and_may_be_tried_again(db: Database) -> None:
    assert machines.__doc__
    assert await why_quiet(db, run(1), alert()) is None
    assert await why_quiet(db, run(1), alert()) is None, "the same run, once more"
    assert await why_quiet(db, run(2), alert()) == SPOKEN
    assert await why_quiet(db, run(3), alert("PROBLEM: srv-2/disk is CRITICAL")) is None, "another device"
    assert await why_quiet(db, run(4, agent=uuid4()), alert()) is None, "another agent has other work"


async def test_a_recovery_says_nothing_and_what_flaps_is_spoken_of_once(db: Database) -> None:
    assert await why_quiet(db, run(1), alert()) is None
    over = await why_quiet(db, run(2), alert("RECOVERY: srv-1/disk is OK"))
    assert over is not None
    assert over.endswith("it says that the condition is over: nothing was done.")
    assert await why_quiet(db, run(3), alert()) == SPOKEN
    # A recovery of what nobody reported closes nothing, and says as little.
    assert await why_quiet(db, run(4), alert("RECOVERY: srv-9/disk is OK")) == over


async def test_of_five_hundred_alerts_of_three_conditions_at_once_three_runs_speak(db: Database) -> None:
    def flapping(number: int) -> Any:
        host, is_over = number % 3, number // 3 % 4 == 3
        return alert(f"{'RECOVERY' if is_over else 'PROBLEM'}: srv-{host}/disk is {number}% full")

    limit = asyncio.Semaphore(4)

    async def ask(number: int) -> str | None:
        async with limit:
            return await why_quiet(db, run(number + 1), flapping(number))

    said = await asyncio.gather(*(ask(number) for number in range(500)))
    assert sum(why is None for why in said) == 3, "whoever is first, of the workers that claim beside each other"
    assert sum("the condition is over" in (why or "") for why in said) == sum(n // 3 % 4 == 3 for n in range(500))
    async with db.tenant_session("acme") as session:
        assert (await session.execute(text("SELECT count(*) FROM alert_conditions"))).scalar_one() == 3


async def test_after_a_quiet_time_a_condition_is_a_new_one(db: Database) -> None:
    assert await why_quiet(db, run(1), alert()) is None
    await age(db, 1)
    assert await why_quiet(db, run(2), alert()) == SPOKEN
    await age(db, 1)
    assert await why_quiet(db, run(3), alert()) == SPOKEN, "each alert begins the time anew"
    await age(db, 3)
    assert await why_quiet(db, run(4), alert()) is None
    assert await why_quiet(db, run(3), alert()) == SPOKEN


async def test_a_run_that_failed_leaves_its_condition_to_the_next(db: Database) -> None:
    async with db.tenant_session("acme") as session:
        for statement in (
            "INSERT INTO agents (id, tenant_id, name, status, system_prompt)"
            " VALUES (:agent, 'acme', 'a', 'draft', 'p')",
            "INSERT INTO agent_versions (id, tenant_id, agent_id, version_number, system_prompt, llm_config)"
            " VALUES (:version, 'acme', :agent, 1, 'p', '{}')",
            "INSERT INTO agent_executions (id, tenant_id, agent_id, agent_version_id, status)"
            " VALUES (:run, 'acme', :agent, :version, 'failed')",
        ):
            await session.execute(text(statement), {"agent": AGENT_ID, "version": UUID(int=3), "run": UUID(int=1)})
    assert await why_quiet(db, run(1), alert()) is None
    assert await why_quiet(db, run(2), alert()) is None
    assert await why_quiet(db, run(3), alert()) == SPOKEN


async def test_what_no_machine_made_was_begun_or_is_only_shown_is_not_asked(db: Database) -> None:
    assert await why_quiet(db, run(1), alert()) is None
    assert await why_quiet(db, run(2), alert(sender="ada@acme.test")) is None
    assert await why_quiet(db, run(2, begun=True), alert()) is None
    assert await why_quiet(db, run(2, mode="dry_run"), alert()) is None
    silent = await why_quiet(db, run(2, speak="silent"), alert("Whatever"))
    assert silent == "By the tenant's rule 'Nagios' a machine made this ticket: nothing was done."
