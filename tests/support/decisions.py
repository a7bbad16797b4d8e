"""Runs that a person has to decide about, as rows: in doubt, failed after a write, replayed."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import update
from tests.support.console import Console
from tests.support.scene import RESULT

from deskhand.agents.models import Agent, AgentTrigger, AgentVersion

MARK = "dh-0123456789abcdef0123"
NOTE = "**Check the certificate** of LT-4471 first; ticket #1007 was the same [1]."


def event(_: Any = None) -> dict[str, Any]:
    """What an agent is tried on without asking its desk."""
    return {"payload": {"event": "request.created", "request_id": "77"}}


def pasted(_: Any = None) -> dict[str, str]:
    """The same, as the console's form sends it."""
    return {"on": "payload", "payload": json.dumps(event()["payload"])}


def first(_: Any = None) -> dict[str, str]:
    """The first version, as a form names it."""
    return {"agent_version": "1"}


async def in_doubt(console: Console, agent: Agent, **columns: Any) -> UUID:
    """A run that waits for somebody to look at the ticket."""
    why = "'add_note' was begun and the desk cannot say whether it happened (ServiceDesk Plus refused.)"
    values = {"status": "waiting", "attempt": 2, "error_code": "in-doubt", "error_message": why, **columns}
    run = await console.execution(agent, **values)
    url = "https://desk.example.com/WorkOrder.do?woID=1042"
    await console.step(agent.tenant_id, run, "get_ticket", output={"id": "1042", "url": url})
    await write(console, run, agent.tenant_id, state="in_doubt", finished_at=None)
    return run


async def write(console: Console, run: UUID, tenant_id: str = "acme", **columns: Any) -> None:
    """The run's note, written unless told otherwise."""
    given = {"body": NOTE, "public": False}
    values = {"kind": "write", "idempotent": False, "step_key": "add_note:note", "mark": MARK, "input": given}
    await console.step(tenant_id, run, "add_note", **values, **columns)


async def second_version(console: Console, agent: Agent, **columns: Any) -> None:
    """The agent, changed; both versions have its one tool."""
    tools = [{"tool_id": "servicedesk_plus", "operations": ["add_note", "get_ticket"]}]
    async with console.db.tenant_session(agent.tenant_id) as session:
        values = {"system_prompt": "Be brief.", "llm_config": {}, "tools": tools, **columns}
        session.add(AgentVersion(tenant_id=agent.tenant_id, agent_id=agent.id, version_number=2, **values))
        row = await session.get_one(Agent, agent.id)
        row.current_version = 2


async def set_agent(console: Console, agent: Agent, **columns: Any) -> None:
    """Change the agent's row."""
    async with console.db.tenant_session(agent.tenant_id) as session:
        await session.execute(update(Agent).where(Agent.id == agent.id).values(**columns))


async def set_payload_schema(console: Console, agent: Agent, schema: dict[str, Any]) -> None:
    """What the agent's trigger wants of an event."""
    async with console.db.tenant_session(agent.tenant_id) as session:
        change = update(AgentTrigger).where(AgentTrigger.agent_id == agent.id).values(payload_schema=schema)
        await session.execute(change)


async def replayed(console: Console, agent: Agent) -> tuple[UUID, UUID]:
    """A run and its dry replay, both with a note."""
    original = await console.execution(agent, status="completed", attempt=1, ago=300, output_result=RESULT)
    note = {**RESULT["note"], "markdown": NOTE, "note_id": None, "word_count": 10, "sources": []}
    now = await console.now()
    dry = await console.execution(
        agent,
        status="completed",
        attempt=1,
        mode="dry_run",
        replay_of=original,
        completed_at=now,
        output_result={**RESULT, "note": note},
    )
    given = {"body": NOTE, "public": False}
    output = {"id": "dry-run", "intent": "add_note", "mark": MARK}
    await console.step(agent.tenant_id, dry, "add_note", kind="compute", input=given, output=output)
    return original, dry
